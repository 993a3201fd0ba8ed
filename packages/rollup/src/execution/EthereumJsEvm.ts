import { Common, Hardfork, Mainnet } from '@ethereumjs/common'
import { createEVM, type EVM, type EVMResult, type ExecResult, paramsEVM } from '@ethereumjs/evm'
import { Address, bytesToHex, concatBytes, hexToBytes } from '@ethereumjs/util'
import type { Hex } from '@openledger/primitives'
import type { Crypto } from '../Crypto.ts'
import type { AccessList } from '../codec/Transaction.ts'
import { createJournaledState } from '../state/JournaledState.ts'
import { createStateManager } from '../state/StateManager.ts'
import type { EthereumFork, ForkRules } from './Fork.ts'
import type { Precompile, PrecompileResult } from './interpreter/createInterpreter.ts'
import type { BlockContext, Evm, EvmTracer, MessageResult } from './Message.ts'
import { ethereumPrecompiles, precompiles } from './Precompiles.ts'

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

/** The EVM of EthereumJS with the rules of one fork: it can be watched, but awaits every opcode. */
export type EthereumJsEvm = Omit<Evm, 'precompiles'> & {
  /** The fork's precompiles, as they stand before a message moves any. */
  readonly precompiles: ReadonlyMap<Hex, Precompile>
}

/** Creates an EVM with the rules of one fork, and on an OP Stack chain with its precompiles. */
export async function createEthereumJsEvm(options: {
  chainId: number
  crypto: Crypto
  rules: ForkRules
}): Promise<EthereumJsEvm> {
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
  const own = new Map(
    [...evm.precompiles].map(([address, run]): [Hex, Precompile] => [
      `0x${address}`,
      (data, gas) => {
        const result = run({ data, gasLimit: BigInt(gas), common, _EVM: evm })
        return result instanceof Promise ? result.then(precompileResultOf) : precompileResultOf(result)
      },
    ]),
  )

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
    // EIP-3651
    if (rules.hasShanghai) evm.journal.addAlwaysWarmAddress(context.feeRecipient)
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
    // from Cancun on only accounts go that destroyed themselves in the transaction that made them (EIP-6780)
    for (const address of result.execResult.selfdestruct?.keys() ?? []) {
      if (!rules.hasCancun || result.execResult.createdAddresses?.has(address) === true) {
        state.putAccount(address as Hex, undefined)
        state.clearStorage(address as Hex)
      }
    }
    return resultOf(result)
  }

  return {
    async run(state, context, message, tracer) {
      const stop = tracer === undefined ? () => {} : attach(evm, tracer)
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
    precompiles: own,
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

const precompileResultOf = ({
  executionGasUsed,
  returnValue,
  exceptionError,
}: ExecResult): PrecompileResult => ({
  gasUsed: Number(executionGasUsed),
  returnData: returnValue,
  ...(exceptionError === undefined ? {} : { failure: exceptionError.error }),
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
