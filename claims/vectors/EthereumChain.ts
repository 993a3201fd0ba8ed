import { createHash } from 'node:crypto'
import { openChainStore } from '@openledger/node/engine/ChainStore'
import { openPages } from '@openledger/node/engine/Head'
import type { Hex } from '@openledger/primitives'
import {
  Bloom,
  beginBlock,
  bytesToHex,
  type Crypto,
  createEvm,
  createGenesisBlock,
  createStateTrie,
  type Evm,
  type ExecutedTransaction,
  type ForkRules,
  type Genesis,
  Header,
  hexToBytes,
  type JournaledState,
  Receipt,
  Rlp,
  receiptOf,
  type Schedule,
  type StateTrie,
  scheduleOf,
  sumAfter,
  Trie,
  toExecutable,
  type WorldState,
} from '@openledger/rollup'

const WEI_PER_GWEI = 1_000_000_000n
const ETHER = 10n ** 18n
const SYSTEM_ADDRESS: Hex = '0xfffffffffffffffffffffffffffffffffffffffe'
/** EIP-7002's and EIP-7251's contracts, asked after a block for what its transactions requested. */
const REQUESTS: readonly (readonly [type: number, address: Hex])[] = [
  [1, '0x00000961ef480eb55e80d19ad83579a64c007002'],
  [2, '0x0000bbddc7ce488642fb579f8b00f3a590007251'],
]
const SYSTEM_CALL_GAS = 30_000_000n

/** Splits an RLP stream of blocks. */
function* blocksOf(stream: Uint8Array): Iterable<Uint8Array> {
  for (let at = 0; at < stream.length; ) {
    const prefix = stream[at]!
    const digits = Math.max(0, prefix - 0xf7)
    let length = digits === 0 ? prefix - 0xc0 : 0
    for (let i = 1; i <= digits; i++) length = length * 256 + stream[at + i]!
    const end = at + 1 + digits + length
    yield stream.subarray(at, end)
    at = end
  }
}

/** What Ethereum pays a miner for a block, in wei; nothing since its merge. */
function rewardOf({ evm }: ForkRules): bigint {
  if (['homestead', 'tangerineWhistle', 'spuriousDragon'].includes(evm)) return 5n * ETHER
  return evm === 'byzantium' ? 3n * ETHER : 2n * ETHER
}

/** A block that others stand on. */
export type ParentBlock = { readonly header: Header.Header; readonly hash: Hex; readonly state: WorldState }

/** What a block of Ethereum is executed with. */
export type EthereumEnvironment = {
  readonly evm: Evm
  readonly crypto: Crypto
  readonly trie: StateTrie
  readonly chainId: number
  readonly schedule: Schedule
  readonly code: (codeHash: Hex) => Uint8Array
  readonly blockHash: (number: bigint) => Hex | undefined
}

/** Reads the header of an encoded block. */
export const headerOf = (encoded: Uint8Array): Header.Header =>
  Header.decode(Rlp.encode(Rlp.list(Rlp.decode(encoded), 'a block')[0] as Rlp.RlpInput))

/**
 * Executes a block of Ethereum itself by the rollup's own execution and holds it to its header: state, transactions,
 * receipts and withdrawals by their roots, and bloom, gas, base fee and requests.
 *
 * Only what an L2 never has is done here: rewards, ommers, withdrawals, requests, and state roots in receipts.
 *
 * @throws {Error} when the header says something else, or a transaction may not stand there.
 */
