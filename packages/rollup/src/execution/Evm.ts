import { Common, Hardfork, Mainnet } from '@ethereumjs/common'
import { createEVM, type EVM, type EVMResult, paramsEVM } from '@ethereumjs/evm'
import { Address, bytesToHex, concatBytes, hexToBytes } from '@ethereumjs/util'
import type { Hex } from '@openledger/primitives'
import type { Crypto } from '../Crypto.ts'
import type { AccessList } from '../codec/Transaction.ts'
import { createJournaledState, type JournaledState } from '../state/JournaledState.ts'
import { createStateManager } from '../state/StateManager.ts'
import { EMPTY_CODE_HASH } from '../state/WorldState.ts'
import type { EthereumFork, ForkRules } from './Fork.ts'
import { ethereumPrecompiles, precompiles } from './Precompiles.ts'

/** What code can learn about the block it runs in. */
export type BlockContext = {
  readonly number: bigint
  readonly timestamp: bigint
  readonly feeRecipient: Hex
  readonly prevRandao: Hex
  readonly gasLimit: bigint
  readonly baseFeePerGas: bigint
  /** Absent where there are no blobs: the price for none is the minimum. */
  readonly blobBaseFee?: bigint
  readonly rules: ForkRules
  /** Precompiles that calls assume at other addresses, or nowhere, by their own. */
  readonly movedPrecompiles?: ReadonlyMap<Hex, Hex | undefined>
  /** Hashes of the last 256 blocks. */
  readonly blockHash: (number: bigint) => Hex | undefined
}

export type Message = {
  readonly from: Hex
  /** `null` creates a contract from `data`. */
  readonly to: Hex | null
  readonly data: Uint8Array
  readonly value: bigint
  /** What is left after the intrinsic gas. */
  readonly gas: bigint
  readonly gasPrice: bigint
  readonly accessList: AccessList
  /** Addresses that are warm besides sender, target, fee recipient, precompiles and the access list. */
  readonly warm: readonly Hex[]
  /** Of a transaction that carries blobs. */
  readonly blobVersionedHashes?: readonly Hex[]
}

export type MessageResult = {
  readonly returnData: Uint8Array
  readonly gasUsed: bigint
  readonly gasRefund: bigint
  readonly createdAddress: Hex | undefined
  readonly logs: readonly { readonly address: Hex; readonly topics: readonly Hex[]; readonly data: Hex }[]
  /** `undefined` on success, else what failed, such as `revert` or `out of gas`. */
  readonly failure: string | undefined
}

/** One opcode that is about to run. `stack` and `memory` are as before it, the top of the stack last. */
export type EvmStep = {
  readonly pc: number
  readonly opcode: string
  readonly gas: bigint
  /** Without what a call hands on. */
  readonly gasCost: bigint
  /** 1 for the transaction's own message. */
  readonly depth: number
  readonly refund: bigint
  readonly stack: readonly bigint[]
  readonly memory: Uint8Array
  readonly address: Hex
}

/** A message that begins: the transaction's own, or one that code sends. */
export type EvmFrame = {
  readonly depth: number
  readonly from: Hex
  /** `undefined` while the address of a new contract is not known. */
  readonly to: Hex | undefined
  readonly isDelegateCall: boolean
  readonly isStatic: boolean
  /** Whose code runs; differs from `to` under DELEGATECALL and CALLCODE. */
  readonly codeAddress: Hex | undefined
  readonly data: Uint8Array
  readonly value: bigint
  readonly gas: bigint
}

/** Watches a message being executed; what it throws ends the execution. */
export type EvmTracer = {
  /** May return a promise, which the EVM waits for: a place to let others have the thread. */
  readonly step?: (step: EvmStep) => void | Promise<void>
  readonly enter?: (frame: EvmFrame) => void
  readonly exit?: (result: {
    readonly gasUsed: bigint
    readonly returnData: Uint8Array
    readonly failure: string | undefined
    readonly createdAddress: Hex | undefined
  }) => void
}

