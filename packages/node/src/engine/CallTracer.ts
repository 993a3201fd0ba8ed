import type { Hex } from '@openledger/primitives'
import { bytesToHex, type EvmFrame, type EvmStep, type EvmTracer } from '@openledger/rollup'
import { revertReason } from './revertReason.ts'
import {
  failureWords,
  type PlainTracer,
  quantity,
  type TracedTransaction,
  TraceLimitError,
  type TraceOptions,
  unobserved,
  wordOf,
} from './Tracer.ts'

const FRAMES_MAX = 50_000

type CallFrame = {
  from: Hex
  gas: Hex
  gasUsed?: Hex
  to?: Hex
  input: Hex
  output?: Hex
  error?: string
  revertReason?: string
  calls?: CallFrame[]
  logs?: { address: Hex; topics: Hex[]; data: Hex; position: Hex; index: Hex }[]
  value?: Hex
  type: string
}

/** Reports messages as a tree. @see geth, eth/tracers/native/call.go. */
export function createCallTracer(options: TraceOptions, transaction: TracedTransaction): PlainTracer {
  const root: CallFrame = {
    from: transaction.from,
    gas: quantity(transaction.gas),
    ...(transaction.to === null ? {} : { to: transaction.to }),
    input: transaction.data,
    value: quantity(transaction.value),
    type: transaction.to === null ? 'CREATE' : 'CALL',
  }
  const open: CallFrame[] = []
  let opcode = ''
  let frames = 0
  let logs = 0

  const step = (current: EvmStep): void => {
    opcode = current.opcode
    const frame = open.at(-1)
    if (frame === undefined) return
    if (opcode === 'SELFDESTRUCT' && options.onlyTopCall !== true) {
      const beneficiary = current.stack.at(-1) ?? 0n
      frame.calls ??= []
      frame.calls.push({
        from: current.address,
        gas: '0x0',
        gasUsed: '0x0',
        to: addressOf(beneficiary),
        input: '0x',
        value: '0x0',
        type: 'SELFDESTRUCT',
      })
    }
    if (options.withLog === true && opcode.startsWith('LOG')) {
      frame.logs ??= []
      frame.logs.push({ ...logOf(current, frame.calls?.length ?? 0), index: quantity(logs++) })
    }
  }
  const typeOf = (frame: EvmFrame): string => {
    if (frame.to === undefined) return opcode === 'CREATE2' ? 'CREATE2' : 'CREATE'
    return opcode === 'DELEGATECALL' || opcode === 'CALLCODE' || opcode === 'STATICCALL' ? opcode : 'CALL'
  }
  const enter = (frame: EvmFrame): void => {
    if (++frames > FRAMES_MAX) throw new TraceLimitError(`${FRAMES_MAX} calls`)
    if (frame.depth === 1) {
      open.push(root)
      return
    }
    const type = typeOf(frame)
    const runsFor = type === 'DELEGATECALL' || type === 'CALLCODE' ? frame.codeAddress : frame.to
    const entry: CallFrame = {
      // under DELEGATECALL the EVM's caller is the caller's caller
      from: type === 'DELEGATECALL' ? frame.to! : frame.from,
      gas: quantity(frame.gas),
      ...(runsFor === undefined ? {} : { to: runsFor }),
      input: bytesToHex(frame.data),
      ...(type === 'STATICCALL' ? {} : { value: quantity(frame.value) }),
      type,
    }
    if (options.onlyTopCall !== true) {
      const parent = open.at(-1)!
      parent.calls ??= []
      parent.calls.push(entry)
    }
    open.push(entry)
    opcode = ''
  }
  const exit: NonNullable<EvmTracer['exit']> = ({ gasUsed, returnData, failure, createdAddress }) => {
    const frame = open.pop()!
    if (frame === root) return
    frame.gasUsed = quantity(gasUsed)
    if (createdAddress !== undefined) frame.to = createdAddress
    close(frame, bytesToHex(returnData), failure)
  }
  return {
    evm: { step, enter, exit },
    observe: unobserved,
    result({ gasUsed, returnData, failure, contractAddress }) {
      root.gasUsed = quantity(gasUsed)
      if (contractAddress !== undefined) root.to = contractAddress
      close(root, returnData, failure)
      return root
    },
  }
}

function close(frame: CallFrame, output: Hex, failure: string | undefined): void {
  if (failure === undefined) {
    if (output !== '0x') frame.output = output
    return
  }
  frame.error = failureWords(failure)
  delete frame.logs
  // what failed was never there
  if (frame.type.startsWith('CREATE')) delete frame.to
  if (frame.error !== 'execution reverted' || output === '0x') return
  frame.output = output
  const reason = revertReason(output)
  if (reason !== undefined) frame.revertReason = reason
}

const addressOf = (word: bigint): Hex => `0x${(word & ((1n << 160n) - 1n)).toString(16).padStart(40, '0')}`

function logOf({ opcode, stack, memory, address }: EvmStep, position: number) {
  const count = Number(opcode.slice(3))
  const offset = Number(stack.at(-1) ?? 0n)
  const size = Number(stack.at(-2) ?? 0n)
  // memory grows when the opcode runs: what lies beyond is zero
  const data = new Uint8Array(Math.min(size, 2 ** 24))
  if (offset < memory.length) data.set(memory.subarray(offset, offset + size))
  const topics = Array.from({ length: count }, (_, i) => wordOf(stack.at(-3 - i) ?? 0n))
  return { address, topics, data: bytesToHex(data), position: quantity(position) }
}
