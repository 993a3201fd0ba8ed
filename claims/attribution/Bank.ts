import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Adapter, type Checkpoint, CheckpointFolder, createRandom, type Tokenizer } from '@openledger/model'
import { createDecoder } from '@openledger/model/decoder/Decoder'
import { createRetrainer } from '@openledger/modelfactory/Retraining'
import { CanonicalJson } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import {
  type Corpus,
  type CorpusName,
  type CorpusSize,
  type Piece,
  readCorpus,
  sequenceOf,
} from './Corpus.ts'

/** A training to attribute, small enough to be repeated many times. */
export type Setup = {
  readonly corpus: CorpusName
  readonly size: CorpusSize
  readonly config: Http.TrainingConfig
  /** Answers that the adapter itself gives, beside the held-out pieces. */
  readonly generatedCount: number
}

/** One more training, without some of the records. */
export type Retraining = {
  readonly name: string
  /** Decides the adapter's start and the order. */
  readonly seed: number
  readonly leftOut: readonly number[]
}

/** An answer whose likelihood is measured: `prompt` tokens are context, the others count. */
export type Query = {
  readonly contributor: number
  readonly prompt: number
  readonly tokens: readonly number[]
}

/** What the thread that retrains is started with. */
export type BankTask = Setup & {
  readonly baseDirectory: string
  readonly queries: readonly Query[]
  readonly retrainings: readonly Retraining[]
}

export type Bank = {
  readonly checkpoint: Checkpoint
  readonly tokenizer: Tokenizer
  readonly corpus: Corpus
  readonly adapter: Adapter.Adapter
  readonly queries: readonly Query[]
  /**
   * Gives `[retrainings, queries]` log-likelihood of the counted tokens in nats, from the cache as far as it has them.
   * Equal retrainings always give equal numbers.
   */
  readonly likelihoods: (retrainings: readonly Retraining[]) => Promise<number[][]>
  /** Gives the adapters at so many points of the reference training, at even distances; the last is `adapter`. */
  readonly along: (count: number) => Promise<Adapter.Adapter[]>
  readonly directory: string
}

const baseDirectory = join(import.meta.dirname, '..', '..', 'assets', 'base')

/** Opens the bank of a setup in a cache folder: the reference adapter, the queries, and retrainings as they are asked for. */
export async function openBank(
  setup: Setup,
  { cache, say }: { readonly cache?: string | undefined; readonly say: (line: string) => void },
): Promise<Bank> {
  const checkpoint = await CheckpointFolder.read(baseDirectory)
  const tokenizer = await CheckpointFolder.readTokenizer(baseDirectory)
  const corpus = readCorpus(setup.corpus, tokenizer, setup.size)
  // what is measured afterwards does not change the training
  const { agreementRetrainings: _, ...config } = setup.config
  const key = CanonicalJson.hash({
    ...setup,
    config,
    baseHash: checkpoint.baseHash,
    records: corpus.records.map(({ tokens }) => tokens),
  } as never)
  const directory = join(
    cache ?? join(tmpdir(), 'openledger-influence'),
    `${setup.corpus}-${key.slice(2, 14)}`,
  )
  mkdirSync(directory, { recursive: true })
  const task = { ...setup, baseDirectory }
  const adapterPath = join(directory, 'adapter.safetensors')
  if (!existsSync(adapterPath)) {
    say(`training the reference adapter on ${corpus.records.length} records`)
    const [adapter] = await runInThreads<Uint8Array>(
      { ...task, queries: [] },
      [{ name: 'reference', seed: setup.config.seed, leftOut: [] }],
      () => {},
    )
    writeFileSync(adapterPath, adapter!)
  }
  const adapter = Adapter.decode(checkpoint.config, readFileSync(adapterPath))
  const queriesPath = join(directory, 'queries.json')
  if (!existsSync(queriesPath)) {
    const held = corpus.heldOut.map(({ contributor, tokens }) => ({ contributor, prompt: 0, tokens }))
    const generated = await generate(checkpoint, adapter, corpus.heldOut.slice(0, setup.generatedCount))
    writeFileSync(queriesPath, JSON.stringify([...held, ...generated]))
  }
  const queries = JSON.parse(readFileSync(queriesPath, 'utf8')) as Query[]
  const lossesPath = join(directory, 'likelihoods.jsonl')
  return {
    checkpoint,
    tokenizer,
    corpus,
    adapter,
    queries,
    directory,
    async along(count) {
      const paths = Array.from({ length: count }, (_, i) =>
        join(directory, `along-${i + 1}-of-${count}.safetensors`),
      )
      if (!paths.every((path) => existsSync(path))) {
        say(`training again for the adapters at ${count} points of the way`)
        const { bosId } = checkpoint.config
        const sequences = corpus.records.map(({ tokens }) => sequenceOf(bosId, tokens))
        const retrainer = createRetrainer(checkpoint, sequences, setup.config)
        const adapters = await retrainer.along(count)
        await retrainer.release()
        for (const [i, found] of adapters.entries()) writeFileSync(paths[i]!, Adapter.encode(found))
      }
      return paths.map((path) => Adapter.decode(checkpoint.config, readFileSync(path)))
    },
    async likelihoods(retrainings) {
      const known = new Map<string, number[]>()
      for (const line of existsSync(lossesPath) ? readFileSync(lossesPath, 'utf8').split('\n') : []) {
        // a line that a killed run left unfinished is computed again
        if (!line.endsWith('}')) continue
        const { name, values } = JSON.parse(line) as { name: string; values: number[] }
        known.set(name, values)
      }
      const missing = retrainings.filter(({ name }) => !known.has(name))
      const started = performance.now()
      let done = 0
      await runInThreads<number[]>({ ...task, queries }, missing, ({ name }, values) => {
        known.set(name, values)
        appendFileSync(lossesPath, `${JSON.stringify({ name, values })}\n`)
        done++
        if (done % 10 === 0) {
          const seconds = (performance.now() - started) / 1e3
          say(`${done} of ${missing.length} retrainings, ${(seconds / done).toFixed(1)} s each`)
        }
      })
      return retrainings.map(({ name }) => known.get(name)!)
    },
  }
}