/** Runs messages on journaled states, one at a time. */
export type Evm = {
  /** Runs a message. The transaction has begun in the journal, with the sender's nonce raised and its gas paid. */
  run(
    state: JournaledState,
    block: BlockContext,
    message: Message,
    tracer?: EvmTracer,
  ): Promise<MessageResult>
  /** Runs a message and tells which addresses and slots it touched, beyond those that are always warm. */
  trace(
    state: JournaledState,
    block: BlockContext,
    message: Message,
  ): Promise<MessageResult & { readonly accessList: AccessList }>
  /** Lists the addresses of a fork's precompiles. */
  precompiles(rules: ForkRules): Promise<ReadonlySet<Hex>>
}

const HARDFORKS: Readonly<Record<EthereumFork, Hardfork>> = {
  homestead: Hardfork.Homestead,
  tangerineWhistle: Hardfork.TangerineWhistle,
  spuriousDragon: Hardfork.SpuriousDragon,
  byzantium: Hardfork.Byzantium,
  constantinople: Hardfork.Constantinople,
  petersburg: Hardfork.Petersburg,
  istanbul: Hardfork.Istanbul,
  berlin: Hardfork.Berlin,
  london: Hardfork.London,
  paris: Hardfork.Paris,
  shanghai: Hardfork.Shanghai,
  cancun: Hardfork.Cancun,
  prague: Hardfork.Prague,
  osaka: Hardfork.Osaka,
}

/** Creates an EVM for a chain; each block's rules are in its context. */
export async function createEvm(options: { chainId: number; crypto: Crypto }): Promise<Evm> {
  const evms = new Map<ForkRules['fork'], Promise<Evm>>()
  const evmOf = (rules: ForkRules): Promise<Evm> => {
    const known = evms.get(rules.fork)
    if (known !== undefined) return known
    const created = createForkEvm({ ...options, rules })
    evms.set(rules.fork, created)
    return created
  }
  return {
    run: async (state, block, message, tracer) =>
      (await evmOf(block.rules)).run(state, block, message, tracer),
    trace: async (state, block, message) => (await evmOf(block.rules)).trace(state, block, message),
    precompiles: async (rules) => (await evmOf(rules)).precompiles(rules),
  }
}

