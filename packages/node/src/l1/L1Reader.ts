import { BaseError } from '@openledger/primitives'
import {
  Bloom,
  bytesToHex,
  type Crypto,
  Header,
  hexToBytes,
  type L1Input,
  type L1Log,
  type L1Transaction,
  Rlp,
  Transaction,
  Trie,
} from '@openledger/rollup'
import { formatBlock, type Hex, hexToBigInt, hexToNumber, numberToHex, type RpcBlock } from 'viem'
import { BlobBaseFeeError, blobBaseFeeOf } from './BlobBaseFee.ts'
import type { L1 } from './L1.ts'
import { toL1Block } from './L1Blocks.ts'
import { parseTransaction, type RpcTransaction } from './L1Transactions.ts'

/** An L1 block as derivation takes it, before its blobs are fetched. */
export type L1Contents = Omit<L1Input, 'blobs'>

/** Reads L1 blocks for derivation. */
export type L1Reader = {
  /** The newest block that may be read: one that a crash of the development L1 cannot take back. */
  readonly head: () => Promise<bigint>
  /** The newest block that L1 calls final. */
  readonly finalized: () => Promise<bigint>
  readonly hashOf: (number: bigint) => Promise<Hex | undefined>
  /**
   * Reads a block: its transactions to the inbox, and its logs where they may concern the rollup.
   * @returns `undefined` when L1 has no such block.
   * @throws {L1ForgedError} when what the endpoint gives does not hash to what it says.
   */
  readonly read: (number: bigint) => Promise<L1Contents | undefined>
}

type RpcReceipt = {
  readonly type: Hex
  readonly status: Hex
  readonly cumulativeGasUsed: Hex
  readonly logsBloom: Hex
  readonly logs: readonly {
    readonly address: Hex
    readonly topics: readonly Hex[]
    readonly data: Hex
  }[]
}

export type L1ReaderOptions = {
  readonly l1: L1
  /** Where the batcher sends to. */
  readonly inbox: Hex
  readonly portal: Hex
  readonly systemConfig: Hex
  readonly crypto: Crypto
}

/** anvil. Its blocks' roots cover the blobs that travel beside a transaction, which is not Ethereum's rule. */
const DEVELOPMENT_CHAIN_ID = 31_337
const BLOB_TYPE = 3

/**
 * Creates a reader that believes the endpoint nothing it can check: header, transactions and receipts must hash to what
 * they claim, and the sender of a transaction to the inbox is who signed it.
 *
 * Believed is which of two sound blocks is the canonical one and, on an L1 whose forks are not known here, the price of
 * blob gas.
 */
