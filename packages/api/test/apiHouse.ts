import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDatanets, createPanelKeeper } from '@openledger/datanet'
import { Adapter, CheckpointFolder } from '@openledger/model'
import { createModelFactory } from '@openledger/modelfactory'
import {
  createOpenLora,
  type GenerationResult,
  grammarOf,
  type OpenLora,
  type OpenLoraMetrics,
  PinsFullError,
  type TokenDelta,
} from '@openledger/openlora'
import { Bytes, type Hex } from '@openledger/primitives'
import { Abi, type Deployment, DevelopmentKeys, Manifest } from '@openledger/protocol'
import { createSettlement } from '@openledger/settlement'
import { type Blobs, cidOf, createDiskBlobs, createJobs, eq, schema } from '@openledger/store'
import { keccak256 } from 'viem'
import { type House, startHouse } from '../../settlement/test/house.ts'
import type { Serving } from '../src/completions/Answering.ts'
import { type Api, createApi } from '../src/createApi.ts'

export { INPUT_PRICE_WEI, OUTPUT_PRICE_WEI, publishModel } from '../../settlement/test/house.ts'
export { installPermit2, PERMIT2 } from '../../settlement/test/permit2.ts'

/** A settlement house with everything the interface needs; only the model is a script. */
export type ApiHouse = House & {
  readonly api: Api
  readonly settlement: ReturnType<typeof createSettlement>
  /** What the next answers do: words to say, and when to break. */
  readonly script: Script
  /** `fetch` that goes to the interface without a socket. */
  readonly fetch: typeof globalThis.fetch
  readonly post: (
    path: string,
    body: unknown,
    headers?: Record<string, string>,
  ) => Promise<{ status: number; headers: Headers; body: Record<string, never> }>
  readonly logged: Record<string, unknown>[]
  readonly blobs: Blobs
}

export type Script = {
  words: readonly string[]
  /** Breaks before this word. */
  failsAt: number | undefined
  /** Waits before every word. */
  wordMs: number
  /** Adapters that there is room for. */
  pinsMax: number
}

export const URL_BASE = 'http://127.0.0.1:8080'
export const CONTEXT_TOKENS = 1_000
/** Of a MiB for an hour, and the size of the scripted model's adapter. */
export const PIN_PRICE_WEI = 10n ** 15n
export const PINNED_BYTES = 2 ** 21
export const baseDirectory = join(import.meta.dirname, '../../../assets/base')

