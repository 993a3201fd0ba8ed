import { BaseError, type Clock, type Hex } from '@openledger/primitives'
import {
  BaseFee,
  type BlockContext,
  Bloom,
  bytesToHex,
  type Crypto,
  EMPTY_CODE_HASH,
  type Evm,
  Header,
  hexToBytes,
  intrinsicGas,
  type JournaledState,
  type OptimismConfig,
  Predeploys,
  Receipt,
  Rlp,
  type Schedule,
  type StateTrie,
  Transaction,
  Trie,
  type WorldState,
  writeSystemContracts,
} from '@openledger/rollup'
import type { Calls } from './Calls.ts'
import type { BlockOverride, BlockRecord, CallRequest, StateOverride } from './Engine.ts'
import { movedPrecompiles } from './Overrides.ts'
import { transactionRecord } from './Records.ts'
import { revertReason } from './revertReason.ts'
import { failureWords } from './Tracers.ts'
import { createTransferLog, type SimulatedLog } from './TransferLog.ts'

/** Blocks to be tried, under the names of `eth_simulateV1`. @see execution-apis, eth_simulateV1. */
export type SimulationRequest = {
  readonly blocks: readonly {
    readonly blockOverrides?: BlockOverride
    readonly stateOverrides?: StateOverride
    readonly calls: readonly CallRequest[]
  }[]
  /** Report transfers of the native currency as logs of `0xee…ee`. */
  readonly traceTransfers: boolean
  /** Hold calls to the rules of transactions: nonces, balances, base fee. */
  readonly validation: boolean
}

export type SimulatedCall = {
  readonly status: 0 | 1
  readonly returnData: Hex
  readonly gasUsed: bigint
  /** Before refunds. */
  readonly maxUsedGas: bigint
  readonly logs: readonly SimulatedLog[]
  readonly error?: { readonly code: number; readonly message: string; readonly data?: Hex }
}

export type SimulatedBlock = { readonly block: BlockRecord; readonly calls: readonly SimulatedCall[] }

export type SimulationDependencies = {
  readonly calls: Calls
  readonly crypto: Crypto
  readonly trie: StateTrie
  readonly clock: Clock
  readonly schedule: Schedule
  readonly chainId: bigint
  /** Absent on Ethereum itself. */
  readonly optimism: OptimismConfig | undefined
  readonly blockHash: (number: bigint) => Hex | undefined
}

