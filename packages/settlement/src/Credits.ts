import { BaseError, Bytes, type Hex, MerkleSum } from '@openledger/primitives'

/**
 * What a batch adds to the ledger, in the form that `Settlement.settle` takes: accounts in order of first payment,
 * each once. Packed, one credit is 32 bytes: 20 of address, then 12 of big-endian wei.
 */
export type Credit = { readonly account: Hex; readonly amountWei: bigint }

/** One line of the cumulative ledger: everything ever credited to one account. */
export type Line = { readonly account: Hex; readonly cumulativeWei: bigint }

/** Bytes that one credit takes in a batch's calldata. */
export const CREDIT_BYTES = 32
const AMOUNT_MAX = 2n ** 96n - 1n

/** Adds payments up by account, accounts in order of their first payment; payments of zero leave no trace. */
export function merge(payments: readonly Credit[]): Credit[] {
  const sums = new Map<Hex, bigint>()
  for (const { account, amountWei } of payments) {
    if (amountWei !== 0n) sums.set(account, (sums.get(account) ?? 0n) + amountWei)
  }
  return [...sums].map(([account, amountWei]) => ({ account, amountWei }))
}

/**
 * Packs credits for the chain.
 * @throws {CreditAmountError} when an amount does not fit 96 bits (79 billion OPEN).
 */
export function pack(credits: readonly Credit[]): Hex {
  const parts = credits.map(({ account, amountWei }) => {
    if (amountWei <= 0n || amountWei > AMOUNT_MAX) throw new CreditAmountError(account, amountWei)
    return Bytes.concat(Bytes.fromHex(account), Bytes.fromUint(amountWei, 12))
  })
  return Bytes.toHex(Bytes.concat(...parts))
}

/**
 * Reads packed credits back.
 * @throws {CreditBytesError} when the length is not a multiple of 32 bytes.
 */
export function unpack(packed: Hex): Credit[] {
  const bytes = Bytes.fromHex(packed)
  if (bytes.length % CREDIT_BYTES !== 0) throw new CreditBytesError(bytes.length)
  const credits: Credit[] = []
  for (let at = 0; at < bytes.length; at += CREDIT_BYTES) {
    credits.push({
      account: Bytes.toHex(bytes.subarray(at, at + 20)),
      amountWei: Bytes.toUint(bytes.subarray(at + 20, at + CREDIT_BYTES)),
    })
  }
  return credits
}

/** Adds credits to ledger lines; accounts that are new get the next lines, in the credits' order. */
export function apply(lines: readonly Line[], credits: readonly Credit[]): Line[] {
  const next: { account: Hex; cumulativeWei: bigint }[] = lines.map((line) => ({ ...line }))
  const indexOf = new Map(lines.map((line, index) => [line.account, index]))
  for (const { account, amountWei } of credits) {
    const index = indexOf.get(account)
    if (index === undefined) {
      indexOf.set(account, next.length)
      next.push({ account, cumulativeWei: amountWei })
    } else {
      next[index]!.cumulativeWei += amountWei
    }
  }
  return next
}

/** Builds the Merkle-sum tree whose root `Settlement` keeps. */
export const tree = (lines: readonly Line[]): MerkleSum.Tree =>
  MerkleSum.build(
    lines.map(({ account, cumulativeWei }) => MerkleSum.leaf(Bytes.fromHex(account), cumulativeWei)),
  )

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
  constructor(lengthBytes: number) {
    super({
      code: 'settlement.credit_bytes',
      message: `Expected packed credits of ${CREDIT_BYTES} bytes each, got ${lengthBytes} bytes. This is no batch of this settlement contract.`,
      context: { lengthBytes },
    })
  }
}
