import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import * as Rlp from './Rlp.ts'
import * as Transaction from './Transaction.ts'

/**
 * Consecutive L2 blocks in columns, which compress better than blocks one by one.
 * @see OP specs, Delta, "Span Batches".
 */
export type SpanBatch = {
  /** Seconds from the L2's genesis to the first block. */
  readonly relativeTimestamp: bigint
  /** Number of the last block's L1 origin. */
  readonly l1OriginNumber: bigint
  /** First 20 bytes of the first block's parent hash. */
  readonly parentCheck: Hex
  /** First 20 bytes of the last block's L1 origin hash. */
  readonly l1OriginCheck: Hex
  readonly blocks: readonly {
    /** True when the L1 origin is the one after the previous block's. */
    readonly isOriginAdvanced: boolean
    /** Encoded transactions, without deposits. */
    readonly transactions: readonly Uint8Array[]
  }[]
}

/** The most blocks, and the most transactions, of one span. @see OP specs, Fjord, "MAX_SPAN_BATCH_ELEMENT_COUNT". */
export const ELEMENTS_MAX = 10_000_000

/**
 * Joins consecutive blocks to a span.
 *
 * @param blocks - Consecutive; each with its L1 origin.
 * @param parentOriginNumber - L1 origin of the block before the first.
 * @param genesisTimestamp - Of the L2, in seconds.
 */
export function fromBlocks(
  blocks: readonly {
    readonly parentHash: Hex
    readonly timestamp: bigint
    readonly epochNumber: bigint
    readonly epochHash: Hex
    readonly transactions: readonly Uint8Array[]
  }[],
  parentOriginNumber: bigint,
  genesisTimestamp: bigint,
): SpanBatch {
  const first = blocks[0]
  const last = blocks.at(-1)
  if (first === undefined || last === undefined) throw new MalformedSpanError('at least one block', 'none')
  let origin = parentOriginNumber
  return {
    relativeTimestamp: first.timestamp - genesisTimestamp,
    l1OriginNumber: last.epochNumber,
    parentCheck: first.parentHash.slice(0, 42) as Hex,
    l1OriginCheck: last.epochHash.slice(0, 42) as Hex,
    blocks: blocks.map(({ epochNumber, transactions }) => {
      const isOriginAdvanced = epochNumber !== origin
      origin = epochNumber
      return { isOriginAdvanced, transactions }
    }),
  }
}

/** Encodes a span without its version byte. */
export function encode(span: SpanBatch): Uint8Array {
  const transactions = span.blocks.flatMap((block) =>
    block.transactions.map((raw) => {
      const transaction = Transaction.decode(raw)
      if (transaction.type === 0x7e) throw new MalformedSpanError('no deposits', 'one')
      return transaction
    }),
  )
  const legacy = transactions.filter((transaction) => transaction.type === 0)
  return Bytes.concat(
    uvarint(span.relativeTimestamp),
    uvarint(span.l1OriginNumber),
    hexToBytes(span.parentCheck),
    hexToBytes(span.l1OriginCheck),
    uvarint(BigInt(span.blocks.length)),
    bits(span.blocks.map((block) => block.isOriginAdvanced)),
    column(span.blocks.map((block) => uvarint(BigInt(block.transactions.length)))),
    bits(transactions.map((transaction) => transaction.to === null)),
    bits(transactions.map((transaction) => transaction.yParity === 1)),
    column(transactions.map(({ r, s }) => Bytes.concat(Bytes.fromUint(r, 32), Bytes.fromUint(s, 32)))),
    column(transactions.flatMap(({ to }) => (to === null ? [] : [hexToBytes(to)]))),
    column(transactions.map(encodeData)),
    column(transactions.map((transaction) => uvarint(transaction.nonce))),
    column(transactions.map((transaction) => uvarint(transaction.gas))),
    bits(legacy.map((transaction) => transaction.chainId !== undefined)),
  )
}

/**
 * Decodes a span without its version byte; what follows it is not looked at, as in op-node.
 *
 * The columns are read first, then the transactions put together. That decides what a fault costs: columns that cannot be
 * read end the channel, a transaction that cannot be put together costs its span alone.
 *
 * @param chainId - Given back to every transaction that is bound to a chain.
 * @throws {MalformedSpanError | MalformedRlpError} of columns.
 * @throws {UnreadableTransactionError}
 */
