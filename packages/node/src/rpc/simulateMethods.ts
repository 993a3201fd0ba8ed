import type { SimulatedBlock } from '../engine/Simulation.ts'
import { requireBlock } from './Chain.ts'
import * as Format from './Format.ts'
import type { Methods } from './Methods.ts'
import * as Params from './Params.ts'
import type { RpcEngine } from './RpcEngine.ts'
import { invalidParams } from './RpcError.ts'
import { CALL_GAS_MAX } from './stateMethods.ts'

/** The simulation itself refuses more than 256, in the specification's words. */
const BLOCKS_LISTED_MAX = 10_000
const CALLS_MAX = 1_000

/** `eth_simulateV1`. @see execution-apis, eth_simulateV1. */
export function createSimulateMethods(engine: RpcEngine): Methods {
  return {
    eth_simulateV1: async ([payload, block]) => {
      const { blockStateCalls, traceTransfers, validation, returnFullTransactions } = Params.object(
        payload,
        'payload',
      )
      const flag = (value: unknown, name: string): boolean =>
        value === undefined || value === null ? false : Params.boolean(value, name)
      const isFull = flag(returnFullTransactions, 'returnFullTransactions')
      const blocks = Params.array(blockStateCalls, 'blockStateCalls', BLOCKS_LISTED_MAX)
      if (blocks.length === 0) throw invalidParams('blockStateCalls', 'at least one block', 'none')
      const { number } = requireBlock(engine, Params.blockName(block, 'block'))
      const simulated = await engine.simulate(
        {
          traceTransfers: flag(traceTransfers, 'traceTransfers'),
          validation: flag(validation, 'validation'),
          blocks: blocks.map((entry, i) => simulatedBlock(entry, `blockStateCalls[${i}]`)),
        },
        number,
      )
      return simulated.map((done) => format(done, isFull))
    },
  }
}

function simulatedBlock(value: unknown, name: string) {
  const { blockOverrides, stateOverrides, calls } = Params.object(value, name)
  const states = Params.stateOverride(stateOverrides, `${name}.stateOverrides`)
  const overrides = Params.blockOverride(blockOverrides, `${name}.blockOverrides`)
  return {
    calls: Params.array(calls ?? [], `${name}.calls`, CALLS_MAX).map((call, i) =>
      Params.callRequest(call, `${name}.calls[${i}]`, CALL_GAS_MAX),
    ),
    ...(states === undefined ? {} : { stateOverrides: states }),
    ...(overrides === undefined ? {} : { blockOverrides: overrides }),
  }
}

function format({ block, calls }: SimulatedBlock, isFull: boolean) {
  let logIndex = 0
  return {
    ...(isFull ? Format.blockWithTransactions(block) : Format.blockWithHashes(block)),
    calls: calls.map((call, index) => ({
      status: Format.quantity(call.status),
      returnData: call.returnData,
      gasUsed: Format.quantity(call.gasUsed),
      maxUsedGas: Format.quantity(call.maxUsedGas),
      logs: call.logs.map((log) =>
        Format.log({
          ...log,
          blockNumber: block.number,
          blockHash: block.hash,
          blockTimestamp: block.timestamp,
          transactionHash: block.transactions[index]!.hash,
          transactionIndex: index,
          logIndex: logIndex++,
          removed: false,
        }),
      ),
      ...(call.error === undefined ? {} : { error: call.error }),
    })),
  }
}
