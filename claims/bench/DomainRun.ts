import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSimilarityIndex, openZeppelinModules, splitIntoRecords } from '@openledger/datanet'
import { Adapter, type Checkpoint, type Tokenizer } from '@openledger/model'
import { joinRecords, type TrainingResult, trainAdapter } from '@openledger/modelfactory'
import { partRecords, type TrainingRecord } from '@openledger/modelfactory/TrainingPlan'
import type { TrainingCheckpoint } from '@openledger/modelfactory/TrainingSteps'
import { Bytes, CanonicalJson, type Hex } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import { digestOf } from '../Parts.ts'

/** A training is known as long as what trains is the same. */
const ENGINE = ['packages/{tensor,model,modelfactory,datanet}/src/**/*.ts']

/** The records of the first start's Datanet, each module one contribution; what an earlier one says already is left out. */
export function domainRecords(modulesMax?: number): TrainingRecord[] {
  const accepted = createSimilarityIndex()
  const records = openZeppelinModules()
    .slice(0, modulesMax)
    .flatMap(({ name, files }) => {
      const texts = files
        .flatMap(({ path, text }) => splitIntoRecords({ name: path, text }))
        .filter((text) => accepted.find(text) === undefined)
      for (const text of texts) accepted.add(name, text)
      return texts.map((text) => {
        const recordId = hashOf(text)
        return { recordId, contributionId: contributionOf(name), clusterId: recordId, text }
      })
    })
  return joinRecords([records])
}

/** Names the contribution that a module is. */
export const contributionOf = (module: string): Hex => hashOf(module)

const hashOf = (text: string): Hex => Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text)))

export type DomainRun = Omit<TrainingResult, 'rehearsal'> & { readonly seconds: number }

/** What of a run is kept in a file; the records are made again. */
type Kept = Pick<
  TrainingResult,
  'scale' | 'validationLoss' | 'testLoss' | 'baseValidationLoss' | 'baseTestLoss' | 'stepCount'
> & { readonly seconds: number; readonly adapter: string }

/**
 * Trains on a domain's records, or goes on with a training that was cut off: its last checkpoint lies in the system's folder for
 * temporary files until `forget` is called.
 */
export async function trainDomain(
  input: {
    readonly checkpoint: Checkpoint
    readonly tokenizer: Tokenizer
    readonly records: readonly TrainingRecord[]
    readonly config: Http.TrainingConfig
  },
  say: (line: string) => void,
): Promise<{ readonly run: DomainRun; readonly forget: () => void }> {
  const { checkpoint, records, config } = input
  const ids = records.map(({ recordId }) => recordId)
  const key = CanonicalJson.hash({ config, ids, engine: digestOf(ENGINE) } as never).slice(2, 18)
  const folder = join(tmpdir(), 'openledger-bench-domain', key)
  const [keptFile, resultFile] = [join(folder, 'checkpoint.json'), join(folder, 'result.json')]
  const forget = () => rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const write = (file: string, value: unknown): void => {
    writeFileSync(`${file}.part`, JSON.stringify(value))
    renameSync(`${file}.part`, file)
  }
  if (!existsSync(resultFile)) {
    const before = existsSync(keptFile)
      ? (JSON.parse(readFileSync(keptFile, 'utf8')) as KeptCheckpoint)
      : undefined
    const began = performance.now()
    const secondsNow = () => (before?.seconds ?? 0) + (performance.now() - began) / 1_000
    const { adapter, scale, stepCount, ...losses } = await trainAdapter(
      { ...input, workers: 2, ...(before === undefined ? {} : { resume: decode(before) }) },
      {
        onStart: async ({ stepCount: steps, baseValidationLoss }) =>
          say(
            `${steps} steps, base loss ${baseValidationLoss.toFixed(3)}, ready after ${secondsNow().toFixed(0)} s`,
          ),
        onMetric: async ({ step, trainingLoss, validationLoss: held }) => {
          if (held !== null) say(`step ${step}: loss ${trainingLoss.toFixed(3)}, kept out ${held.toFixed(3)}`)
        },
        onCheckpoint: async (kept) => write(keptFile, encode(kept, secondsNow())),
        nowMs: () => performance.now(),
        signal: new AbortController().signal,
      },
    )
    const { validationLoss, testLoss, baseValidationLoss, baseTestLoss } = losses
    write(resultFile, {
      scale,
      stepCount,
      validationLoss,
      testLoss,
      baseValidationLoss,
      baseTestLoss,
      seconds: secondsNow(),
      adapter: toBase64(Adapter.encode(adapter)),
    } satisfies Kept)
  }
  const { adapter, ...found } = JSON.parse(readFileSync(resultFile, 'utf8')) as Kept
  const decoded = Adapter.decode(checkpoint.config, fromBase64(adapter))
  return { run: { ...partRecords(records), ...found, adapter: decoded }, forget }
}

type KeptCheckpoint = Omit<TrainingCheckpoint, 'state' | 'best'> & {
  readonly seconds: number
  readonly state: string
  readonly best: (Omit<NonNullable<TrainingCheckpoint['best']>, 'learned'> & { learned: string }) | null
}

const encode = ({ step, state, best }: TrainingCheckpoint, seconds: number): KeptCheckpoint => ({
  step,
  seconds,
  state: toBase64(state),
  best: best === undefined ? null : { ...best, learned: toBase64(best.learned) },
})

const decode = ({ step, state, best }: KeptCheckpoint): TrainingCheckpoint => ({
  step,
  state: fromBase64(state),
  best: best === null ? undefined : { ...best, learned: fromBase64(best.learned) },
})

const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const fromBase64 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'))