export async function executeEthereumBlock(
  encoded: Uint8Array,
  parent: ParentBlock,
  { evm, crypto, trie, chainId, schedule, code, blockHash }: EthereumEnvironment,
) {
  const [headerItem, body, ommerItems, withdrawalItems] = Rlp.list(Rlp.decode(encoded), 'a block')
  const headerBytes = Rlp.encode(headerItem as Rlp.RlpInput)
  const header = Header.decode(headerBytes)
  const rules = schedule(header)
  if (rules.hasShanghai !== (withdrawalItems !== undefined))
    throw new Error(`block ${header.number}: expected withdrawals from Shanghai on, and only then`)
  const ommers = Rlp.list(ommerItems, 'ommers')
  const withdrawals = withdrawalItems === undefined ? [] : Rlp.list(withdrawalItems, 'withdrawals')
  let journal: JournaledState | undefined
  const block = beginBlock(
    parent,
    parent.state,
    {
      timestamp: header.timestamp,
      prevRandao: Header.randomness(header),
      feeRecipient: header.miner,
      parentBeaconBlockRoot: header.parentBeaconBlockRoot,
      gasLimit: header.gasLimit,
      eip1559Params: '0x0000000000000000',
    },
    {
      evm,
      crypto,
      trie,
      chainId: BigInt(chainId),
      schedule,
      optimism: undefined,
      code,
      blockHash,
      observe(state) {
        journal = state
        return state
      },
    },
  )
  const executed: { readonly item: ExecutedTransaction; readonly receipt: Receipt.Receipt }[] = []
  for (const transaction of Rlp.list(body, 'transactions')) {
    const raw = transaction instanceof Uint8Array ? transaction : Rlp.encode(transaction as Rlp.RlpInput)
    const item = await block.execute(toExecutable(raw, crypto))
    const hasRoot = ['homestead', 'tangerineWhistle', 'spuriousDragon'].includes(rules.evm)
    const root = hasRoot ? { root: trie.root(trie.apply(parent.state, journal!.changes()).state) } : undefined
    executed.push({ item, receipt: { ...receiptOf(item), ...root } })
  }
  const requestsHash = rules.hasPrague ? await askForRequests(evm, journal!, block.context) : undefined
  payOut(journal!, header, rules, ommers, withdrawals)
  const applied = trie.apply(parent.state, journal!.changes())
  const logsBloom = Bloom.create()
  const receipts = executed.map(({ receipt }) => {
    const bloom = Receipt.bloomOf(receipt.logs, crypto)
    Bloom.merge(logsBloom, bloom)
    return Receipt.encode(receipt, bloom)
  })
  const raws = executed.map(({ item }) => item.raw)
  const encodedWithdrawals = withdrawals.map((item) => Rlp.encode(item as Rlp.RlpInput))
  const found = {
    number: block.context.number,
    stateRoot: trie.root(applied.state),
    transactionsRoot: bytesToHex(Trie.listRoot(raws, crypto)),
    receiptsRoot: bytesToHex(Trie.listRoot(receipts, crypto)),
    logsBloom: bytesToHex(logsBloom),
    gasUsed: executed.at(-1)?.item.cumulativeGasUsed ?? 0n,
    baseFeePerGas: block.context.baseFeePerGas,
    parentHash: parent.hash,
    ...(rules.hasShanghai ? { withdrawalsRoot: bytesToHex(Trie.listRoot(encodedWithdrawals, crypto)) } : {}),
    ...(requestsHash === undefined ? {} : { requestsHash }),
  }
  for (const [field, value] of Object.entries(found)) {
    const expected = header[field as keyof typeof found]
    if (expected !== value) {
      throw new Error(`block ${header.number}: expected ${field} ${expected}, got ${value}`)
    }
  }
  return {
    header,
    headerBytes,
    hash: bytesToHex(crypto.keccak256(headerBytes)),
    state: applied.state,
    changes: applied.changes,
    codes: journal!.newCodes(),
    transactions: executed.map(({ item }) => item),
    receipts: executed.map(({ receipt }) => receipt),
    ommers,
    withdrawals,
  }
}

/**
 * Imports a chain of Ethereum itself into an engine's directory, each block as {@link executeEthereumBlock} does.
 *
 * @returns how many blocks were imported, and the hash of the last.
 * @throws {Error} at the first block whose header says something else.
 */