export function decode(bytes: Uint8Array, chainId: bigint): SpanBatch {
  const reader = createReader(bytes)
  const relativeTimestamp = reader.uvarint()
  const l1OriginNumber = reader.uvarint()
  const parentCheck = bytesToHex(reader.take(20))
  const l1OriginCheck = bytesToHex(reader.take(20))
  const blockCount = reader.count('blocks')
  if (blockCount === 0) throw new MalformedSpanError('at least one block', 'none')
  const advanced = reader.bits(blockCount)
  const counts = Array.from({ length: blockCount }, () => reader.count('transactions'))
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total > ELEMENTS_MAX) throw new MalformedSpanError(`at most ${ELEMENTS_MAX} transactions`, `${total}`)
  const transactions = decodeTransactions(reader, total, chainId)
  let at = 0
  return {
    relativeTimestamp,
    l1OriginNumber,
    parentCheck,
    l1OriginCheck,
    blocks: counts.map((count, i) => {
      at += count
      return { isOriginAdvanced: advanced[i]!, transactions: transactions.slice(at - count, at) }
    }),
  }
}

function decodeTransactions(reader: Reader, total: number, chainId: bigint): Uint8Array[] {
  const creations = reader.bits(total)
  const parities = reader.bits(total)
  const signatures = Array.from({ length: total }, () => ({
    r: Bytes.toUint(reader.take(32)),
    s: Bytes.toUint(reader.take(32)),
  }))
  const targets = creations.map((isCreation) => (isCreation ? null : bytesToHex(reader.take(20))))
  const typed = Array.from({ length: total }, () => reader.typedList())
  const nonces = typed.map(() => reader.uvarint())
  const gases = typed.map(() => reader.uvarint())
  const protections = reader.bits(typed.filter(({ type }) => type === 0).length)
  let legacy = 0
  return typed.map((body, i) => {
    const isProtected = body.type !== 0 || protections[legacy++]!
    if (body.type === POST_EXEC_TYPE) return Bytes.concat(Uint8Array.of(POST_EXEC_TYPE), body.raw)
    const common = {
      nonce: nonces[i]!,
      gas: gases[i]!,
      to: targets[i]!,
      yParity: parities[i]! ? (1 as const) : (0 as const),
      ...signatures[i]!,
    }
    const transaction = { ...decodeData(body), ...common, chainId: isProtected ? chainId : undefined }
    if (transaction.type === 4 && transaction.to === null) {
      throw new UnreadableTransactionError('a target, which EIP-7702 demands')
    }
    return Transaction.encode(transaction as Transaction.SignedTransaction)
  })
}

/** Passed on as it is, and judged by the rules of batches. @see op-node `span_batch_txs.go` */
const POST_EXEC_TYPE = 0x7d

/** What is left of a transaction when the columns are taken out. */
function encodeData(transaction: Transaction.SignedTransaction): Uint8Array {
  const { type, value, data } = transaction
  if (type === 0) return Rlp.encode([value, transaction.gasPrice, data])
  const accessList = transaction.accessList.map(({ address, storageKeys }) => [
    hexToBytes(address),
    storageKeys.map((key) => hexToBytes(key)),
  ])
  const fields: Rlp.RlpInput[] =
    type === 1
      ? [value, transaction.gasPrice, data, accessList]
      : [value, transaction.maxPriorityFeePerGas, transaction.maxFeePerGas, data, accessList]
  if (type === 4) {
    fields.push(
      transaction.authorizationList.map((entry) => [
        entry.chainId,
        hexToBytes(entry.address),
        entry.nonce,
        entry.yParity,
        entry.r,
        entry.s,
      ]),
    )
  }
  return Bytes.concat(Uint8Array.of(type), Rlp.encode(fields))
}

type Body = Partial<Transaction.SignedTransaction> &
  Pick<Transaction.SignedTransaction, 'type' | 'value' | 'data'>
/** What the column of data holds for one transaction. `isMarked`: its type stands before it. */
type TypedList = { readonly type: number; readonly isMarked: boolean; readonly raw: Uint8Array }

/** @throws {UnreadableTransactionError} */
function decodeData(body: TypedList): Body {
  try {
    return decodeFields(body)
  } catch (error) {
    if (!(error instanceof Rlp.MalformedRlpError || error instanceof Transaction.MalformedTransactionError))
      throw error
    throw new UnreadableTransactionError(error.message, error)
  }
}