/** Has the adapter continue the first half of each piece; drawn, not greedy, as answers are. */
async function generate(
  checkpoint: Checkpoint,
  adapter: Adapter.Adapter,
  pieces: readonly Piece[],
): Promise<Query[]> {
  const decoder = await createDecoder(checkpoint, { rows: 1, context: 128, rankMax: adapter.rank })
  const random = createRandom(7)
  const queries: Query[] = []
  for (const { contributor, tokens } of pieces) {
    const prompt = tokens.length >> 1
    const answer = [checkpoint.config.bosId, ...tokens.slice(0, prompt)]
    decoder.setAdapter(0, adapter)
    let logits = await decoder.prefill(0, answer)
    while (answer.length < tokens.length + 1) {
      const next = draw(logits, random.next())
      answer.push(next)
      if (answer.length < tokens.length + 1) logits = (await decoder.step([next]))[0]!
    }
    decoder.free(0)
    queries.push({ contributor, prompt, tokens: answer.slice(1) })
  }
  return queries
}

/** Draws a token at temperature 0.7. */
function draw(logits: ArrayLike<number>, uniform: number): number {
  const weights = Array.from(logits, (value) => value / 0.7)
  const most = Math.max(...weights)
  const powers = weights.map((value) => Math.exp(value - most))
  let rest = uniform * powers.reduce((sum, value) => sum + value, 0)
  const at = powers.findIndex((value) => {
    rest -= value
    return rest <= 0
  })
  return at < 0 ? powers.length - 1 : at
}

/** Shares retrainings among as many threads as there are cores. */
async function runInThreads<Result>(
  setup: Omit<BankTask, 'retrainings'>,
  retrainings: readonly Retraining[],
  onResult: (retraining: Retraining, result: Result) => void,
): Promise<Result[]> {
  const count = Math.min(retrainings.length, Math.max(1, Math.min(2, availableParallelism())))
  const results: Result[] = []
  await Promise.all(
    Array.from({ length: count }, (_, thread) => {
      const own = retrainings.filter((_, i) => i % count === thread)
      const workerData: BankTask = { ...setup, retrainings: own }
      const worker = new Worker(new URL('./bankEntry.ts', import.meta.url), {
        workerData,
        execArgv: ['--disable-warning=ExperimentalWarning'],
      })
      return new Promise<void>((resolve, reject) => {
        let next = 0
        worker.on('error', reject)
        worker.on('exit', () => resolve())
        worker.on('message', (result: Result) => {
          results.push(result)
          onResult(own[next++]!, result)
        })
      })
    }),
  )
  return results
}
