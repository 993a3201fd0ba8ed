import type { Hex } from '@openledger/primitives'
import {
  type AccountChange,
  type AccountFields,
  bytesToHex,
  EMPTY_CODE_HASH,
  hexToBytes,
  type PendingChange,
  Rlp,
} from '@openledger/rollup'

/**
 * Accounts and slots as they were before some blocks, in bytes.
 *
 * To go far back without reading every block, spans of blocks are merged: 64 blocks to a span of level 1, 64 of those
 * to level 2, and so on. A merged span holds each account and slot once, so it stops growing where the state does.
 */
export const SPAN_FACTOR = 64n
export const LEVELS_MAX = 4

/** Writes what undoes one block. */
export const encodeUndo = (changes: readonly AccountChange[]): Uint8Array =>
  encodePending(
    changes.map(({ address, before, slots }) => ({
      address,
      after: before,
      isStorageCleared: false,
      slots: new Map([...slots].map(([slot, value]) => [slot, value.before])),
    })),
  )

/** Merges consecutive undo records, oldest first: the oldest value of each account and slot wins. */
export function mergeUndo(records: Iterable<Uint8Array>): PendingChange[] {
  const merged = new Map<Hex, { after: AccountFields | undefined; slots: Map<Hex, Uint8Array> }>()
  for (const record of records) {
    for (const item of Rlp.list(Rlp.decode(record), 'undo')) {
      const [addressBytes, fields, slots] = Rlp.list(item, 'undo entry', 3)
      const address = bytesToHex(Rlp.bytes(addressBytes, 'address', 20))
      let entry = merged.get(address)
      if (entry === undefined) {
        const before = Rlp.bytes(fields, 'fields')
        entry = { after: before.length === 0 ? undefined : decodeFields(before), slots: new Map() }
        merged.set(address, entry)
      }
      for (const pair of Rlp.list(slots, 'slots')) {
        const [slot, value] = Rlp.list(pair, 'slot', 2)
        const key = bytesToHex(Rlp.bytes(slot, 'slot', 32))
        if (!entry.slots.has(key)) entry.slots.set(key, Rlp.bytes(value, 'value'))
      }
    }
  }
  return [...merged].map(([address, { after, slots }]) => ({
    address,
    after,
    isStorageCleared: false,
    slots,
  }))
}

/** Writes merged changes as one record again. */
export const encodePending = (changes: readonly PendingChange[]): Uint8Array =>
  Rlp.encode(
    changes.map(({ address, after, slots }) => [
      hexToBytes(address),
      after === undefined ? NO_BYTES : encodeFields(after),
      [...slots].map(([slot, value]) => [hexToBytes(slot), value]),
    ]),
  )

/** Lists the fewest spans that cover the blocks `from..to`, oldest first; level 0 is a single block. */
export function coverSpans(from: bigint, to: bigint): { level: number; index: bigint }[] {
  const spans: { level: number; index: bigint }[] = []
  for (let at = from; at <= to; ) {
    let level = 0
    let size = 1n
    // span i of a level holds blocks i·size + 1 to (i + 1)·size
    while (
      level < LEVELS_MAX &&
      (at - 1n) % (size * SPAN_FACTOR) === 0n &&
      at + size * SPAN_FACTOR - 1n <= to
    ) {
      level++
      size *= SPAN_FACTOR
    }
    spans.push({ level, index: level === 0 ? at : (at - 1n) / size })
    at += size
  }
  return spans
}

/** Lists the spans that block `number` completes, lowest level first. */
export function completedSpans(number: bigint): { level: number; index: bigint }[] {
  const spans: { level: number; index: bigint }[] = []
  let size = SPAN_FACTOR
  for (let level = 1; level <= LEVELS_MAX && number > 0n && number % size === 0n; level++) {
    spans.push({ level, index: number / size - 1n })
    size *= SPAN_FACTOR
  }
  return spans
}

export const encodeFields = ({ nonce, balance, codeHash }: AccountFields): Uint8Array =>
  Rlp.encode([nonce, balance, codeHash === EMPTY_CODE_HASH ? NO_BYTES : hexToBytes(codeHash)])

export function decodeFields(bytes: Uint8Array): AccountFields {
  const [nonce, balance, codeHash] = Rlp.list(Rlp.decode(bytes), 'account', 3)
  const hash = Rlp.bytes(codeHash, 'codeHash')
  return {
    nonce: Rlp.uint64(nonce, 'nonce'),
    balance: Rlp.uint(balance, 'balance'),
    codeHash: hash.length === 0 ? EMPTY_CODE_HASH : bytesToHex(hash),
  }
}

const NO_BYTES = new Uint8Array()
