import type { BlockRecord, ChainEngine, Engine } from '../engine/Engine.ts'
import type { BlockName, LogFilter } from './Params.ts'
import { Codes, RpcError, serverError } from './RpcError.ts'

/** A wider range would keep the node from its other callers for too long. */
export const LOG_RANGE_MAX = 1_000_000n
export const LOG_COUNT_MAX = 20_000

type Blocks = Pick<ChainEngine, 'head' | 'block' | 'safe' | 'finalized'>

/** Finds a named block, or `undefined`. The node builds no pending block: `pending` is the head. */
export function findBlock(engine: Blocks, name: BlockName): BlockRecord | undefined {
  if (name === 'latest' || name === 'pending') return engine.head()
  if (name === 'earliest') return engine.block(0n)
  if (name === 'safe') return engine.safe()
  if (name === 'finalized') return engine.finalized()
  return engine.block(typeof name === 'bigint' ? name : name.hash)
}

/**
 * Finds a block that state is asked of.
 * @throws {RpcError} in geth's words when there is none.
 */
export function requireBlock(engine: Blocks, name: BlockName): BlockRecord {
  const block = findBlock(engine, name)
  if (block === undefined)
    throw serverError(typeof name === 'object' ? 'header for hash not found' : 'header not found')
  return block
}

/** The height whose state is asked; `undefined` means the head, whatever it is by then. */
export const stateNumber = (engine: Blocks, name: BlockName): bigint | undefined =>
  name === 'latest' || name === 'pending' ? undefined : requireBlock(engine, name).number

/**
 * Answers a log filter.
 * @throws {RpcError} when the range or the answer is beyond the limits.
 */
export function findLogs(
  engine: Blocks & Pick<Engine, 'logs'>,
  filter: LogFilter,
  range?: { readonly from: bigint; readonly to: bigint },
) {
  const criteria = {
    ...(filter.addresses === undefined ? {} : { addresses: filter.addresses }),
    ...(filter.topics === undefined ? {} : { topics: filter.topics }),
  }
  const { from, to } = range ?? rangeOf(engine, filter)
  if (from > to) return []
  if (to - from >= LOG_RANGE_MAX) {
    throw new RpcError({
      rpcCode: Codes.limitExceeded,
      message: `query exceeds the limit of ${LOG_RANGE_MAX} blocks: ask for a smaller range`,
    })
  }
  const logs = engine.logs({ fromBlock: from, toBlock: to, ...criteria })
  if (logs.length > LOG_COUNT_MAX) {
    throw new RpcError({
      rpcCode: Codes.limitExceeded,
      message: `query returns more than ${LOG_COUNT_MAX} logs: ask for a smaller range or name addresses and topics`,
    })
  }
  return logs
}

function rangeOf(
  engine: Blocks & Pick<Engine, 'logs'>,
  filter: LogFilter,
): { readonly from: bigint; readonly to: bigint } {
  const head = engine.head().number
  if (filter.blockHash !== undefined) {
    const block = engine.block(filter.blockHash)
    if (block === undefined) throw serverError('unknown block')
    return { from: block.number, to: block.number }
  }
  const numberOf = (name: BlockName): bigint =>
    typeof name === 'bigint' ? name : requireBlock(engine, name).number
  const from = numberOf(filter.from)
  const to = numberOf(filter.to)
  if (from > to && from <= head) {
    throw new RpcError({ rpcCode: Codes.invalidParams, message: 'invalid block range params' })
  }
  if (to > head) {
    throw new RpcError({
      rpcCode: Codes.invalidParams,
      message: `block range extends beyond current head block: expected at most ${head}, got ${to}`,
    })
  }
  return { from, to }
}
