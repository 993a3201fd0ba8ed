import type { RollupConfig } from '../deployment/RollupConfig.ts'
import type { BlockRecord, ChainEngine } from '../engine/Engine.ts'
import type { L1 } from '../l1/L1.ts'
import { l1OriginOf } from '../node/L1Origin.ts'
import { requireBlock } from './Chain.ts'
import type { Methods } from './Methods.ts'
import * as Params from './Params.ts'

/** A block in the shape of op-node's `eth.L2BlockRef`. */
const l2Ref = (block: BlockRecord, config: RollupConfig) => {
  const origin = l1OriginOf(block, config.genesis.l1)
  return {
    hash: block.hash,
    number: Number(block.number),
    parentHash: block.parentHash,
    timestamp: Number(block.timestamp),
    l1origin: { hash: origin.hash, number: Number(origin.number) },
    sequenceNumber: Number(origin.sequenceNumber),
  }
}

/**
 * Methods of op-node: what a rollup node knows beyond an execution client.
 * @see OP specs, "Rollup node", "L2 Output RPC method".
 */
export function createOptimismMethods({
  engine,
  l1,
  rollupConfig,
  version,
}: {
  readonly engine: Pick<ChainEngine, 'head' | 'block' | 'safe' | 'finalized' | 'outputRoot'>
  readonly l1: Pick<L1, 'client'>
  readonly rollupConfig: RollupConfig
  readonly version: string
}): Methods {
  const l1Ref = async (tag: 'latest' | 'safe' | 'finalized') => {
    const block = await l1.client.getBlock({ blockTag: tag })
    return {
      hash: block.hash,
      number: Number(block.number),
      parentHash: block.parentHash,
      timestamp: Number(block.timestamp),
    }
  }
  /** However many ask at once, L1 is asked once. */
  let l1Refs: Promise<readonly Awaited<ReturnType<typeof l1Ref>>[]> | undefined
  async function syncStatus() {
    l1Refs ??= Promise.all([l1Ref('latest'), l1Ref('safe'), l1Ref('finalized')]).finally(() => {
      l1Refs = undefined
    })
    const [head, safe, finalized] = await l1Refs
    const safeL2 = l2Ref(engine.safe(), rollupConfig)
    const finalizedL2 = l2Ref(engine.finalized(), rollupConfig)
    return {
      current_l1: head,
      current_l1_finalized: finalized,
      head_l1: head,
      safe_l1: safe,
      finalized_l1: finalized,
      unsafe_l2: l2Ref(engine.head(), rollupConfig),
      safe_l2: safeL2,
      finalized_l2: finalizedL2,
      pending_safe_l2: safeL2,
      cross_unsafe_l2: l2Ref(engine.head(), rollupConfig),
      local_safe_l2: safeL2,
    }
  }
  return {
    optimism_version: () => version,
    optimism_rollupConfig: () => rollupConfig,
    optimism_syncStatus: syncStatus,
    optimism_outputAtBlock: async ([number]) => {
      const block = requireBlock(engine, Params.uint64(number, 'blockNumber'))
      const output = engine.outputRoot(block.number)
      return {
        version: `0x${'0'.repeat(64)}`,
        outputRoot: output.outputRoot,
        blockRef: l2Ref(block, rollupConfig),
        withdrawalStorageRoot: output.messagePasserStorageRoot,
        stateRoot: output.stateRoot,
        syncStatus: await syncStatus(),
      }
    },
  }
}
