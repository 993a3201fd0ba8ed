import { BaseError, type Clock, type Hex } from '@openledger/primitives'
import {
  type BlockContext,
  bytesToHex,
  type Crypto,
  createJournaledState,
  createStateReader,
  EMPTY_CODE_HASH,
  type Evm,
  type ForkRules,
  type Header,
  hexToBytes,
  intrinsicGas,
  type JournaledState,
  type Schedule,
  type StateTrie,
  type WorldState,
} from '@openledger/rollup'
import { createTracer } from './createTracer.ts'
import type { BlockOverride, CallRequest, CallResult, StateOverride } from './Engine.ts'
import { applyOverrides, movedPrecompiles } from './Overrides.ts'
import { failureWords, type TraceOptions, type Tracer } from './Tracer.ts'

/** Executes what never becomes part of a block. */
export type Calls = {
  call(
    at: CallPlace,
    request: CallRequest,
    overrides?: StateOverride,
    blockOverrides?: BlockOverride,
  ): Promise<CallResult>
  /** @throws {CallRevertedError} */
  estimateGas(at: CallPlace, request: CallRequest, overrides?: StateOverride): Promise<bigint>
  /** Executes a call and tells what the tracer saw of it. @throws {TraceLimitError} */
  trace(
    at: CallPlace,
    request: CallRequest,
    options: TraceOptions,
    overrides?: StateOverride,
    blockOverrides?: BlockOverride,
  ): Promise<unknown>
  /** Lends an EVM, waiting for one where all are busy; one that fails is not used again. */
  withEvm<T>(use: (evm: Evm) => Promise<T>): Promise<T>
  /** Puts a journal with overrides on a state. @param codes - Those that the state has and the chain does not. */
  journal(state: WorldState, overrides?: StateOverride, codes?: ReadonlyMap<Hex, Uint8Array>): JournaledState
}

export type CallPlace = { readonly header: Header.Header; readonly state: WorldState }

export type CallsDependencies = {
  readonly clock: Clock
  readonly crypto: Crypto
  readonly trie: StateTrie
  readonly schedule: Schedule
  readonly createEvm: () => Promise<Evm>
  readonly code: (codeHash: Hex) => Uint8Array
  readonly blockHash: (number: bigint) => Hex | undefined
}

export type CallLimits = {
  /** The most gas of one call, which bounds how long it can hold the thread. */
  readonly gasMax: bigint
  /** EVMs that run at once. */
  readonly concurrencyMax: number
  /** Calls that wait for an EVM. */
  readonly queueMax: number
}

export const CALL_LIMITS: CallLimits = { gasMax: 30_000_000n, concurrencyMax: 4, queueMax: 1000 }

const NO_PRECOMPILES: ReadonlySet<Hex> = new Set()
const ZERO_ADDRESS: Hex = '0x0000000000000000000000000000000000000000'
/** An estimate may lie above the least by this part, which saves half of the trials. */
const ESTIMATE_TOLERANCE_PPM = 15_000n
/** The words that Ethereum clients use, where EthereumJS has others. */
const CLIENT_WORDS: Readonly<Record<string, string>> = {
  revert: 'execution reverted',
  'insufficient balance': 'insufficient funds for gas * price + value',
  'invalid JUMP': 'invalid jump destination',
}