export function createL1Reader({ l1, inbox, portal, systemConfig, crypto }: L1ReaderOptions): L1Reader {
  const { client } = l1
  const watched = [portal, systemConfig].map((address) => hexToBytes(address))

  const request = <T>(method: string, params: readonly unknown[]): Promise<T> =>
    client.request({ method, params } as never) as Promise<T>
  const blockAt = (number: bigint, isFull: boolean): Promise<RpcBlock | null> =>
    request('eth_getBlockByNumber', [numberToHex(number), isFull])

  function transactionsOf(block: RpcBlock): L1Transaction[] {
    const given = block.transactions as unknown as readonly RpcTransaction[]
    const transactions = given.map(parseTransaction)
    const isAnvilBlob =
      l1.chainId === DEVELOPMENT_CHAIN_ID && transactions.some(({ type }) => type === BLOB_TYPE)
    const root = bytesToHex(Trie.listRoot(transactions.map(Transaction.encode), crypto))
    if (root !== block.transactionsRoot && !isAnvilBlob) {
      throw new L1ForgedError('transactions', block.transactionsRoot, root)
    }
    return transactions
      .filter(({ to }) => to?.toLowerCase() === inbox.toLowerCase())
      .map((transaction): L1Transaction => {
        const { type, to, data } = transaction
        const from = Transaction.sender(transaction, crypto)
        const blobs = transaction.type === BLOB_TYPE ? { blobHashes: transaction.blobVersionedHashes } : {}
        return { type, from, to, input: data, ...blobs }
      })
  }

  async function logsOf(block: RpcBlock): Promise<L1Log[]> {
    const bloom = hexToBytes(block.logsBloom!)
    if (!watched.some((address) => Bloom.mayContain(bloom, address, crypto))) return []
    const receipts = await request<readonly RpcReceipt[]>('eth_getBlockReceipts', [block.number])
    const root = bytesToHex(Trie.listRoot(receipts.map(encodeReceipt), crypto))
    if (root !== block.receiptsRoot) throw new L1ForgedError('receipts', block.receiptsRoot, root)
    // a receipt's hash does not cover where its logs stand in the block
    return receipts
      .flatMap(({ logs }) => logs)
      .map(({ address, topics, data }, logIndex) => ({ address, topics, data, logIndex }))
  }

  return {
    async head() {
      const [latest, durable] = await Promise.all([
        client.getBlockNumber({ cacheTime: 0 }),
        l1.durableBlockNumber(),
      ])
      return latest < durable ? latest : durable
    },
    finalized: async () => (await client.getBlock({ blockTag: 'finalized' })).number,
    hashOf: async (number) => (await blockAt(number, false))?.hash ?? undefined,
    async read(number) {
      const raw = await blockAt(number, true)
      if (raw === null) return undefined
      const hash = Header.hash(toHeader(raw), crypto)
      if (hash !== raw.hash) throw new L1ForgedError('header', String(raw.hash), hash)
      const block = await toL1Block(client, formatBlock(raw))
      const { number: height, timestamp, blobBaseFee } = block
      const known = blobBaseFeeOf(l1.chainId, timestamp, hexToBigInt(raw.excessBlobGas ?? '0x0'))
      if (known !== undefined && known !== blobBaseFee) {
        throw new BlobBaseFeeError(height, known, blobBaseFee)
      }
      return {
        block,
        transactions: transactionsOf(raw),
        logs: await logsOf(raw),
      }
    },
  }
}

/** @see EIP-2718, EIP-658; the same on every L1 since Byzantium. */
function encodeReceipt({ type, status, cumulativeGasUsed, logsBloom, logs }: RpcReceipt): Uint8Array {
  const body = Rlp.encode([
    hexToBigInt(status),
    hexToBigInt(cumulativeGasUsed),
    hexToBytes(logsBloom),
    logs.map(({ address, topics, data }) => [
      hexToBytes(address),
      topics.map((topic) => hexToBytes(topic)),
      hexToBytes(data),
    ]),
  ])
  const number = hexToNumber(type)
  if (number === 0) return body
  const typed = new Uint8Array(body.length + 1)
  typed[0] = number
  typed.set(body, 1)
  return typed
}

function toHeader(block: RpcBlock): Header.Header {
  const uint = (value: Hex | null | undefined): bigint => (value ? hexToBigInt(value) : 0n)
  const { requestsHash } = block as { readonly requestsHash?: Hex }
  return {
    parentHash: block.parentHash,
    sha3Uncles: block.sha3Uncles,
    miner: block.miner,
    stateRoot: block.stateRoot,
    transactionsRoot: block.transactionsRoot,
    receiptsRoot: block.receiptsRoot,
    logsBloom: block.logsBloom!,
    difficulty: uint(block.difficulty),
    number: uint(block.number),
    gasLimit: uint(block.gasLimit),
    gasUsed: uint(block.gasUsed),
    timestamp: uint(block.timestamp),
    extraData: block.extraData,
    mixHash: block.mixHash,
    nonce: block.nonce!,
    baseFeePerGas: uint(block.baseFeePerGas),
    withdrawalsRoot: block.withdrawalsRoot ?? Header.EMPTY_ROOT,
    blobGasUsed: uint(block.blobGasUsed),
    excessBlobGas: uint(block.excessBlobGas),
    parentBeaconBlockRoot: block.parentBeaconBlockRoot ?? `0x${'00'.repeat(32)}`,
    ...(requestsHash ? { requestsHash } : {}),
  }
}

export class L1ForgedError extends BaseError {
  constructor(what: string, expected: string, got: string) {
    super({
      code: 'l1.forged',
      message: `Expected the ${what} of an L1 block to hash to ${expected}, they hash to ${got}: the endpoint errs or lies, or its L1 is newer than Prague and Osaka; use another.`,
      context: { what, expected, got },
      severity: 'retry',
    })
  }
}
