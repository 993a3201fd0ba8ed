import { BaseError, type Clock, type Hex } from '@openledger/primitives'
import {
  bytesToHex,
  EMPTY_CODE_HASH,
  type EvmFrame,
  type EvmStep,
  type EvmTracer,
  type JournaledState,
  Predeploys,
} from '@openledger/rollup'
import { revertReason } from './revertReason.ts'

/** What to report of an execution, under geth's names. */
export type TraceOptions = {
  /** Without one: every opcode, as geth's struct logger. */
  readonly tracer?: 'callTracer' | 'prestateTracer' | 'noopTracer'
  readonly onlyTopCall?: boolean
  readonly withLog?: boolean
  readonly diffMode?: boolean
  readonly disableCode?: boolean
  readonly disableStorage?: boolean
  /** Accounts that did not exist before as well. */
  readonly includeEmpty?: boolean
  readonly enableMemory?: boolean
  readonly disableStack?: boolean
  readonly enableReturnData?: boolean
  /** Opcodes to report at most; 0 is as many as the node allows. */
  readonly limit?: number
}

/** The message of the transaction itself, known before anything runs. */
export type TracedTransaction = {
  readonly from: Hex
  readonly to: Hex | null
  readonly data: Hex
  readonly value: bigint
  readonly gas: bigint
  readonly feeRecipient: Hex
}

export type TracedOutcome = {
  readonly gasUsed: bigint
  readonly returnData: Hex
  /** As clients name it: `execution reverted`, `out of gas`, ... */
  readonly failure: string | undefined
  readonly contractAddress: Hex | undefined
}

/** Follows one transaction and says in the end what it saw, ready for JSON. */
export type Tracer = {
  readonly evm: EvmTracer
  /** Puts a view over the state that the transaction runs on. */
  readonly observe: (state: JournaledState) => JournaledState
  readonly result: (outcome: TracedOutcome) => unknown
}

/** A tracer that never waits. */
type PlainTracer = Omit<Tracer, 'evm'> & {
  readonly evm: Omit<EvmTracer, 'step'> & { readonly step?: (step: EvmStep) => void }
}

/** Opcodes that one struct log may hold; more would be hundreds of megabytes. */
const STEPS_MAX = 100_000
const FRAMES_MAX = 50_000
const TRACE_TIME_MAX_MS = 10_000
/** How long a trace holds the thread before others get a turn. */
const TURN_MS = 20

/**
 * Creates the tracer that the options ask for.
 * @throws {TraceLimitError} from within the execution when it takes too long or reports too much.
 */
export function createTracer(
  options: TraceOptions,
  transaction: TracedTransaction,
  clock: Clock,
  deadlineMs: number = clock.nowMs() + TRACE_TIME_MAX_MS,
): Tracer {
  const tracer =
    options.tracer === 'callTracer'
      ? createCallTracer(options, transaction)
      : options.tracer === 'prestateTracer'
        ? createPrestateTracer(options, transaction)
        : options.tracer === 'noopTracer'
          ? NOOP_TRACER
          : createStructLogger(options)
  let turnMs = clock.nowMs()
  let count = 0
  const step = (current: EvmStep): void | Promise<void> => {
    tracer.evm.step?.(current)
    // the clock is not free
    if (++count % 64 !== 0) return
    const nowMs = clock.nowMs()
    if (nowMs > deadlineMs) throw new TraceLimitError(`${TRACE_TIME_MAX_MS} ms`)
    if (nowMs - turnMs < TURN_MS) return
    return new Promise<void>((resolve) => {
      setImmediate(() => {
        turnMs = clock.nowMs()
        resolve()
      })
    })
  }
  return { ...tracer, evm: { ...tracer.evm, step } }
}

const quantity = (value: bigint | number): Hex => `0x${value.toString(16)}`
const unobserved = (state: JournaledState): JournaledState => state
const NOOP_TRACER: PlainTracer = { evm: {}, observe: unobserved, result: () => ({}) }

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

/** The words of geth's tracers, where EthereumJS has others. */
const FAILURE_WORDS: Readonly<Record<string, string>> = {
  revert: 'execution reverted',
  'invalid JUMP': 'invalid jump destination',
  'static state change': 'write protection',
  'stack overflow': 'stack limit reached 1024 (1023)',
  'create collision': 'contract address collision',
  'value overflow': 'gas uint64 overflow',
}
export const failureWords = (failure: string): string => FAILURE_WORDS[failure] ?? failure