/** Creates the runner of calls. */
export function createCalls(dependencies: CallsDependencies, limits: CallLimits = CALL_LIMITS): Calls {
  const { crypto, trie } = dependencies
  const idle: Evm[] = []
  const waiting: ((evm: Evm) => void)[] = []
  let created = 0

  const acquire = async (): Promise<Evm> => {
    const free = idle.pop()
    if (free !== undefined) return free
    if (created < limits.concurrencyMax) {
      created++
      return dependencies.createEvm()
    }
    if (waiting.length >= limits.queueMax) throw new CallsBusyError(limits.queueMax)
    return new Promise((resolve) => waiting.push(resolve))
  }
  const release = (evm: Evm): void => {
    const next = waiting.shift()
    if (next === undefined) idle.push(evm)
    else next(evm)
  }
  const withEvm: Calls['withEvm'] = async (use) => {
    let evm = await acquire()
    try {
      return await use(evm)
    } catch (error) {
      // what broke off in the middle may have left something behind
      evm = await dependencies.createEvm()
      throw error
    } finally {
      release(evm)
    }
  }

  const journalOn: Calls['journal'] = (state, overrides, codes) => {
    const code = (codeHash: Hex) => codes?.get(codeHash) ?? dependencies.code(codeHash)
    const journal = createJournaledState(createStateReader(trie, state, code))
    journal.beginTransaction()
    applyOverrides(journal, overrides, crypto)
    return journal
  }

  const run = async (
    place: CallPlace,
    request: CallRequest,
    overrides: StateOverride | undefined,
    gas: bigint,
    blockOverrides?: BlockOverride,
    tracer?: Tracer,
  ): Promise<CallResult> => {
    const from = lower(request.from ?? ZERO_ADDRESS)
    const to = request.to === undefined || request.to === null ? null : lower(request.to)
    const data = hexToBytes(request.data ?? '0x')
    const accessList = request.accessList ?? []
    const rules = dependencies.schedule(place.header)
    const intrinsic = intrinsicGas({ to, data, accessList }, rules)
    if (gas < leastGas(request, rules)) return failed(gas, 'intrinsic gas too low')
    return withEvm(async (evm) => {
      const own = journalOn(place.state, overrides)
      const journal = tracer?.observe(own) ?? own
      const account = journal.account(from) ?? { nonce: 0n, balance: 0n, codeHash: EMPTY_CODE_HASH }
      const value = request.value ?? 0n
      if (account.balance < value) return failed(0n, 'insufficient funds for transfer')
      journal.putAccount(from, { ...account, nonce: account.nonce + 1n })
      journal.beginTransaction()
      const price = priceOf(request, place.header.baseFeePerGas)
      const precompiles = overrides === undefined ? NO_PRECOMPILES : await evm.precompiles(rules)
      const context = {
        ...contextOf(place, price, dependencies, blockOverrides),
        movedPrecompiles: movedPrecompiles(overrides, precompiles),
      }
      const message = {
        from,
        to,
        data,
        value,
        gas: gas - intrinsic.gas,
        gasPrice: price,
        accessList,
        warm: [],
      }
      const result =
        tracer === undefined
          ? await evm.trace(journal, context, message)
          : { ...(await evm.run(journal, context, message, tracer.evm)), accessList: [] }
      const spent = intrinsic.gas + result.gasUsed
      const refund = result.gasRefund < spent / 5n ? result.gasRefund : spent / 5n
      const gasUsed = spent - refund > intrinsic.floorGas ? spent - refund : intrinsic.floorGas
      return {
        returnData: bytesToHex(result.returnData),
        gasUsed,
        reverted: result.failure !== undefined,
        ...(result.failure === undefined ? {} : { error: CLIENT_WORDS[result.failure] ?? result.failure }),
        logs: result.logs,
        accessList: result.accessList.filter(({ address }) => address !== from && address !== to),
      }
    })
  }
  const bounded = (gas: bigint | undefined): bigint =>
    gas !== undefined && gas < limits.gasMax ? gas : limits.gasMax

  return {
    withEvm,
    journal: journalOn,
    call: (place, request, overrides, blockOverrides) =>
      run(place, request, overrides, bounded(request.gas), blockOverrides),
    async trace(place, request, options, overrides, blockOverrides) {
      const gas = bounded(request.gas)
      const transaction = {
        from: lower(request.from ?? ZERO_ADDRESS),
        to: request.to === undefined || request.to === null ? null : lower(request.to),
        data: request.data ?? '0x',
        value: request.value ?? 0n,
        gas,
        feeRecipient: lower(blockOverrides?.feeRecipient ?? place.header.miner),
      } as const
      const tracer = createTracer(options, transaction, dependencies.clock)
      const result = await run(place, request, overrides, gas, blockOverrides, tracer)
      return tracer.result({
        gasUsed: result.gasUsed,
        returnData: result.returnData,
        failure: result.error === undefined ? undefined : failureWords(result.error),
        contractAddress: undefined,
      })
    },
    async estimateGas(place, request, overrides) {
      const blockMax = place.header.gasLimit < limits.gasMax ? place.header.gasLimit : limits.gasMax
      let high = request.gas !== undefined && request.gas < blockMax ? request.gas : blockMax
      const price = priceOf(request, place.header.baseFeePerGas)
      if (price > 0n && request.from !== undefined) {
        const balance = journalOn(place.state, overrides).account(lower(request.from))?.balance ?? 0n
        const value = request.value ?? 0n
        if (balance < value) throw new CallRevertedError('insufficient funds for transfer', '0x')
        const affordable = (balance - value) / price
        if (affordable < high) high = affordable
      }
      const first = await run(place, request, overrides, high)
      if (first.reverted) throw new CallRevertedError(first.error ?? 'execution reverted', first.returnData)
      // where no code ran, the use is the need
      if (first.gasUsed === leastGas(request, dependencies.schedule(place.header))) return first.gasUsed
      // below its own use a call always fails
      let low = first.gasUsed - 1n
      // refunds and the 63/64 rule make the need exceed the use: try a little above first
      const optimistic = first.gasUsed + first.gasUsed / 3n
      if (optimistic < high) {
        if ((await run(place, request, overrides, optimistic)).reverted) low = optimistic
        else high = optimistic
      }
      // each trial may hold the thread, so others get a turn in between
      while (high - low > 1n && (high - low) * 1_000_000n > high * ESTIMATE_TOLERANCE_PPM) {
        await new Promise(setImmediate)
        const middle = (high + low) / 2n
        if ((await run(place, request, overrides, middle)).reverted) low = middle
        else high = middle
      }
      return high
    },
  }
}