/** @param options.isReal - Answers come from the shipped base model instead of the script; attribution stays scripted. */
export async function startApiHouse({ isReal = false } = {}): Promise<ApiHouse> {
  const house = await startHouse(3)
  const directory = await mkdtemp(join(tmpdir(), 'openledger-api-'))
  const { database, publicClient, clock, operator, senderOf } = house
  const deployment = await withOpen(house)
  const jobs = await createJobs(database)
  const blobs = createDiskBlobs(directory)
  const settlement = createSettlement({ ...house, deployment }, { intervalMs: 500, gatherMs: 20 })
  const shared = { database, blobs, jobs, publicClient, deployment, clock }
  const datanets = createDatanets({
    ...shared,
    relayer: house.sender,
    validator: senderOf('validator'),
    answerKey: Uint8Array.of(1),
  })
  const factory = createModelFactory({
    ...shared,
    sender: house.sender,
    baseDirectory,
    baseName: 'base',
    workers: 0,
    mayTrain: datanets.mayReadAll,
  })
  const entries = await database.orm.select().from(schema.records).orderBy(schema.records.contributionId)
  const manifest = {
    datanetId: '1',
    parentVersion: 0,
    records: entries.map(({ contributionId, index, id }) => ({
      contributionId: contributionId as Hex,
      index,
      recordId: id as Hex,
    })),
  }
  const manifestCid = await blobs.put(Manifest.encode(manifest))
  await database.orm.update(schema.datanetVersions).set({ manifestCid })
  const { config } = await CheckpointFolder.read(baseDirectory)
  const adapter = Adapter.create(config, { rank: 1, alpha: 1, targets: ['q_proj'], seed: 1 })
  const adapterCid = await blobs.put(Adapter.encode(adapter))
  await database.orm
    .update(schema.trainingRuns)
    .set({ adapterCid })
    .where(eq(schema.trainingRuns.status, 'published'))
  await database.orm
    .update(schema.trainingRuns)
    .set({ recordsCid: 'bafkreir', influenceCid: 'bafkreii', spansCid: 'bafkreis' })
    .where(eq(schema.trainingRuns.status, 'published'))
  const script: Script = {
    words: ['contract ', 'Token ', 'is ', 'ERC20 ', '{}'],
    failsAt: undefined,
    wordMs: 0,
    pinsMax: 2,
  }
  const scripted = createScriptedServing(
    script,
    house.contributionIds,
    lower(DevelopmentKeys.account('builder').address),
  )
  const engine = isReal
    ? await createOpenLora(
        {
          blobs,
          lookup: async () => ({ adapterCid, adapterHash: adapter.hash }),
          logger: { info: () => {}, error: () => {} },
        },
        { baseDirectory, baseName: 'base', threads: 1, limits: { rows: 4, context: 512 } },
      )
    : undefined
  const logged: Record<string, unknown>[] = []
  const log = (fields: Readonly<Record<string, unknown>>) => {
    logged.push(fields)
  }
  const api = createApi({
    network: {
      name: 'test',
      development: true,
      deployment,
      l1RpcUrl: 'http://l1',
      l2RpcUrl: 'http://l2',
      operator: lower(operator.address),
      validator: lower(DevelopmentKeys.account('validator').address),
      base: { name: 'base', hash: keccak256('0x00'), parameters: 1, contextTokens: CONTEXT_TOKENS },
      judge: null,
    },
    database,
    l1Client: publicClient,
    l2Client: publicClient,
    settlement,
    datanets,
    clock,
    supply: async () => ({ lockedOnL1Wei: 1n, onL2Wei: 1n }),
    modelFactory: factory,
    blobs,
    findModel: factory.serving,
    pinPriceWei: PIN_PRICE_WEI,
    serving: engine === undefined ? scripted : { ...engine, attribute: scripted.attribute },
    seed: () => ({ done: true, steps: [] }),
    panelKeeper: createPanelKeeper({ ...house, datanets }),
    chainProblems: () => ({}),
    logger: { info: log, warn: log, error: log },
  })
  settlement.settler.start()
  const fetch: typeof globalThis.fetch = (input, init) => api.fetch(new Request(input, init))
  return {
    ...house,
    deployment,
    api,
    settlement,
    script,
    fetch,
    logged,
    blobs,
    async post(path, body, headers = {}) {
      const response = await fetch(`${URL_BASE}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      })
      return { status: response.status, headers: response.headers, body: (await response.json()) as never }
    },
    async close() {
      await settlement.settler.close()
      await api.close()
      await engine?.close()
      await jobs.stop()
      await house.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const lower = (value: string): Hex => value.toLowerCase() as Hex

/** Puts OPEN on the chain that stands for both layers here, so that accounts can be read. */
async function withOpen({ deployment, wallet, mined }: House): Promise<Deployment> {
  const deployer = wallet('deployer')
  const { contractAddress } = await mined(
    await deployer.deployContract({
      abi: Abi.openAbi,
      bytecode: Abi.openBytecode,
      args: [deployer.account.address],
    }),
  )
  return { ...deployment, l1: { ...deployment.l1, open: lower(contractAddress!) } }
}

const times = { counts: [1, 2, 0], sum: 0.02, count: 3 }
const cached = { entryCount: 2, heldBytes: 2_000, hits: 5, misses: 3, evictions: 1 }
const METRICS: OpenLoraMetrics = {
  rows: 4,
  running: 1,
  waiting: 2,
  parked: 0,
  parkings: 3,
  requests: 9,
  finished: 5,
  cancelled: 2,
  failed: 1,
  inputTokens: 70,
  outputTokens: 80,
  steps: 30,
  stepMs: 60,
  prefillMs: 9,
  guessedTokens: 10,
  guessedRightTokens: 6,
  prefix: { entryCount: 1, heldBytes: 100, queriedTokens: 70, hitTokens: 32 },
  timeToFirstToken: times,
  timePerOutputToken: times,
  requestSeconds: times,
  queueSeconds: times,
  adapters: cached,
  indexes: cached,
}

/** Stands for the model: a token is a word with its space, and the first contribution shaped half of every answer. */
function createScriptedServing(
  script: Script,
  contributionIds: readonly Hex[],
  commons: Hex,
): Serving & Pick<OpenLora, 'metrics' | 'pin' | 'unpin' | 'showSpans'> {
  const known: string[] = []
  const pinned = new Set<string>()
  const idOf = (word: string): number => {
    if (!known.includes(word)) known.push(word)
    return known.indexOf(word)
  }
  const tokenizer = {
    decode: (ids: readonly number[]) => ids.map((id) => known[id]).join(''),
    encode: (text: string) => text.split(/(?<=\s)/).map(idOf),
    bytes: (id: number) => new TextEncoder().encode(known[id]),
  }
  return {
    tokenizer,
    metrics: async () => METRICS,
    async pin(name) {
      const isNew = !pinned.has(name)
      if (isNew && pinned.size === script.pinsMax) throw new PinsFullError(PINNED_BYTES * script.pinsMax)
      pinned.add(name)
      return { isNew, sizeBytes: PINNED_BYTES }
    },
    unpin: (name) => pinned.delete(name),
    async prepare(request) {
      if (request.form !== undefined) grammarOf(request.form)
      const promptText =
        typeof request.prompt === 'string'
          ? request.prompt
          : request.prompt.map((part) => (typeof part === 'number' ? part : part.content)).join('\n')
      const promptIds = promptText.split(/(?<=\s)/).map(idOf)
      const room = CONTEXT_TOKENS - promptIds.length
      return {
        request,
        promptIds,
        promptText,
        model: undefined,
        sampling: { seed: 1 } as never,
        outputTokensMax: Math.min(request.outputTokensMax ?? 256, room),
      }
    },
    generate({ promptIds, promptText, outputTokensMax, request }, { signal } = {}) {
      const words = script.words.slice(0, outputTokensMax)
      const said: string[] = []
      let settle: (result: GenerationResult) => void
      const result = new Promise<GenerationResult>((resolve) => {
        settle = resolve
      })
      const stop = request.stop?.[0]
      async function* read(): AsyncGenerator<TokenDelta> {
        let finishReason: GenerationResult['finishReason'] =
          script.words.length > outputTokensMax ? 'length' : 'stop'
        for (const [i, word] of words.entries()) {
          if (script.wordMs > 0) await new Promise((resolve) => setTimeout(resolve, script.wordMs))
          if (i === script.failsAt) throw new Error('the engine broke')
          if (signal?.aborted) finishReason = 'cancelled'
          if (signal?.aborted || (stop !== undefined && word.includes(stop))) break
          said.push(word)
          const tokenId = idOf(word)
          yield { text: word, tokenId, logprob: -0.5, top: [{ tokenId, logprob: -0.5 }] }
        }
        const text = said.join('')
        settle({
          text,
          answerIds: said.map(idOf),
          promptIds,
          promptText,
          finishReason,
          inputTokens: promptIds.length,
          outputTokens: said.length,
        })
      }
      return { [Symbol.asyncIterator]: read, result }
    },
    showSpans: async ({ attributionRoot }, evidence) => ({
      influenceRoot: attributionRoot,
      spansRoot: attributionRoot,
      tableHash: attributionRoot,
      parts: '0x',
      commitment: Bytes.toHex(evidence),
      spans: [],
      documents: [],
    }),
    embed: async (prepared) => prepared.map(() => Float32Array.of(0.6, 0.8)),
    async attribute({ answerIds, text, excludedContributions }) {
      const [contributionId] = contributionIds.filter((id) => !excludedContributions.includes(id))
      const reason = {
        kind: 'span' as const,
        recordId: keccak256('0x01'),
        start: 0,
        end: text.length,
        occurrences: 1,
        sharePpm: 500_000,
      }
      return {
        attribution: {
          engineVersion: 'script',
          policy: { influenceBps: 5_000, spansBps: 5_000 },
          evidenceCid: cidOf(Bytes.fromUtf8(text)),
          liftMilliNats: answerIds.length,
          shares: [{ contributionId: contributionId!, sharePpm: 500_000, reasons: [reason] }],
          commons: { sharePpm: 500_000, beneficiary: commons, reason: 'The script says so.' },
        },
        evidence: Bytes.fromUtf8(text),
        inferenceCommitment: Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text))),
      }
    },
  }
}
