import { BaseError, type Hex } from '@openledger/primitives'
import { bytesToHex, type Crypto, Header, L1Cost, Receipt, Rlp, Transaction } from '@openledger/rollup'
import type { ChainStore } from './ChainStore.ts'
import type { BlockRecord, LogRecord, ReceiptRecord, TransactionRecord, WithdrawalRecord } from './Engine.ts'
import type { StoredBlock } from './StoredBlock.ts'

/** A block with everything that questions about it need. */
export type BlockView = {
  readonly record: BlockRecord
  readonly header: Header.Header
  readonly receipts: readonly ReceiptRecord[]
}

type Place = {
  readonly blockHash: Hex
  readonly blockNumber: bigint
  readonly blockTimestamp: bigint
  readonly index: number
  readonly baseFeePerGas: bigint
}

/** Describes a transaction as JSON-RPC does, with bigints. @param place - `undefined` while it is pending. */
export function transactionRecord(
  transaction: Transaction.Transaction,
  known: { readonly hash: Hex; readonly sender: Hex; readonly raw: Uint8Array },
  place: Place | undefined,
  depositNonce: bigint | undefined,
): TransactionRecord {
  const common = {
    hash: known.hash,
    type: transaction.type,
    from: known.sender,
    to: transaction.to,
    gas: transaction.gas,
    value: transaction.value,
    input: bytesToHex(transaction.data),
    raw: known.raw,
    blockHash: place?.blockHash ?? null,
    blockNumber: place?.blockNumber ?? null,
    transactionIndex: place?.index ?? null,
    blockTimestamp: place?.blockTimestamp ?? null,
  }
  if (transaction.type === 0x7e) {
    return {
      ...common,
      nonce: depositNonce ?? 0n,
      gasPrice: 0n,
      sourceHash: transaction.sourceHash,
      mint: transaction.mint,
      isSystemTx: transaction.isSystemTx,
      ...(depositNonce === undefined ? {} : { depositReceiptVersion: 1n }),
    }
  }
  const { nonce, r, s, yParity, chainId } = transaction
  const signature = { nonce, r, s }
  if (transaction.type === 0) {
    const v = chainId === undefined ? 27n + BigInt(yParity) : 35n + 2n * chainId + BigInt(yParity)
    return {
      ...common,
      ...signature,
      v,
      gasPrice: transaction.gasPrice,
      ...(chainId === undefined ? {} : { chainId }),
    }
  }
  const typed = {
    ...common,
    ...signature,
    v: BigInt(yParity),
    yParity,
    chainId: transaction.chainId,
    accessList: transaction.accessList,
  }
  if (transaction.type === 1) return { ...typed, gasPrice: transaction.gasPrice }
  const price =
    place === undefined
      ? transaction.maxFeePerGas
      : Transaction.effectiveGasPrice(transaction, place.baseFeePerGas)
  const dynamic = {
    ...typed,
    gasPrice: price,
    maxFeePerGas: transaction.maxFeePerGas,
    maxPriorityFeePerGas: transaction.maxPriorityFeePerGas,
  }
  if (transaction.type === 2) return dynamic
  if (transaction.type === 3) {
    const { maxFeePerBlobGas, blobVersionedHashes } = transaction
    return { ...dynamic, maxFeePerBlobGas, blobVersionedHashes }
  }
  return {
    ...dynamic,
    authorizationList: transaction.authorizationList.map((entry) => ({
      ...entry,
      yParity: entry.yParity === 0 ? 0 : 1,
    })),
  }
}

/**
 * Shows a stored block as records; transactions and receipts are read when they are asked for, since most blocks that
 * are built are only asked for their head.
 */