export async function importEthereumChain(
  directory: string,
  genesis: Genesis,
  stream: Uint8Array,
  crypto: Crypto,
): Promise<{ count: number; hash: Hex }> {
  const trie = createStateTrie(crypto)
  const store = openChainStore(directory)
  const pages = openPages(store, trie, crypto)
  const first = createGenesisBlock(genesis, trie, crypto)
  store.append(
    {
      number: 0n,
      hash: first.hash,
      header: Header.encode(first.header),
      transactions: [],
      receipts: [],
      l1Parameters: undefined,
    },
    first.changes,
    first.codes,
    { rows: pages.changes(first.state, 0n).rows, total: sumAfter(0n, first.changes) },
  )
  let total = store.total()
  const hashes: Hex[] = [first.hash]
  const { chainId } = genesis.config
  const environment: EthereumEnvironment = {
    evm: await createEvm({ chainId, crypto }),
    crypto,
    trie,
    chainId,
    schedule: scheduleOf(genesis.config),
    code: (codeHash) => store.code(codeHash) ?? new Uint8Array(),
    blockHash: (number) => hashes[Number(number)],
  }
  let parent: ParentBlock = { ...first, state: pages.open(first.header.stateRoot, 0n) }
  for (const encoded of blocksOf(stream)) {
    const block = await executeEthereumBlock(encoded, parent, environment)
    const { header, hash } = block
    const written = pages.changes(block.state, header.number)
    total = sumAfter(total, block.changes)
    store.append(
      {
        number: header.number,
        hash,
        header: block.headerBytes,
        transactions: block.transactions,
        receipts: block.receipts,
        ommers: block.ommers,
        withdrawals: block.withdrawals,
        l1Parameters: undefined,
      },
      block.changes,
      block.codes,
      { rows: written.rows, total },
    )
    hashes.push(hash)
    parent = { header, hash, state: written.settle() }
  }
  for (const name of ['safe', 'finalized'] as const) store.setMark(name, parent.header.number)
  store.close()
  return { count: hashes.length - 1, hash: parent.hash }
}

/** Pays miners until the merge and validators after it. */
function payOut(
  journal: JournaledState,
  header: Header.Header,
  rules: ForkRules,
  ommers: readonly Rlp.RlpItem[],
  withdrawals: readonly Rlp.RlpItem[],
): void {
  if (header.difficulty > 0n) {
    const reward = rewardOf(rules)
    journal.addBalance(header.miner, reward + (reward / 32n) * BigInt(ommers.length))
    for (const item of ommers) {
      const ommer = Header.decode(Rlp.encode(item as Rlp.RlpInput))
      journal.addBalance(ommer.miner, (reward * (8n + ommer.number - header.number)) / 8n)
    }
  }
  for (const item of withdrawals) {
    const [, , address, gwei] = Rlp.list(item, 'a withdrawal', 4)
    journal.addBalance(
      bytesToHex(Rlp.bytes(address, 'address', 20)),
      Rlp.uint64(gwei, 'amount') * WEI_PER_GWEI,
    )
  }
}

/** @returns the hash of what EIP-7002's and EIP-7251's contracts answer. @see EIP-7685. */
async function askForRequests(
  evm: Evm,
  journal: JournaledState,
  context: Parameters<Evm['run']>[1],
): Promise<Hex> {
  const digest = createHash('sha256')
  for (const [type, to] of REQUESTS) {
    journal.beginTransaction()
    const { returnData } = await evm.run(journal, context, {
      from: SYSTEM_ADDRESS,
      to,
      data: hexToBytes('0x'),
      value: 0n,
      gas: SYSTEM_CALL_GAS,
      gasPrice: 0n,
      accessList: [],
      warm: [],
    })
    if (returnData.length === 0) continue
    digest.update(createHash('sha256').update(Uint8Array.of(type)).update(returnData).digest())
  }
  return `0x${digest.digest('hex')}`
}
