import type { Hex } from '@openledger/primitives'
import type { Attribution, Receipt } from '@openledger/protocol'
import type * as Batch from './Batch.ts'
import type * as Credits from './Credits.ts'

/** A receipt as its node shows it, with who earns what of it. */
export type Shown = {
  readonly receipt: Receipt.Receipt
  readonly signature: Hex
  readonly shares: readonly Credits.Credit[]
  /** What the panel found instead: the receipt was signed over the others, and credits are of these. */
  readonly correctedShares?: readonly Credits.Credit[]
}

/** Who earns what of a receipt, as its explained attribution says. */
export const sharesOf = ({ shares, commons }: Attribution.Attribution): Credits.Credit[] =>
  [...shares, commons]
    .map(({ beneficiary, amountWei }) => ({ account: beneficiary as Hex, amountWei: BigInt(amountWei) }))
    .filter(({ amountWei }) => amountWei > 0n)

/** The lines behind the credits of a receipt. */
export const creditLinesOf = ({ receipt, shares, correctedShares }: Shown): Batch.PaymentLine[] =>
  (correctedShares ?? shares).map(({ account, amountWei }) => ({
    account,
    sequence: receipt.sequence,
    amountWei,
  }))