export function blockView(stored: StoredBlock, crypto: Crypto): BlockView {
  const header = Header.decode(stored.header)
  const decoded = lazily(() => stored.transactions.map(({ raw }) => Transaction.decode(raw)))
  const hashes = lazily(() => stored.transactions.map(({ raw }) => Transaction.hash(raw, crypto)))
  const transactions = lazily(() =>
    stored.transactions.map(({ raw, sender }, index) =>
      transactionRecord(
        decoded()[index]!,
        { hash: hashes()[index]!, sender, raw },
        {
          blockHash: stored.hash,
          blockNumber: stored.number,
          blockTimestamp: header.timestamp,
          index,
          baseFeePerGas: header.baseFeePerGas,
        },
        // a deposit's nonce is told by its receipt alone
        stored.receipts[index]?.depositNonce,
      ),
    ),
  )
  const size = lazily(() => blockSize(stored))
  const { ommers = [], withdrawals = [] } = stored
  const receipts = lazily(() => receiptRecords(stored, header, decoded(), hashes(), crypto))
  return {
    header,
    record: {
      ...header,
      hash: stored.hash,
      uncles: ommers.map((ommer) => bytesToHex(crypto.keccak256(Rlp.encode(ommer)))),
      withdrawals: withdrawals.map(withdrawalRecord),
      get size() {
        return size()
      },
      get transactions() {
        return transactions()
      },
    },
    get receipts() {
      return receipts()
    },
  }
}

function lazily<T>(compute: () => T): () => T {
  let known: { readonly value: T } | undefined
  return () => {
    known ??= { value: compute() }
    return known.value
  }
}

function receiptRecords(
  stored: StoredBlock,
  header: Header.Header,
  transactions: readonly Transaction.Transaction[],
  hashes: readonly Hex[],
  crypto: Crypto,
): ReceiptRecord[] {
  if (stored.receipts.length < stored.transactions.length) throw new PrunedReceiptsError(stored.number)
  let previousGasUsed = 0n
  let logIndex = 0
  return stored.transactions.map(({ raw, sender }, index) => {
    const transaction = transactions[index]!
    const transactionHash = hashes[index]!
    const receipt = stored.receipts[index]!
    const logs = receipt.logs.map(
      (log, i): LogRecord => ({
        ...log,
        blockNumber: stored.number,
        blockHash: stored.hash,
        blockTimestamp: header.timestamp,
        transactionHash,
        transactionIndex: index,
        logIndex: logIndex + i,
        removed: false,
      }),
    )
    const gasUsed = receipt.cumulativeGasUsed - previousGasUsed
    logIndex += logs.length
    previousGasUsed = receipt.cumulativeGasUsed
    return {
      transactionHash,
      transactionIndex: index,
      blockHash: stored.hash,
      blockNumber: stored.number,
      type: transaction.type,
      status: receipt.status,
      ...(receipt.root === undefined ? {} : { root: receipt.root }),
      from: sender,
      to: transaction.to,
      contractAddress: transaction.to === null ? createdBy(transaction, sender, receipt, crypto) : null,
      gasUsed,
      cumulativeGasUsed: receipt.cumulativeGasUsed,
      effectiveGasPrice: Transaction.effectiveGasPrice(transaction, header.baseFeePerGas),
      logs,
      logsBloom: bytesToHex(Receipt.bloomOf(receipt.logs, crypto)),
      ...opFields(transaction, raw, receipt, stored),
    }
  })
}

function createdBy(
  transaction: Transaction.Transaction,
  sender: Hex,
  receipt: Receipt.Receipt,
  crypto: Crypto,
): Hex {
  const nonce = transaction.type === 0x7e ? (receipt.depositNonce ?? 0n) : transaction.nonce
  return Transaction.creationAddress(sender, nonce, crypto)
}

