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
 * Decodes a span without its version byte.
 * @param chainId - Given back to every transaction that is bound to a chain.
 * @throws {MalformedSpanError | MalformedRlpError}
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
  if (reader.left() > 0) throw new MalformedSpanError('nothing after the span', `${reader.left()} bytes`)
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
  const bodies = Array.from({ length: total }, () => decodeData(reader))
  const nonces = bodies.map(() => reader.uvarint())
  const gases = bodies.map(() => reader.uvarint())
  const legacyCount = bodies.filter((body) => body.type === 0).length
  const protections = reader.bits(legacyCount)
  let legacy = 0
  return bodies.map((body, i) => {
    const common = {
      nonce: nonces[i]!,
      gas: gases[i]!,
      to: targets[i]!,
      yParity: parities[i]! ? (1 as const) : (0 as const),
      ...signatures[i]!,
    }
    const bound = body.type !== 0 || protections[legacy++]! ? chainId : undefined
    return Transaction.encode({ ...body, ...common, chainId: bound } as Transaction.SignedTransaction)
  })
}

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

function decodeData(reader: Reader): Body {
  const first = reader.peek()
  if (first >= 0xc0) {
    const [value, gasPrice, data] = Rlp.list(reader.rlp(), 'legacy data', 3)
    return {
      type: 0,
      value: Rlp.uint(value, 'value'),
      gasPrice: Rlp.uint(gasPrice, 'gasPrice'),
      data: Rlp.bytes(data, 'data'),
    }
  }
  reader.take(1)
  if (first === 1) {
    const [value, gasPrice, data, accessList] = Rlp.list(reader.rlp(), 'access-list data', 4)
    return {
      type: 1,
      value: Rlp.uint(value, 'value'),
      gasPrice: Rlp.uint(gasPrice, 'gasPrice'),
      data: Rlp.bytes(data, 'data'),
      accessList: Transaction.decodeAccessListItems(accessList),
    }
  }
  if (first !== 2 && first !== 4)
    throw new MalformedSpanError('transactions of type 0, 1, 2 or 4', `${first}`)
  const fields = Rlp.list(reader.rlp(), 'dynamic-fee data', first === 2 ? 5 : 6)
  const dynamic = {
    value: Rlp.uint(fields[0], 'value'),
    maxPriorityFeePerGas: Rlp.uint(fields[1], 'maxPriorityFeePerGas'),
    maxFeePerGas: Rlp.uint(fields[2], 'maxFeePerGas'),
    data: Rlp.bytes(fields[3], 'data'),
    accessList: Transaction.decodeAccessListItems(fields[4]),
  }
  if (first === 2) return { type: 2, ...dynamic }
  return { type: 4, ...dynamic, authorizationList: Transaction.decodeAuthorizations(fields[5]) }
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
    left: () => bytes.length - at,
    peek: () => {
      if (at >= bytes.length) throw new MalformedSpanError('one more byte', 'none')
      return bytes[at]!
    },
    count(what: string): number {
      const value = readUvarint()
      if (value > BigInt(ELEMENTS_MAX))
        throw new MalformedSpanError(`at most ${ELEMENTS_MAX} ${what}`, `${value}`)
      return Number(value)
    },
    rlp(): Rlp.RlpItem {
      const { item, rest } = Rlp.decodeFirst(bytes.subarray(at))
      at = bytes.length - rest.length
      return item
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
