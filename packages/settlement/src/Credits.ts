import { BaseError, Bytes, type GrowingMerkleSum, type Hex, MerkleSum } from '@openledger/primitives'

/** What a batch adds to one account's earnings. */
export type Credit = { readonly account: Hex; readonly amountWei: bigint }

/** One line of the cumulative ledger: everything ever credited to one account. */
export type Line = { readonly account: Hex; readonly cumulativeWei: bigint }

/** A credit with its place in the ledger. */
export type Placed = Credit & { readonly index: number; readonly isNew: boolean }

/** Most wei of a credit and of a line. */
export const AMOUNT_MAX = 2n ** 96n - 1n
const GAP_MAX = 13
const LONG_GAP = 14
const NEW_ACCOUNT = 15
const NOBODY: Hex = `0x${'00'.repeat(20)}`

/** Adds payments up by account; payments of zero leave no trace. */
export function merge(payments: readonly Credit[]): Credit[] {
  const sums = new Map<Hex, bigint>()
  for (const { account, amountWei } of payments) {
    if (amountWei !== 0n) sums.set(account, (sums.get(account) ?? 0n) + amountWei)
  }
  return [...sums].map(([account, amountWei]) => ({ account, amountWei }))
}

/**
 * Gives credits their lines, in the order in which they are packed: known accounts by line, then new ones, by address,
 * on the lines after the last.
 */
export function place(
  credits: readonly Credit[],
  indexOf: (account: Hex) => number | undefined,
  accountCount: number,
): Placed[] {
  const known: Placed[] = []
  const fresh: Credit[] = []
  for (const credit of credits) {
    const index = indexOf(credit.account)
    if (index === undefined) fresh.push(credit)
    else known.push({ ...credit, index, isNew: false })
  }
  fresh.sort((a, b) => (a.account < b.account ? -1 : 1))
  return [
    ...known.sort((a, b) => a.index - b.index),
    ...fresh.map((credit, i) => ({ ...credit, index: accountCount + i, isNew: true })),
  ]
}

/**
 * Packs placed credits as the contracts' `LedgerSegment` takes them: `tag 1 ‖ [gap 4 or account 20] ‖ amount 1..12`.
 * @throws {CreditAmountError} when an amount does not fit 96 bits (79 billion OPEN).
 */
export function pack(credits: readonly Placed[]): Hex {
  const parts: Uint8Array[] = []
  let next = 0
  for (const { account, amountWei, index, isNew } of credits) {
    if (amountWei <= 0n || amountWei > AMOUNT_MAX) throw new CreditAmountError(account, amountWei)
    const amount = Bytes.fromUint(amountWei, sizeOf(amountWei))
    const gap = index - next
    const kind = isNew ? NEW_ACCOUNT : gap > GAP_MAX ? LONG_GAP : gap
    parts.push(Uint8Array.of((kind << 4) | amount.length))
    if (isNew) parts.push(Bytes.fromHex(account))
    else if (kind === LONG_GAP) parts.push(Bytes.fromUint(BigInt(gap), 4))
    parts.push(amount)
    next = index + 1
  }
  return Bytes.toHex(Bytes.concat(...parts))
}

/**
 * Reads packed credits back.
 * @param accountOf - The account of a line that was there before; nothing when there is none.
 * @throws {CreditBytesError} when the bytes are no packed credits.
 */
export function unpack(
  packed: Hex,
  accountOf: (index: number) => Hex | undefined,
  accountCount: number,
): Placed[] {
  const { credits, malformedAt } = read(packed, accountOf, accountCount)
  if (malformedAt !== undefined) throw new CreditBytesError(malformedAt)
  return credits
}

/** Reads packed credits as far as they are some. @returns Them, and the byte at which what is none begins. */
export function read(
  packed: Hex,
  accountOf: (index: number) => Hex | undefined,
  accountCount: number,
): { readonly credits: Placed[]; readonly malformedAt?: number } {
  const bytes = Bytes.fromHex(packed)
  const credits: Placed[] = []
  let next = 0
  let count = accountCount
  for (let at = 0; at < bytes.length; ) {
    const start = at
    const kind = bytes[at]! >> 4
    const size = bytes[at]! & 15
    at++
    let account: Hex | undefined
    if (kind === NEW_ACCOUNT) {
      account = Bytes.toHex(bytes.subarray(at, at + 20))
      next = count++
      at += 20
    } else {
      next += kind === LONG_GAP ? Number(Bytes.toUint(bytes.subarray(at, at + 4))) : kind
      if (kind === LONG_GAP) at += 4
      account = accountOf(next)
    }
    const amountWei = Bytes.toUint(bytes.subarray(at, at + size))
    at += size
    if (
      account === undefined ||
      account === NOBODY ||
      size === 0 ||
      size > 12 ||
      amountWei === 0n ||
      at > bytes.length
    ) {
      return { credits, malformedAt: start }
    }
    credits.push({ account, amountWei, index: next, isNew: kind === NEW_ACCOUNT })
    next++
  }
  return { credits }
}

/** Bytes of an amount without leading zeros. */
export const sizeOf = (amountWei: bigint): number => Math.max(1, Math.ceil(amountWei.toString(16).length / 2))

/** The ledger in memory: its lines, where each account stands, and the tree whose root the chain has. */
export type Lines = {
  readonly lines: Line[]
  readonly indexOf: Map<Hex, number>
  readonly tree: GrowingMerkleSum
}

/** Adds placed credits to the ledger. */
export function apply({ lines, indexOf, tree }: Lines, credits: readonly Placed[]): void {
  for (const { account, amountWei, index } of credits) {
    lines[index] = { account, cumulativeWei: (lines[index]?.cumulativeWei ?? 0n) + amountWei }
    indexOf.set(account, index)
  }
  tree.put(credits.map(({ index }) => ({ index, node: leafOf(lines[index]!) })))
}

/** The ledger's leaf for a line. */
export const leafOf = ({ account, cumulativeWei }: Line): MerkleSum.Node =>
  MerkleSum.leaf(Bytes.fromHex(account), cumulativeWei)

export class CreditAmountError extends BaseError {
  constructor(account: Hex, amountWei: bigint) {
    super({
      code: 'settlement.credit_amount',
      message: `Expected a credit above zero that fits 96 bits, got ${amountWei} wei for ${account}. Settle fewer receipts at once.`,
      context: { account, amountWei: amountWei.toString() },
    })
  }
}

export class CreditBytesError extends BaseError {
  constructor(offset: number) {
    super({
      code: 'settlement.credit_bytes',
      message: `Expected packed credits, but what stands at byte ${offset} is none. This is no batch of this settlement contract.`,
      context: { offset },
    })
  }
}
