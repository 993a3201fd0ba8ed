import { BaseError, type Hex } from '@openledger/primitives'
import { bytesToHex, type EvmStep, type EvmTracer, type JournaledState } from '@openledger/rollup'

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
export type PlainTracer = Omit<Tracer, 'evm'> & {
  readonly evm: Omit<EvmTracer, 'step'> & { readonly step?: (step: EvmStep) => void }
}

export const unobserved = (state: JournaledState): JournaledState => state

/** How geth's tracers write numbers, words of the stack and values of storage. */
export const quantity = (value: bigint | number): Hex => `0x${value.toString(16)}`
export const wordOf = (word: bigint): Hex => `0x${word.toString(16).padStart(64, '0')}`
export const slotValue = (value: Uint8Array): Hex => `0x${bytesToHex(value).slice(2).padStart(64, '0')}`

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