const BLOCKS_MAX = 256n
const NONCE_MAX = (1n << 64n) - 1n
const TIME_MAX_MS = 10_000
const GAS_MAX = 50_000_000n
/** What geth puts between two blocks whose times nobody gave. */
const BLOCK_SECONDS = 12n
const ZERO_ADDRESS: Hex = `0x${'00'.repeat(20)}`
const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`

/** The error codes that execution-apis gives to what a simulation refuses. */
const CODES = {
  nonceTooLow: -38_010,
  nonceTooHigh: -38_011,
  baseFeeTooLow: -38_012,
  intrinsicGas: -38_013,
  insufficientFunds: -38_014,
  blockGasLimit: -38_015,
  blockNumber: -38_020,
  blockTimestamp: -38_021,
  tooManyBlocks: -38_026,
  feeCap: -32_005,
  time: -32_016,
  internal: -32_603,
} as const

/**
 * Executes blocks that will never be, each on the state that the one before left, the first on `state` after `parent`.
 * @throws {SimulationError} with the JSON-RPC code that execution-apis names.
 */
export async function simulate(
  request: SimulationRequest,
  parent: Header.Header & { readonly hash: Hex },
  state: WorldState,
  dependencies: SimulationDependencies,
): Promise<SimulatedBlock[]> {
  const { calls, clock } = dependencies
  const deadlineMs = clock.nowMs() + TIME_MAX_MS
  const simulated: SimulatedBlock[] = []
  let previous: { header: Header.Header; hash: Hex; state: WorldState } = {
    header: parent,
    hash: parent.hash,
    state,
  }
  const hashes = new Map<bigint, Hex>([[parent.number, parent.hash]])
  const codes = new Map<Hex, Uint8Array>()
  let gasLeft = GAS_MAX
  return calls.withEvm(async (evm) => {
    for (const block of sanitise(request, parent)) {
      const done = await simulateBlock(block, previous, evm, {
        ...dependencies,
        request,
        deadlineMs,
        gasLeft,
        codes,
        blockHash: (number) => hashes.get(number) ?? dependencies.blockHash(number),
      })
      gasLeft = done.gasLeft
      previous = done.after
      hashes.set(done.after.header.number, done.after.hash)
      simulated.push(done.simulated)
    }
    return simulated
  })
}

type Block = SimulationRequest['blocks'][number] & {
  readonly number: bigint
  readonly timestamp: bigint
}

/** Numbers the blocks, puts empty ones into gaps, and checks that time goes on. */
function sanitise({ blocks }: SimulationRequest, parent: Header.Header): Block[] {
  const result: Block[] = []
  let { number, timestamp } = parent
  for (const block of blocks) {
    const wanted = block.blockOverrides?.number ?? number + 1n
    if (wanted <= number) {
      throw new SimulationError(CODES.blockNumber, `block numbers must be in order: ${wanted} <= ${number}`)
    }
    if (wanted - parent.number > BLOCKS_MAX) throw new SimulationError(CODES.tooManyBlocks, 'too many blocks')
    for (number++; number < wanted; number++) {
      timestamp += BLOCK_SECONDS
      result.push({ number, timestamp, calls: [] })
    }
    const time = block.blockOverrides?.timestamp ?? timestamp + BLOCK_SECONDS
    if (time <= timestamp) {
      throw new SimulationError(
        CODES.blockTimestamp,
        `block timestamps must be in order: ${time} <= ${timestamp}`,
      )
    }
    timestamp = time
    result.push({ ...block, number, timestamp })
  }
  return result
}

type Running = SimulationDependencies & {
  readonly request: SimulationRequest
  readonly deadlineMs: number
  readonly gasLeft: bigint
  /** Codes that the blocks so far brought. */
  readonly codes: Map<Hex, Uint8Array>
}

async function simulateBlock(
  block: Block,
  previous: { readonly header: Header.Header; readonly hash: Hex; readonly state: WorldState },
  evm: Evm,
  running: Running,
) {
  const { crypto, trie, optimism, request } = running
  const overrides = block.blockOverrides ?? {}
  const baseFee = request.validation ? BaseFee.nextBaseFee(previous.header, optimism) : 0n
  const rules = running.schedule(block)
  const context: BlockContext = {
    rules,
    number: block.number,
    timestamp: block.timestamp,
    feeRecipient: overrides.feeRecipient ?? previous.header.miner,
    prevRandao: overrides.prevRandao ?? ZERO_HASH,
    gasLimit: overrides.gasLimit ?? previous.header.gasLimit,
    baseFeePerGas: overrides.baseFeePerGas ?? baseFee,
    blockHash: running.blockHash,
  }
  const precompiles = await evm.precompiles(rules)
  const moved = movedPrecompiles(block.stateOverrides, precompiles)
  const journal = running.calls.journal(previous.state, block.stateOverrides, running.codes)
  writeSystemContracts(journal, context, ZERO_HASH, previous.hash)

  const transactions: { raw: Uint8Array; sender: Hex; transaction: Transaction.SignedTransaction }[] = []
  const receipts: Receipt.Receipt[] = []
  const results: SimulatedCall[] = []
  let gasUsed = 0n
  let { gasLeft } = running
  for (const call of block.calls) {
    if (running.clock.nowMs() > running.deadlineMs) {
      throw new SimulationError(CODES.time, `expected calls that take ${TIME_MAX_MS} ms at most`)
    }
    const room = context.gasLimit - gasUsed
    const gas = min(call.gas ?? room, gasLeft)
    const transaction = toTransaction({ ...call, gas }, journal, running.chainId)
    if (transaction.gas > room) {
      throw new SimulationError(
        CODES.blockGasLimit,
        `block gas limit reached: remaining: ${room}, required: ${transaction.gas}`,
      )
    }
    const sender = lower(call.from ?? ZERO_ADDRESS)
    const result = await runCall(
      transaction,
      sender,
      journal,
      { ...context, movedPrecompiles: moved },
      evm,
      running,
    )
    gasUsed += result.gasUsed
    gasLeft -= result.gasUsed
    transactions.push({ raw: Transaction.encode(transaction), sender, transaction })
    results.push(result)
    receipts.push({
      type: transaction.type,
      status: result.status,
      cumulativeGasUsed: gasUsed,
      logs: result.ownLogs,
    })
    await new Promise(setImmediate)
  }

  const applied = trie.apply(previous.state, journal.changes())
  for (const [hash, code] of journal.newCodes()) running.codes.set(hash, code)
  const logsBloom = Bloom.create()
  const encodedReceipts = receipts.map((receipt) => {
    const bloom = Receipt.bloomOf(receipt.logs, crypto)
    Bloom.merge(logsBloom, bloom)
    return Receipt.encode(receipt, bloom)
  })
  const raws = transactions.map(({ raw }) => raw)
  const header: Header.Header = {
    ...Header.formOf(rules),
    parentHash: previous.hash,
    sha3Uncles: Header.EMPTY_UNCLES_HASH,
    miner: context.feeRecipient,
    stateRoot: trie.root(applied.state),
    transactionsRoot: bytesToHex(Trie.listRoot(raws, crypto)),
    receiptsRoot: bytesToHex(Trie.listRoot(encodedReceipts, crypto)),
    logsBloom: bytesToHex(logsBloom),
    difficulty: previous.header.difficulty,
    number: context.number,
    gasLimit: context.gasLimit,
    gasUsed,
    timestamp: context.timestamp,
    // carries the base fee's parameters on, which a block after this one needs
    extraData: previous.header.extraData,
    mixHash: context.prevRandao,
    nonce: '0x0000000000000000',
    baseFeePerGas: context.baseFeePerGas,
    withdrawalsRoot: rules.hasWithdrawalsRoot
      ? trie.storageRoot(trie.account(applied.state, Predeploys.L2_TO_L1_MESSAGE_PASSER))
      : Header.EMPTY_ROOT,
    blobGasUsed: 0n,
    excessBlobGas: 0n,
    parentBeaconBlockRoot: ZERO_HASH,
    requestsHash: Header.EMPTY_REQUESTS_HASH,
  }
  const encoded = Header.encode(header)
  const hash = bytesToHex(crypto.keccak256(encoded))
  const body = transactions.map(({ raw }) => (raw[0]! >= 0xc0 ? Rlp.decode(raw) : raw))
  const size = Rlp.encode([Rlp.decode(encoded), body, [], []] as Rlp.RlpInput).length
  const records = transactions.map(({ raw, sender, transaction }, index) =>
    transactionRecord(
      transaction,
      { hash: Transaction.hash(raw, crypto), sender, raw },
      {
        blockHash: hash,
        blockNumber: header.number,
        blockTimestamp: header.timestamp,
        index,
        baseFeePerGas: header.baseFeePerGas,
      },
      undefined,
    ),
  )
  return {
    gasLeft,
    after: { header, hash, state: applied.state },
    simulated: {
      block: {
        ...header,
        hash,
        size: BigInt(size),
        uncles: [],
        withdrawals: [],
        transactions: records,
      },
      calls: results,
    },
  }
}

/** Fills in what a call leaves open; nobody signs it. */
function toTransaction(
  call: CallRequest & { readonly gas: bigint },
  journal: JournaledState,
  chainId: bigint,
): Transaction.SignedTransaction {
  const common = {
    nonce: call.nonce ?? journal.account(lower(call.from ?? ZERO_ADDRESS))?.nonce ?? 0n,
    gas: call.gas,
    to: call.to === undefined || call.to === null ? null : lower(call.to),
    value: call.value ?? 0n,
    data: hexToBytes(call.data ?? '0x'),
    yParity: 0 as const,
    r: 0n,
    s: 0n,
    chainId,
  }
  if (call.gasPrice !== undefined) {
    return call.accessList === undefined
      ? { ...common, type: 0, gasPrice: call.gasPrice }
      : { ...common, type: 1, gasPrice: call.gasPrice, accessList: call.accessList }
  }
  return {
    ...common,
    type: 2,
    maxFeePerGas: call.maxFeePerGas ?? call.maxPriorityFeePerGas ?? 0n,
    maxPriorityFeePerGas: call.maxPriorityFeePerGas ?? 0n,
    accessList: call.accessList ?? [],
  }
}

async function runCall(
  transaction: Transaction.SignedTransaction,
  sender: Hex,
  journal: JournaledState,
  context: BlockContext,
  evm: Evm,
  { request }: Running,
): Promise<SimulatedCall & { readonly ownLogs: readonly SimulatedLog[] }> {
  const account = journal.account(sender) ?? { nonce: 0n, balance: 0n, codeHash: EMPTY_CODE_HASH }
  const { gas, value } = transaction
  if (request.validation) assertValid(transaction, account.nonce, context)
  const price = Transaction.effectiveGasPrice(transaction, context.baseFeePerGas)
  const cost = gas * (request.validation ? Transaction.maxFeePerGas(transaction) : price) + value
  if (account.balance < cost) {
    throw new SimulationError(
      CODES.insufficientFunds,
      `insufficient funds for gas * price + value: address ${sender} have ${account.balance} want ${cost}`,
    )
  }
  const intrinsic = intrinsicGas(transaction, context.rules)
  const least = intrinsic.gas > intrinsic.floorGas ? intrinsic.gas : intrinsic.floorGas
  if (gas < least) {
    throw new SimulationError(CODES.intrinsicGas, `intrinsic gas too low: have ${gas}, want ${least}`)
  }
  journal.beginTransaction()
  journal.putAccount(sender, {
    ...account,
    // beyond the last one it begins again, as geth's does
    nonce: BigInt.asUintN(64, account.nonce + 1n),
    balance: account.balance - gas * price,
  })
  const transfers = createTransferLog(
    request.traceTransfers,
    (address) => journal.account(address)?.balance ?? 0n,
  )
  const result = await evm.run(
    journal,
    context,
    {
      from: sender,
      to: transaction.to,
      data: transaction.data,
      value,
      gas: gas - intrinsic.gas,
      gasPrice: price,
      accessList: transaction.type === 0 ? [] : transaction.accessList,
      warm: [],
    },
    transfers.tracer,
  )
  const spent = intrinsic.gas + result.gasUsed
  const refunded = spent - min(result.gasRefund, spent / 5n)
  const gasUsed = refunded > intrinsic.floorGas ? refunded : intrinsic.floorGas
  journal.addBalance(sender, (gas - gasUsed) * price)
  const tip = price > context.baseFeePerGas ? price - context.baseFeePerGas : 0n
  journal.addBalance(context.feeRecipient, tip * gasUsed)
  if (context.rules.isOptimism) journal.addBalance(Predeploys.BASE_FEE_VAULT, (price - tip) * gasUsed)
  const returnData = bytesToHex(result.returnData)
  const common = { gasUsed, maxUsedGas: spent > intrinsic.floorGas ? spent : intrinsic.floorGas }
  if (result.failure !== undefined) {
    return {
      ...common,
      status: 0,
      returnData: '0x',
      logs: [],
      ownLogs: [],
      error: errorOf(result.failure, returnData),
    }
  }
  const ownLogs = result.logs
  return { ...common, status: 1, returnData, logs: transfers.logs(ownLogs), ownLogs }
}

function errorOf(failure: string, data: Hex) {
  const message = failureWords(failure)
  if (message !== 'execution reverted') return { code: -32_015, message }
  const reason = revertReason(data)
  return { code: 3, message: reason === undefined ? message : `${message}: ${reason}`, data }
}

function assertValid(
  transaction: Transaction.SignedTransaction,
  nonce: bigint,
  { baseFeePerGas }: BlockContext,
): void {
  if (transaction.nonce < nonce) {
    throw new SimulationError(CODES.nonceTooLow, `nonce too low: tx: ${transaction.nonce} state: ${nonce}`)
  }
  if (nonce === NONCE_MAX) throw new SimulationError(CODES.internal, `nonce has max value: ${nonce}`)
  if (transaction.nonce > nonce) {
    throw new SimulationError(CODES.nonceTooHigh, `nonce too high: tx: ${transaction.nonce} state: ${nonce}`)
  }
  const cap = Transaction.maxFeePerGas(transaction)
  if (cap < baseFeePerGas) {
    throw new SimulationError(
      CODES.baseFeeTooLow,
      `max fee per gas less than block base fee: maxFeePerGas: ${cap}, baseFee: ${baseFeePerGas}`,
    )
  }
}

const lower = (hex: Hex): Hex => hex.toLowerCase() as Hex
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)

/** Says why a simulation cannot be; `rpcCode` is execution-apis' code for it. */
export class SimulationError extends BaseError {
  readonly rpcCode: number

  constructor(rpcCode: number, message: string) {
    super({ code: 'engine.simulation', message, context: { rpcCode } })
    this.rpcCode = rpcCode
  }
}