/** Creates an EVM with the rules of one fork, and on an OP Stack chain with its precompiles. */
async function createForkEvm(options: { chainId: number; crypto: Crypto; rules: ForkRules }): Promise<Evm> {
  const { crypto, rules } = options
  const common = memoise(
    new Common({
      chain: { ...Mainnet, chainId: options.chainId },
      hardfork: HARDFORKS[rules.evm],
      params: paramsEVM,
      customCrypto: {
        keccak256: crypto.keccak256,
        ecrecover: (hash, v, r, s) =>
          crypto.recoverPublicKey(hash, concatBytes(r, s), Number(v - 27n) === 0 ? 0 : 1),
      },
    }),
  )
  let block: BlockContext | undefined
  const unused = createJournaledState({
    account: () => undefined,
    storage: () => new Uint8Array(),
    code: () => new Uint8Array(),
  })
  const stateManager = createStateManager(unused, crypto)
  const blockchain = {
    getBlock: async (number: number) => ({
      hash: () => hexToBytes(block?.blockHash(BigInt(number)) ?? `0x${'00'.repeat(32)}`),
    }),
    putBlock: async () => {},
    shallowCopy: () => blockchain,
  }
  const evm = await createEVM({
    common,
    stateManager,
    blockchain,
    customPrecompiles: rules.isOptimism ? precompiles(common, rules) : ethereumPrecompiles(rules),
  })
  const warmAlways = [...evm.precompiles.keys()]
  const addresses = new Set(warmAlways.map((address): Hex => `0x${address}`))
  const isPlainTransfer = (state: JournaledState, { to }: Message, context: BlockContext): boolean =>
    to !== null &&
    (context.movedPrecompiles?.size ?? 0) === 0 &&
    (state.account(to)?.codeHash ?? EMPTY_CODE_HASH) === EMPTY_CODE_HASH &&
    !evm.precompiles.has(to.slice(2))

  const run: Evm['run'] = async (state, context, message) => {
    const restore = movePrecompiles(evm, context.movedPrecompiles)
    try {
      return await runOnce(state, context, message)
    } finally {
      restore()
    }
  }
  const runOnce: Evm['run'] = async (state, context, message) => {
    block = context
    stateManager.use(state)
    evm.journal.cleanJournal()
    evm.transientStorage.clear()
    for (const address of warmAlways) evm.journal.addAlwaysWarmAddress(address)
    evm.journal.addAlwaysWarmAddress(message.from)
    evm.journal.addAlwaysWarmAddress(context.feeRecipient)
    if (message.to !== null) evm.journal.addAlwaysWarmAddress(message.to)
    for (const address of message.warm) evm.journal.addAlwaysWarmAddress(address)
    for (const { address, storageKeys } of message.accessList) {
      evm.journal.addAlwaysWarmAddress(address)
      for (const key of storageKeys) evm.journal.addAlwaysWarmSlot(address, key)
    }
    const result = await evm.runCall({
      block: headerOf(context),
      caller: addressOf(message.from),
      origin: addressOf(message.from),
      ...(message.to === null ? {} : { to: addressOf(message.to) }),
      data: message.data,
      value: message.value,
      gasLimit: message.gas,
      gasPrice: message.gasPrice,
      ...(message.blobVersionedHashes === undefined
        ? {}
        : { blobVersionedHashes: [...message.blobVersionedHashes] }),
      skipNonceIncrement: true,
    })
    // accounts that destroyed themselves in the transaction that made them (EIP-6780)
    for (const address of result.execResult.selfdestruct?.keys() ?? []) {
      if (result.execResult.createdAddresses?.has(address) === true) {
        state.putAccount(address as Hex, undefined)
        state.clearStorage(address as Hex)
      }
    }
    return resultOf(result)
  }

  return {
    async run(state, context, message, tracer) {
      if (tracer === undefined) {
        if (isPlainTransfer(state, message, context)) return transferPlainly(state, message)
        const result = await run(state, context, message)
        await evm.journal.cleanup()
        return result
      }
      const stop = attach(evm, tracer)
      try {
        const result = await run(state, context, message)
        await evm.journal.cleanup()
        return result
      } finally {
        stop()
      }
    },
    async trace(state, context, message) {
      evm.journal.startReportingAccessList()
      const result = await run(state, context, message)
      const touched = evm.journal.accessList ?? new Map<string, Set<string>>()
      await evm.journal.cleanup()
      return { ...result, accessList: accessListOf(touched) }
    },
    precompiles: async () => addresses,
  }
}

/** Puts precompiles elsewhere for one message. @returns what puts them back. */
function movePrecompiles({ precompiles }: EVM, moved: BlockContext['movedPrecompiles']): () => void {
  if (moved === undefined || moved.size === 0) return () => {}
  const own = [...precompiles]
  const at = new Map(own)
  for (const address of moved.keys()) precompiles.delete(address.slice(2))
  for (const [address, to] of moved) {
    const run = at.get(address.slice(2))
    if (to !== undefined && run !== undefined) precompiles.set(to.slice(2), run)
  }
  return () => {
    precompiles.clear()
    for (const [address, run] of own) precompiles.set(address, run)
  }
}

/** Tells a tracer what the EVM does. @returns what ends it. */
function attach(evm: EVM, { step, enter, exit }: EvmTracer): () => void {
  let broken: { readonly error: unknown } | undefined
  const { events } = evm
  if (step !== undefined) {
    // a listener of two parameters is waited for; what it fails with is thrown by the next one that is not
    events.on('step', (data, resume) => {
      const fail = (error: unknown): void => {
        broken = { error }
        resume?.()
      }
      try {
        const waiting = step({
          pc: data.pc,
          opcode: data.opcode.name,
          gas: data.gasLeft,
          gasCost: data.opcode.dynamicFee ?? BigInt(data.opcode.fee),
          depth: data.depth + 1,
          refund: data.gasRefund,
          stack: data.stack,
          memory: data.memory,
          address: bytesToHex(data.address.bytes),
        })
        if (waiting === undefined) resume?.()
        else waiting.then(() => resume?.(), fail)
      } catch (error) {
        fail(error)
      }
    })
    events.on('step', () => {
      if (broken !== undefined) throw broken.error
    })
  }
  if (enter !== undefined) {
    events.on('beforeMessage', (message) => {
      const to = message.to === undefined ? undefined : bytesToHex(message.to.bytes)
      enter({
        depth: message.depth + 1,
        from: bytesToHex(message.caller.bytes),
        to,
        isDelegateCall: message.delegatecall,
        isStatic: message.isStatic,
        codeAddress: to === undefined ? undefined : bytesToHex(message.codeAddress.bytes),
        data: message.data,
        value: message.value,
        gas: message.gasLimit,
      })
    })
  }
  if (exit !== undefined) {
    events.on('afterMessage', ({ execResult, createdAddress }) =>
      exit({
        gasUsed: execResult.executionGasUsed,
        returnData: execResult.returnValue,
        failure: execResult.exceptionError?.error,
        createdAddress: createdAddress === undefined ? undefined : bytesToHex(createdAddress.bytes),
      }),
    )
  }
  return () => {
    events.removeAllListeners('step')
    events.removeAllListeners('beforeMessage')
    events.removeAllListeners('afterMessage')
  }
}

