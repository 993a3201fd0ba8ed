import type { Hex } from '@openledger/primitives'
import type { Crypto } from '@openledger/rollup'
import type { EmbeddedEngine } from '../engine/EmbeddedEngine.ts'
import * as Payload from '../engineApi/Payload.ts'
import type { Exclusive } from '../node/Exclusive.ts'
import type { Sequencer } from '../sequencer/Sequencer.ts'
import type { Methods } from './Methods.ts'
import * as Params from './Params.ts'
import { Codes, RpcError, serverError } from './RpcError.ts'

export type AdminMethodsOptions = {
  readonly engine: EmbeddedEngine
  readonly sequencer: Sequencer
  /** The turn in which the head may be changed. */
  readonly exclusively: Exclusive
  readonly crypto: Crypto
}

/**
 * op-node's methods for who runs a sequencer: to hand leadership over without two blocks at one height. They are for
 * an endpoint that asks for a token.
 * @see op-node, `op-node/node/api.go`, `adminAPI`.
 */
export function createAdminMethods({ engine, sequencer, exclusively, crypto }: AdminMethodsOptions): Methods {
  return {
    admin_sequencerActive: () => sequencer.isActive(),
    admin_startSequencer: ([hash]) => {
      const wanted = Params.hash(hash, 'blockHash')
      if (sequencer.isActive()) throw serverError('sequencer already running')
      const head = engine.head()
      if (head.hash !== wanted) {
        throw serverError(
          `block hash does not match: expected the head ${head.hash}, block ${head.number}, got ${wanted}`,
        )
      }
      sequencer.start()
      return null
    },
    admin_stopSequencer: async (): Promise<Hex> => {
      if (!sequencer.isActive()) throw serverError('sequencer not running')
      await sequencer.stop()
      return engine.head().hash
    },
    admin_postUnsafePayload: ([envelope]) => {
      if (sequencer.isActive()) throw serverError('sequencer is running: expected it to be stopped first')
      const { executionPayload, parentBeaconBlockRoot } = Params.object(envelope, 'payload')
      const block = Payload.toBlock(executionPayload, parentBeaconBlockRoot, crypto)
      return exclusively(async () => {
        const imported = await engine.forkChoice.importBlock(block)
        if (imported.status !== 'valid') {
          const reason = 'reason' in imported ? imported.reason : 'its parent is not here'
          throw new RpcError({
            rpcCode: Codes.invalidParams,
            message: `payload is ${imported.status}: ${reason}`,
          })
        }
        if (block.header.parentHash === engine.head().hash) await engine.forkChoice.setHead(block.hash)
        return null
      })
    },
    admin_conductorEnabled: () => false,
  }
}
