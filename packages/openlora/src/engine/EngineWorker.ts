import { parentPort, workerData } from 'node:worker_threads'
import { CheckpointFolder } from '@openledger/model'
import { createDecoder } from '@openledger/model/decoder/Decoder'
import { systemClock } from '@openledger/primitives'
import { createAdapterSource, createMergingSource } from '../adapters/AdapterLease.ts'
import { createEngine, type Engine } from './Engine.ts'
import type { EngineHostMethods, EngineMethods, EngineReady, EngineWorkerData } from './EngineProtocol.ts'
import type { StartMethods } from './WorkerHost.ts'
import { createWorkerLink, type Port, toPlainError, type WorkerLink } from './WorkerLink.ts'

/**
 * The thread that decodes: it holds the base model, the adapters and the key-value cache, and its sessions block only
 * itself.
 */
async function start(
  data: EngineWorkerData,
  link: WorkerLink<EngineHostMethods & StartMethods<EngineReady>>,
): Promise<{ engine: Engine; ready: EngineReady }> {
  const checkpoint = await CheckpointFolder.read(data.baseDirectory)
  const tokenizer = await CheckpointFolder.readTokenizer(data.baseDirectory)
  const { config } = checkpoint
  const context = Math.min(data.context, config.contextMax)
  const { rows, rankMax, threads, precision } = data
  const decoder = await createDecoder(checkpoint, { rows, context, rankMax, threads, precision })
  const adapters = createMergingSource(createAdapterSource(link))
  const emit = (events: EngineHostMethods['events']['in']): void => link.send('events', events)
  const engine = createEngine({ decoder, tokenizer, adapters, clock: systemClock, emit }, data.limits)
  return { engine, ready: { vocabularySize: config.vocabularySize, context, baseHash: checkpoint.baseHash } }
}

const port = parentPort as unknown as Port
let engine: Engine | undefined
const link = createWorkerLink<EngineMethods, EngineHostMethods & StartMethods<EngineReady>>(port, {
  // the host calls nothing before it has heard `ready`
  submit: (request) => engine!.submit(request),
  cancel: (id) => engine!.cancel(id),
  metrics: () => engine!.metrics(),
})
start(workerData as EngineWorkerData, link).then(
  (started) => {
    engine = started.engine
    link.send('ready', started.ready)
  },
  (error: unknown) => link.send('startFailed', toPlainError(error)),
)
