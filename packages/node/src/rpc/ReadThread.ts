import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '@openledger/primitives'
import type { Genesis } from '@openledger/rollup'
import { openChainFollower } from '../engine/ChainFollower.ts'
import type { Logger } from '../node/Logger.ts'
import { createDispatcher } from './Dispatcher.ts'
import { createReadableMethods } from './heavyMethods.ts'
import type { ReadMessage } from './ReadThreads.ts'
import type { RpcEngine } from './RpcEngine.ts'

/** Answers what takes long of JSON-RPC on a thread of its own, from the database that the engine writes. */
const { directory, genesis } = workerData as { readonly directory: string; readonly genesis: Genesis }
const follower = await openChainFollower(directory, genesis, systemClock)
const say = (message: ReadMessage): void => parentPort!.postMessage(message)
const log: Logger['error'] = (fields, message) => say({ kind: 'log', fields, message })
const logger: Logger = { debug() {}, info() {}, warn: log, error: log }
// these methods read; they never submit, build or listen
const engine = follower.reads as RpcEngine
const dispatcher = createDispatcher(createReadableMethods(engine, genesis.config.optimism), logger)

parentPort!.on('message', async (question: string) => {
  try {
    follower.follow()
    say({ kind: 'answer', text: (await dispatcher.handle(question)) ?? '' })
  } catch (error) {
    say({ kind: 'failure', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})
say({ kind: 'ready' })
