import type { Hex } from '@openledger/primitives'
import { bytesToHex, type EvmStep, type JournaledState } from '@openledger/rollup'
import {
  type PlainTracer,
  quantity,
  slotValue,
  TraceLimitError,
  type TraceOptions,
  wordOf,
} from './Tracer.ts'

/** Opcodes that one struct log may hold; more would be hundreds of megabytes. */
const STEPS_MAX = 100_000

/** Reports every opcode. @see geth, eth/tracers/logger. */
export function createStructLogger(options: TraceOptions): PlainTracer {
  const structLogs: Record<string, unknown>[] = []
  const storages = new Map<Hex, Record<string, string>>()
  let live: JournaledState | undefined
  const limit = options.limit === undefined || options.limit === 0 ? STEPS_MAX : options.limit
  const digits = (word: bigint): string => wordOf(word).slice(2)

  const step = (current: EvmStep): void => {
    if (structLogs.length >= limit) {
      if (options.limit !== undefined && options.limit > 0) return
      throw new TraceLimitError(`${STEPS_MAX} opcodes`)
    }
    const { opcode, stack, address } = current
    const isLoad = opcode === 'SLOAD'
    let storage: Record<string, string> | undefined
    if (options.disableStorage !== true && (isLoad || opcode === 'SSTORE') && stack.length > 0) {
      const slot = stack.at(-1)!
      const value = isLoad
        ? slotValue(live!.storage(address, wordOf(slot))).slice(2)
        : digits(stack.at(-2) ?? 0n)
      const known = { ...storages.get(address), [digits(slot)]: value }
      storages.set(address, known)
      storage = known
    }
    structLogs.push({
      pc: current.pc,
      op: opcode,
      gas: Number(current.gas),
      gasCost: Number(current.gasCost + handedOn(current)),
      depth: current.depth,
      ...(current.refund === 0n ? {} : { refund: Number(current.refund) }),
      ...(options.disableStack === true ? {} : { stack: stack.map(quantity) }),
      ...(options.enableMemory === true && current.memory.length > 0
        ? { memory: wordsOf(current.memory) }
        : {}),
      ...(storage === undefined ? {} : { storage }),
    })
  }
  return {
    evm: { step },
    observe(state) {
      live = state
      return state
    },
    result: ({ gasUsed, returnData, failure }) => ({
      gas: Number(gasUsed),
      failed: failure !== undefined,
      returnValue: failure === undefined || failure === 'execution reverted' ? returnData : '0x',
      structLogs,
    }),
  }
}

/** What a call gives the called: part of its cost for geth, not for the EVM that runs here. @see EIP-150. */
function handedOn({ opcode, stack, gas, gasCost }: EvmStep): bigint {
  if (opcode !== 'CALL' && opcode !== 'CALLCODE' && opcode !== 'DELEGATECALL' && opcode !== 'STATICCALL') {
    return 0n
  }
  const left = gas - gasCost
  if (left <= 0n) return 0n
  const most = left - left / 64n
  const asked = stack.at(-1) ?? 0n
  return asked < most ? asked : most
}

const wordsOf = (memory: Uint8Array): Hex[] =>
  Array.from({ length: memory.length / 32 }, (_, i) => bytesToHex(memory.subarray(32 * i, 32 * i + 32)))
