import type { Clock, Hex } from '@openledger/primitives'
import {
  BaseFee,
  type BlockContext,
  Bloom,
  bytesToHex,
  type Crypto,
  type Evm,
  Header,
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
import {
  CODES,
  runCall,
  type SimulatedCall,
  SimulationError,
  type SimulationRules,
  senderOf,
  toTransaction,
} from './SimulatedCall.ts'

/** Blocks to be tried, under the names of `eth_simulateV1`. @see execution-apis, eth_simulateV1. */
export type SimulationRequest = SimulationRules & {
  readonly blocks: readonly {
    readonly blockOverrides?: BlockOverride
    readonly stateOverrides?: StateOverride
    readonly calls: readonly CallRequest[]
  }[]
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
const TIME_MAX_MS = 10_000
const GAS_MAX = 50_000_000n
/** What geth puts between two blocks whose times nobody gave. */
const BLOCK_SECONDS = 12n
const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`

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
    const asked = call.gas ?? room
    const gas = asked < gasLeft ? asked : gasLeft
    const transaction = toTransaction({ ...call, gas }, journal, running.chainId)
    if (transaction.gas > room) {
      throw new SimulationError(
        CODES.blockGasLimit,
        `block gas limit reached: remaining: ${room}, required: ${transaction.gas}`,
      )
    }
    const sender = senderOf(call)
    const result = await runCall(
      transaction,
      sender,
      journal,
      { ...context, movedPrecompiles: moved },
      evm,
      request,
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