function opFields(
  transaction: Transaction.Transaction,
  raw: Uint8Array,
  receipt: Receipt.Receipt,
  { l1Parameters }: StoredBlock,
): Partial<ReceiptRecord> {
  if (transaction.type === 0x7e) {
    return {
      ...(receipt.depositNonce === undefined ? {} : { depositNonce: receipt.depositNonce }),
      ...(receipt.depositReceiptVersion === undefined
        ? {}
        : { depositReceiptVersion: receipt.depositReceiptVersion }),
    }
  }
  if (l1Parameters === undefined) {
    if (transaction.type !== 3) return {}
    return { blobGasUsed: BLOB_GAS * BigInt(transaction.blobVersionedHashes.length), blobGasPrice: 1n }
  }
  const { feeWei, gasUsed } = L1Cost.l1Cost(L1Cost.fastLzLength(raw), l1Parameters)
  const { daFootprintGasScalar } = l1Parameters
  const hasOperatorFee = l1Parameters.operatorFeeScalar !== 0n || l1Parameters.operatorFeeConstant !== 0n
  return {
    l1Fee: feeWei,
    l1GasUsed: gasUsed,
    l1GasPrice: l1Parameters.baseFee,
    l1BaseFeeScalar: l1Parameters.baseFeeScalar,
    l1BlobBaseFee: l1Parameters.blobBaseFee,
    l1BlobBaseFeeScalar: l1Parameters.blobBaseFeeScalar,
    ...(hasOperatorFee
      ? {
          operatorFeeScalar: l1Parameters.operatorFeeScalar,
          operatorFeeConstant: l1Parameters.operatorFeeConstant,
        }
      : {}),
    ...(daFootprintGasScalar === undefined
      ? {}
      : {
          daFootprintGasScalar,
          blobGasUsed: L1Cost.daFootprint(L1Cost.fastLzLength(raw), l1Parameters),
        }),
  }
}

const BLOB_GAS = 131_072n

function withdrawalRecord(item: Rlp.RlpItem): WithdrawalRecord {
  const [index, validatorIndex, address, amount] = Rlp.list(item, 'withdrawal', 4)
  return {
    index: Rlp.uint64(index, 'index'),
    validatorIndex: Rlp.uint64(validatorIndex, 'validatorIndex'),
    address: bytesToHex(Rlp.bytes(address, 'address', 20)),
    amount: Rlp.uint64(amount, 'amount'),
  }
}

/** Bytes of the RLP of header, transactions, uncles and withdrawals. */
const blockSize = (stored: StoredBlock): bigint => BigInt(encodeBlock(stored).length)

function encodeBlock({ header, transactions, ommers = [], withdrawals = [] }: StoredBlock): Uint8Array {
  const body = transactions.map(({ raw }) => (raw[0]! >= 0xc0 ? Rlp.decode(raw) : raw))
  const { era } = Header.decode(header)
  const hasWithdrawals = era !== 'frontier' && era !== 'london'
  return Rlp.encode([
    Rlp.decode(header),
    body,
    ommers,
    ...(hasWithdrawals ? [withdrawals] : []),
  ] as Rlp.RlpInput)
}

/**
 * Encodes a stored block and its receipts as the network knows them.
 * @throws {UnknownBlockError}
 */
export function rawBlock(number: bigint, store: ChainStore, crypto: Crypto) {
  const stored = store.block(number)
  if (stored === undefined) throw new UnknownBlockError(number)
  return {
    header: stored.header,
    block: encodeBlock(stored),
    receipts: stored.receipts.map((receipt) =>
      Receipt.encode(receipt, Receipt.bloomOf(receipt.logs, crypto)),
    ),
  }
}

/** Tells whether a log fits a filter. */
export function matchesLog(
  log: LogRecord,
  addresses: ReadonlySet<Hex> | undefined,
  topics: readonly (readonly Hex[] | null)[],
): boolean {
  if (addresses !== undefined && !addresses.has(log.address)) return false
  if (topics.length > log.topics.length) return false
  return topics.every((choice, i) => choice === null || includes(choice, log.topics[i]))
}

const includes = (choice: readonly Hex[], topic: Hex | undefined): boolean =>
  choice.length === 0 || (topic !== undefined && choice.includes(topic))

export class UnknownBlockError extends BaseError {
  constructor(number: bigint) {
    super({
      code: 'engine.unknown_block',
      message: `header not found: expected a block that exists, got number ${number}.`,
      context: { number: number.toString() },
    })
  }
}

export class PrunedReceiptsError extends BaseError {
  constructor(number: bigint) {
    super({
      code: 'engine.pruned_receipts',
      message: `Expected a block whose receipts and logs are kept here, got ${number}, whose were forgotten; eth_capabilities says from which on they are kept. Ask a node that keeps all of them (its receipts are set to archive).`,
      context: { number: number.toString() },
    })
  }
}
