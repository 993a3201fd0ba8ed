import { parentPort, workerData } from 'node:worker_threads'
import { Adapter, CheckpointFolder, createGradients, createScorer, loraTargets } from '@openledger/model'
import { createDecoder } from '@openledger/model/decoder/Decoder'
import type { AdapterReference } from '../adapters/AdapterCache.ts'
import { type AdapterHostMethods, createAdapterSource } from '../adapters/AdapterLease.ts'
import { type ByteCacheState, createByteCache } from '../adapters/ByteCache.ts'
import type { StartMethods } from '../engine/WorkerHost.ts'
import { createWorkerLink, type Port, toPlainError, type WorkerLink } from '../engine/WorkerLink.ts'
import { type AttributionIndex, type AttributionReference, loadAttributionIndex } from './AttributionIndex.ts'
import {
  type AttributedAnswer,
  type AttributionRequest,
  type Attributor,
  createAttributor,
} from './Attributor.ts'
import * as Evidence from './Evidence.ts'
import { type ShownSpans, showSpans } from './ShownSpans.ts'

/** What the attribution thread needs to start. */
export type AttributionWorkerData = {
  readonly baseDirectory: string
  readonly context: number
  readonly rankMax: number
  readonly threads: number
  /** Memory for indexes that nobody uses at the moment. */
  readonly indexBytesMax: number
}

/** What the attribution thread can do. */
export type AttributionMethods = {
  readonly attribute: { readonly in: AttributionRequest; readonly out: AttributedAnswer }
  /** Shows what the spans of an answer are paid by, from its evidence. */
  readonly showSpans: {
    readonly in: { readonly index: AttributionReference; readonly evidence: Uint8Array }
    readonly out: ShownSpans
  }
  /** Gives the direction of each text's hidden states under an adapter. */
  readonly embed: {
    readonly in: {
      readonly adapter: AdapterReference | undefined
      readonly inputs: readonly (readonly number[])[]
    }
    readonly out: readonly Float32Array[]
  }
  /** Loads a model's indexes before they are needed. */
  readonly prefetch: { readonly in: AttributionReference; readonly out: unknown }
  readonly indexes: { readonly in: undefined; readonly out: ByteCacheState }
}

/** What the attribution thread asks of its host. */
export type AttributionHostMethods = AdapterHostMethods & {
  readonly fetchBlob: { readonly in: string; readonly out: Uint8Array }
}

async function start(
  data: AttributionWorkerData,
  link: WorkerLink<AttributionHostMethods & StartMethods<undefined>>,
): Promise<{ readonly attributor: Attributor; readonly embed: Embed }> {
  const checkpoint = await CheckpointFolder.read(data.baseDirectory)
  const tokenizer = await CheckpointFolder.readTokenizer(data.baseDirectory)
  const { config } = checkpoint
  const context = Math.min(data.context, config.contextMax)
  const { rankMax, threads } = data
  const decoder = await createDecoder(checkpoint, { rows: 1, context, rankMax, threads })
  // only its shapes count: each answer brings its own adapter
  const shape = Adapter.create(config, { rank: 1, alpha: 1, targets: loraTargets, seed: 0 })
  const gradients = createGradients(checkpoint, shape, { batchSize: 1, threads })
  const scorer = createScorer(checkpoint, undefined, { threads })
  const adapters = createAdapterSource(link)
  const attributor = createAttributor({
    checkpoint,
    tokenizer,
    decoder,
    scorer,
    gradients,
    adapters,
    indexes: { acquire: acquireIndex, release: releaseIndex },
  })
  return {
    attributor,
    async embed({ adapter: reference, inputs }) {
      const adapter = reference && (await adapters.acquire(reference))
      try {
        const own = scorer.withAdapter(adapter)
        const found: Float32Array[] = []
        for (const ids of inputs) found.push(await own.embedding(Int32Array.from(ids)))
        return found
      } finally {
        if (reference !== undefined) adapters.release(reference)
      }
    },
  }
}

type Embed = (request: AttributionMethods['embed']['in']) => Promise<readonly Float32Array[]>

const keyOf = ({ influenceCid, spansCid, recordsCid, attributionRoot }: AttributionReference): string =>
  [influenceCid, spansCid, recordsCid, attributionRoot].join('/')
const acquireIndex = (reference: AttributionReference): Promise<AttributionIndex> =>
  indexes.acquire(keyOf(reference), () =>
    loadAttributionIndex(reference, (cid) => link.call('fetchBlob', cid)),
  )
const releaseIndex = (reference: AttributionReference): void => indexes.release(keyOf(reference))

const data = workerData as AttributionWorkerData
const indexes = createByteCache<AttributionIndex>(data.indexBytesMax)
let started: Awaited<ReturnType<typeof start>> | undefined
let last: Promise<unknown> = Promise.resolve()
/** One at a time: each uses all threads, and the rows of the one decoder. */
const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
  const turn = last.then(work)
  last = turn.catch(() => {})
  return turn
}
const link = createWorkerLink<AttributionMethods, AttributionHostMethods & StartMethods<undefined>>(
  parentPort as unknown as Port,
  {
    attribute: (request) => inTurn(() => started!.attributor.attribute(request)),
    showSpans: ({ index: reference, evidence }) =>
      acquireIndex(reference).then((index) => {
        try {
          return showSpans(index, Evidence.decode(evidence).spans)
        } finally {
          releaseIndex(reference)
        }
      }),
    embed: (request) => inTurn(() => started!.embed(request)),
    prefetch: (reference) =>
      acquireIndex(reference).then(
        () => releaseIndex(reference),
        // whoever needs them will try again and say why
        () => {},
      ),
    indexes: () => indexes.state(),
  },
)
start(data, link).then(
  (ready) => {
    started = ready
    link.send('ready', undefined)
  },
  (error: unknown) => link.send('startFailed', toPlainError(error)),
)