/** Moves the value to an account that runs no code: what the EVM would do, at a tenth of its price. */
function transferPlainly(state: JournaledState, { from, to, value }: Message): MessageResult {
  const sender = state.account(from)
  if (value > (sender?.balance ?? 0n)) return { ...NOTHING, failure: 'insufficient balance' }
  if (value > 0n) {
    state.addBalance(from, -value)
    state.addBalance(to!, value)
  }
  return NOTHING
}

const NOTHING: MessageResult = {
  returnData: new Uint8Array(),
  gasUsed: 0n,
  gasRefund: 0n,
  createdAddress: undefined,
  logs: [],
  failure: undefined,
}

const addressOf = (address: Hex): Address => new Address(hexToBytes(address))

const headerOf = (context: BlockContext) => ({
  header: {
    number: context.number,
    coinbase: addressOf(context.feeRecipient),
    timestamp: context.timestamp,
    // which of the two is read depends on the fork
    difficulty: BigInt(context.prevRandao),
    prevRandao: hexToBytes(context.prevRandao),
    gasLimit: context.gasLimit,
    baseFeePerGas: context.baseFeePerGas,
    getBlobGasPrice: () => context.blobBaseFee ?? 1n,
  },
})

function resultOf({ execResult, createdAddress }: EVMResult): MessageResult {
  const error = execResult.exceptionError?.error
  return {
    returnData: execResult.returnValue,
    gasUsed: execResult.executionGasUsed,
    gasRefund: error === undefined ? (execResult.gasRefund ?? 0n) : 0n,
    createdAddress: createdAddress === undefined ? undefined : bytesToHex(createdAddress.bytes),
    logs:
      error === undefined
        ? (execResult.logs ?? []).map(([address, topics, data]) => ({
            address: bytesToHex(address),
            topics: topics.map((topic) => bytesToHex(topic)),
            data: bytesToHex(data),
          }))
        : [],
    failure: error,
  }
}

const accessListOf = (touched: ReadonlyMap<string, ReadonlySet<string>>): AccessList =>
  [...touched].map(([address, keys]) => ({
    address: `0x${address}`,
    storageKeys: [...keys].map((key): Hex => `0x${key}`),
  }))

/**
 * Makes the parameter look-ups of a Common that never changes its fork O(1).
 *
 * Unpatched, each opcode walks the list of forks: measured at three times the run time of simple transfers.
 */
function memoise(common: Common): Common {
  const parameters = new Map<string, bigint>()
  const { param, isActivatedEIP, gteHardfork } = common
  common.param = (name) => {
    const known = parameters.get(name)
    if (known !== undefined) return known
    const value = param.call(common, name)
    parameters.set(name, value)
    return value
  }
  const activated: (boolean | undefined)[] = []
  common.isActivatedEIP = (eip) => {
    activated[eip] ??= isActivatedEIP.call(common, eip)
    return activated[eip]!
  }
  const reached = new Map<string, boolean>()
  common.gteHardfork = (hardfork) => {
    const known = reached.get(hardfork)
    if (known !== undefined) return known
    const value = gteHardfork.call(common, hardfork)
    reached.set(hardfork, value)
    return value
  }
  return common
}