/** Reports messages as a tree. @see geth, eth/tracers/native/call.go. */
function createCallTracer(options: TraceOptions, transaction: TracedTransaction): PlainTracer {
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
const wordOf = (word: bigint): Hex => `0x${word.toString(16).padStart(64, '0')}`

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

type Prestate = { balance?: Hex; nonce?: number; code?: Hex; codeHash?: Hex; storage?: Record<Hex, Hex> }

/** Reports what the transaction read before it changed it. @see geth, eth/tracers/native/prestate.go. */
function createPrestateTracer(options: TraceOptions, transaction: TracedTransaction): PlainTracer {
  type Before = {
    readonly balance: bigint
    readonly nonce: bigint
    readonly code: Uint8Array
    /** Absent without code. */
    readonly codeHash: Hex | undefined
    readonly exists: boolean
    readonly slots: Map<Hex, Uint8Array>
  }
  const seen = new Map<Hex, Before>()
  let live: JournaledState | undefined
  /** Where a read is the interpreter's own and not the transaction's. */
  let isOn = false
  let depth = 0

  const touch = (address: Hex): Before => {
    const known = seen.get(address)
    if (known !== undefined) return known
    const account = live!.account(address)
    const before: Before = {
      balance: account?.balance ?? 0n,
      nonce: account?.nonce ?? 0n,
      code: live!.code(address),
      codeHash: codeHashOf(account),
      exists: account !== undefined,
      slots: new Map(),
    }
    if (isOn) seen.set(address, before)
    return before
  }
  const touchSlot = (address: Hex, slot: Hex): void => {
    const { slots } = touch(address)
    if (!slots.has(slot)) slots.set(slot, live!.storage(address, slot))
  }
  const observe = (state: JournaledState): JournaledState => {
    live = state
    return {
      ...state,
      beginTransaction() {
        state.beginTransaction()
        isOn = true
        touch(transaction.from)
        if (transaction.to !== null) touch(transaction.to)
        touch(transaction.feeRecipient)
        // op-geth names this one of the vaults, and no other
        touch(Predeploys.BASE_FEE_VAULT)
      },
      account(address) {
        touch(address)
        return state.account(address)
      },
      putAccount(address, account) {
        touch(address)
        state.putAccount(address, account)
      },
      addBalance(address, amountWei) {
        // fees go to vaults after the execution: only a balance that moves is a touch
        if (amountWei !== 0n) touch(address)
        state.addBalance(address, amountWei)
      },
      putCode(address, code, codeHash) {
        touch(address)
        state.putCode(address, code, codeHash)
      },
      storage(address, slot) {
        touchSlot(address, slot)
        return state.storage(address, slot)
      },
      putStorage(address, slot, value) {
        touchSlot(address, slot)
        state.putStorage(address, slot, value)
      },
    }
  }
  const fieldsOf = (
    { balance, nonce, code, codeHash, slots }: Before,
    isWhole: (slot: Hex, value: Uint8Array) => boolean,
  ): Prestate => {
    const storage = Object.fromEntries(
      [...slots].filter(([slot, value]) => isWhole(slot, value)).map(([slot, value]) => [slot, pad(value)]),
    )
    return {
      balance: quantity(balance),
      ...(nonce === 0n ? {} : { nonce: Number(nonce) }),
      ...(code.length === 0 || options.disableCode === true ? {} : { code: bytesToHex(code) }),
      ...(codeHash === undefined ? {} : { codeHash }),
      ...(Object.keys(storage).length === 0 || options.disableStorage === true ? {} : { storage }),
    }
  }
  const difference = () => {
    const pre: Record<Hex, Prestate> = {}
    const post: Record<Hex, Prestate> = {}
    for (const [address, before] of seen) {
      const after = live!.account(address)
      const code = live!.code(address)
      const changed: Prestate = {}
      if ((after?.balance ?? 0n) !== before.balance) changed.balance = quantity(after?.balance ?? 0n)
      if ((after?.nonce ?? 0n) !== before.nonce) changed.nonce = Number(after?.nonce ?? 0n)
      if (bytesToHex(code) !== bytesToHex(before.code) && options.disableCode !== true)
        changed.code = bytesToHex(code)
      const codeHash = codeHashOf(after)
      if (codeHash !== before.codeHash) changed.codeHash = codeHash ?? ZERO_HASH
      const moved = new Map<Hex, Uint8Array>()
      for (const [slot, value] of before.slots) {
        const now = live!.storage(address, slot)
        if (pad(now) !== pad(value)) moved.set(slot, now)
      }
      const storage = [...moved].filter(([, value]) => value.length > 0)
      if (storage.length > 0 && options.disableStorage !== true)
        changed.storage = Object.fromEntries(storage.map(([slot, value]) => [slot, pad(value)]))
      if (Object.keys(changed).length === 0 && moved.size === 0) continue
      if (before.exists) {
        pre[address] = fieldsOf(before, (slot, value) => moved.has(slot) && value.length > 0)
      }
      if (after !== undefined && Object.keys(changed).length > 0) post[address] = changed
    }
    return { pre, post }
  }
  return {
    // fees and refunds after the last opcode are the node's own doing
    evm: {
      exit: () => {
        depth--
        if (depth === 0) isOn = false
      },
      enter: ({ codeAddress }) => {
        depth++
        // whose code runs under DELEGATECALL is read as well
        if (isOn && codeAddress !== undefined) touch(codeAddress)
      },
    },
    observe,
    result() {
      if (options.diffMode === true) return difference()
      const whole: Record<Hex, Prestate> = {}
      for (const [address, before] of seen) {
        if (before.exists || options.includeEmpty === true) whole[address] = fieldsOf(before, () => true)
      }
      return whole
    },
  }
}

const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`
const codeHashOf = (account: { readonly codeHash: Hex } | undefined): Hex | undefined =>
  account === undefined || account.codeHash === EMPTY_CODE_HASH ? undefined : account.codeHash

const pad = (value: Uint8Array): Hex => `0x${bytesToHex(value).slice(2).padStart(64, '0')}`

/** Reports every opcode. @see geth, eth/tracers/logger. */
function createStructLogger(options: TraceOptions): PlainTracer {
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
      const value = isLoad ? pad(live!.storage(address, wordOf(slot))).slice(2) : digits(stack.at(-2) ?? 0n)
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

/** Says that a trace was given up. */
export class TraceLimitError extends BaseError {
  constructor(limit: string) {
    super({
      code: 'engine.trace_limit',
      message: `Expected an execution that can be traced within ${limit}. Trace one transaction of the block, or use callTracer.`,
      context: { limit },
    })
  }
}