/** Numbers of any size, as op-node reads them: a block that cannot hold them is reduced to its deposits. */
function decodeFields({ type, isMarked, raw }: TypedList): Body {
  const item = Rlp.decode(raw)
  const { unboundedUint } = Rlp
  if (type === 0 && !isMarked) {
    const [value, gasPrice, data] = Rlp.list(item, 'legacy data', 3)
    return {
      type,
      value: unboundedUint(value, 'value'),
      gasPrice: unboundedUint(gasPrice, 'gasPrice'),
      data: Rlp.bytes(data, 'data'),
    }
  }
  if (type === 1) {
    const [value, gasPrice, data, accessList] = Rlp.list(item, 'access-list data', 4)
    return {
      type,
      value: unboundedUint(value, 'value'),
      gasPrice: unboundedUint(gasPrice, 'gasPrice'),
      data: Rlp.bytes(data, 'data'),
      accessList: Transaction.decodeAccessListItems(accessList),
    }
  }
  if (type !== 2 && type !== 4) throw new UnreadableTransactionError(`type 0, 1, 2 or 4, got ${type}`)
  const fields = Rlp.list(item, 'dynamic-fee data', type === 2 ? 5 : 6)
  const number = type === 2 ? unboundedUint : Rlp.uint
  const dynamic = {
    value: number(fields[0], 'value'),
    maxPriorityFeePerGas: number(fields[1], 'maxPriorityFeePerGas'),
    maxFeePerGas: number(fields[2], 'maxFeePerGas'),
    data: Rlp.bytes(fields[3], 'data'),
    accessList: Transaction.decodeAccessListItems(fields[4]),
  }
  if (type === 2) return { type, ...dynamic }
  return { type, ...dynamic, authorizationList: Transaction.decodeAuthorizations(fields[5]) }
}

type Reader = ReturnType<typeof createReader>

function createReader(bytes: Uint8Array) {
  let at = 0
  const take = (count: number): Uint8Array => {
    if (at + count > bytes.length) throw new MalformedSpanError(`${count} more bytes`, `${bytes.length - at}`)
    at += count
    return bytes.subarray(at - count, at)
  }
  const readUvarint = (): bigint => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = take(1)[0]!
      value |= BigInt(byte & 127) << shift
      if (byte < 128) {
        if (value >> 64n !== 0n) break
        return value
      }
    }
    throw new MalformedSpanError('varints of at most 64 bits', 'a longer one')
  }
  return {
    take,
    uvarint: readUvarint,
    count(what: string): number {
      const value = readUvarint()
      if (value > BigInt(ELEMENTS_MAX))
        throw new MalformedSpanError(`at most ${ELEMENTS_MAX} ${what}`, `${value}`)
      return Number(value)
    },
    /** A list that its transaction's type may stand before. */
    typedList(): TypedList {
      const isMarked = (bytes[at] ?? 0x80) < 0x80
      const type = isMarked ? take(1)[0]! : 0
      const { raw, rest } = Rlp.takeList(bytes.subarray(at))
      if (raw.length > ELEMENTS_MAX) {
        throw new MalformedSpanError(`at most ${ELEMENTS_MAX} bytes of a transaction`, `${raw.length}`)
      }
      at = bytes.length - rest.length
      return { type, isMarked, raw }
    },
    /** A big-endian integer of whole bytes whose bit i belongs to element i. */
    bits(count: number): boolean[] {
      const field = take(Math.ceil(count / 8))
      if (count % 8 !== 0 && field[0]! >> (count % 8) !== 0) {
        throw new MalformedSpanError(`bit lists of ${count} bits`, 'a bit beyond')
      }
      return Array.from(
        { length: count },
        (_, i) => ((field[field.length - 1 - (i >> 3)]! >> (i & 7)) & 1) === 1,
      )
    },
  }
}

/** Joins any number of parts; passing a hundred thousand as arguments would overflow the stack. */
function column(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

function bits(values: readonly boolean[]): Uint8Array {
  const field = new Uint8Array(Math.ceil(values.length / 8))
  for (const [i, value] of values.entries()) if (value) field[field.length - 1 - (i >> 3)]! |= 1 << (i & 7)
  return field
}

function uvarint(value: bigint): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  bytes.push(Number(rest))
  return Uint8Array.from(bytes)
}

export class MalformedSpanError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'batch.malformed_span',
      message: `Expected a span batch with ${expected}, got ${got}.`,
      context: { expected, got },
    })
  }
}

export class UnreadableTransactionError extends BaseError {
  constructor(expected: string, cause?: unknown) {
    super({
      code: 'batch.unreadable_transaction',
      message: `Expected a transaction of a span batch with ${expected}.`,
      context: { expected },
      cause,
    })
  }
}
