import { Rlp } from '@openledger/rollup'
import { type Hex, keccak256 } from 'viem'
import type { TraceOptions } from '../engine/Tracer.ts'
import { requireBlock, stateNumber } from './Chain.ts'
import type { Methods } from './Methods.ts'
import * as Params from './Params.ts'
import type { RpcEngine } from './RpcEngine.ts'
import { invalidParams, serverError } from './RpcError.ts'
import { CALL_GAS_MAX } from './stateMethods.ts'

const TRACERS = ['callTracer', 'prestateTracer', 'noopTracer'] as const
const STRUCT_LOG_LIMIT_MAX = 100_000
/** Header, transactions, ommers and withdrawals. */
const BLOCK_PARTS = 4

/** Methods that show how blocks and calls execute, and the bytes of what is stored. */
export function createDebugMethods(engine: RpcEngine): Methods {
  const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`
  const named = (value: unknown) => requireBlock(engine, Params.blockName(value, 'block'))
  const byHash = (value: unknown) => requireBlock(engine, { hash: Params.hash(value, 'blockHash') })
  return {
    debug_traceTransaction: async ([hash, options]) => {
      const record = await engine.transaction(Params.hash(hash, 'transactionHash'))
      if (record === undefined || record.blockNumber === null) throw serverError('transaction not found')
      const index = record.transactionIndex!
      const [traced] = await engine.traceBlock(record.blockNumber, traceOptions(options), index)
      return traced!.result
    },
    debug_traceBlockByNumber: ([number, options]) =>
      engine.traceBlock(named(number).number, traceOptions(options)),
    debug_traceBlockByHash: ([hash, options]) =>
      engine.traceBlock(byHash(hash).number, traceOptions(options)),
    debug_traceBlock: ([raw, options]) =>
      engine.traceBlock(requireBlock(engine, { hash: hashOfRaw(raw) }).number, traceOptions(options)),
    debug_traceCall: ([call, block, options]) => {
      const request = Params.callRequest(call, 'transaction', CALL_GAS_MAX)
      const { stateOverrides, blockOverrides } = Params.object(options ?? {}, 'options')
      return engine.traceCall(
        request,
        traceOptions(options),
        stateNumber(engine, Params.blockName(block, 'block')),
        Params.stateOverride(stateOverrides, 'options.stateOverrides'),
        Params.blockOverride(blockOverrides, 'options.blockOverrides'),
      )
    },
    debug_getRawHeader: ([name]) => hex(engine.rawBlock(named(name).number).header),
    debug_getRawBlock: ([name]) => hex(engine.rawBlock(named(name).number).block),
    debug_getRawReceipts: ([name]) => engine.rawBlock(named(name).number).receipts.map(hex),
    debug_getRawTransaction: async ([hash]) => {
      const record = await engine.transaction(Params.hash(hash, 'transactionHash'))
      return record === undefined ? '0x' : hex(record.raw)
    },
  }
}

/** The hash of a block that is given whole, in RLP; what is traced is the block of that hash. */
function hashOfRaw(value: unknown): Hex {
  const [header = []] = Rlp.list(Rlp.decode(Params.bytes(value, 'block')), 'a block', BLOCK_PARTS)
  return keccak256(Rlp.encode(header))
}

/** Reads geth's trace configuration; tracers written in JavaScript are not run. */
function traceOptions(value: unknown): TraceOptions {
  const given = Params.object(value ?? {}, 'options')
  const { tracer } = given
  if (tracer !== undefined && tracer !== null && !TRACERS.some((known) => known === tracer)) {
    throw invalidParams('options.tracer', `one of ${TRACERS.join(', ')}, or none for every opcode`, tracer)
  }
  const config = Params.object(given['tracerConfig'] ?? {}, 'options.tracerConfig')
  const flag = (from: Readonly<Record<string, unknown>>, name: string) =>
    from[name] === undefined || from[name] === null
      ? {}
      : { [name]: Params.boolean(from[name], `options.${name}`) }
  const limit = given['limit']
  if (
    limit !== undefined &&
    limit !== null &&
    (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 0 || limit > STRUCT_LOG_LIMIT_MAX)
  ) {
    throw invalidParams('options.limit', `a whole number up to ${STRUCT_LOG_LIMIT_MAX}`, limit)
  }
  return {
    ...(typeof tracer === 'string' ? { tracer: tracer as (typeof TRACERS)[number] } : {}),
    ...flag(config, 'onlyTopCall'),
    ...flag(config, 'withLog'),
    ...flag(config, 'diffMode'),
    ...flag(config, 'includeEmpty'),
    ...flag(config, 'disableCode'),
    ...flag(given, 'disableStorage'),
    ...flag(config, 'disableStorage'),
    ...flag(given, 'enableMemory'),
    ...flag(given, 'disableStack'),
    ...flag(given, 'enableReturnData'),
    ...(typeof limit === 'number' ? { limit } : {}),
  }
}