/** What a request costs before any code runs. */
function leastGas(request: CallRequest, rules: ForkRules): bigint {
  const { gas, floorGas } = intrinsicGas(
    {
      to: request.to ?? null,
      data: hexToBytes(request.data ?? '0x'),
      accessList: request.accessList ?? [],
    },
    rules,
  )
  return gas > floorGas ? gas : floorGas
}

const lower = (address: Hex): Hex => address.toLowerCase() as Hex

const failed = (gasUsed: bigint, error: string): CallResult => ({
  returnData: '0x',
  gasUsed,
  reverted: true,
  error,
  logs: [],
  accessList: [],
})

function priceOf(request: CallRequest, baseFeePerGas: bigint): bigint {
  if (request.gasPrice !== undefined) return request.gasPrice
  if (request.maxFeePerGas === undefined) return 0n
  const tipped = baseFeePerGas + (request.maxPriorityFeePerGas ?? 0n)
  return tipped < request.maxFeePerGas ? tipped : request.maxFeePerGas
}

/** A call without a price sees a base fee of zero, as under op-geth, so that code comparing the two does not fail. */
function contextOf(
  { header }: CallPlace,
  price: bigint,
  dependencies: CallsDependencies,
  overrides: BlockOverride = {},
): BlockContext {
  return {
    rules: dependencies.schedule(header),
    number: overrides.number ?? header.number,
    timestamp: overrides.timestamp ?? header.timestamp,
    feeRecipient: overrides.feeRecipient ?? header.miner,
    prevRandao: overrides.prevRandao ?? header.mixHash,
    gasLimit: overrides.gasLimit ?? header.gasLimit,
    baseFeePerGas: overrides.baseFeePerGas ?? (price === 0n ? 0n : header.baseFeePerGas),
    blockHash: dependencies.blockHash,
  }
}

/** Says that a call failed at every gas; `data` is what it reverted with. */
export class CallRevertedError extends BaseError {
  readonly data: Hex

  constructor(error: string, data: Hex) {
    super({ code: 'engine.call_reverted', message: error, context: { data } })
    this.data = data
  }
}

export class CallsBusyError extends BaseError {
  constructor(queueMax: number) {
    super({
      code: 'engine.calls_busy',
      message: `Expected at most ${queueMax} waiting calls. Try again in a moment.`,
      context: { queueMax },
      severity: 'retry',
    })
  }
}
