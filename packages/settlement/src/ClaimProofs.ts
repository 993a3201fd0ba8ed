import { Bytes, type Hex, packSiblings } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import type { Contest } from './Contract.ts'
import type * as Credits from './Credits.ts'

/** A batch that credited, as claims against its ledger need it. */
export type CreditedBatch = {
  readonly number: number
  /** The batch whose ledger it was built on; 0 for none. */
  readonly previous: number
  readonly settledAt: number
  readonly ledger: Http.ClaimProof['ledger']
}

/** Claims with their proof against one ledger, and what is left out of them because it is disputed. */
export type ProvenClaims = Pick<Http.ClaimProof, 'ledger' | 'claims' | 'siblings' | 'exclusions'> & {
  readonly batch: CreditedBatch
  /** The accounts that have a line, in its order, each with what the claim grants it in all. */
  readonly granted: readonly (Credits.Line & { readonly index: number })[]
}

export type Books = {
  readonly batchOf: (number: number) => Promise<CreditedBatch>
  /** The ledger after a batch; may be the same object as the one before, moved on. */
  readonly bookAt: (number: number) => Promise<Credits.Lines>
}

/**
 * Gives the newest of some batches whose ledger still proves something: those built on a void root prove nothing.
 * @param credited - In any order, final ones only where the claim is to be sent.
 */
export const newestProving = <T extends { readonly number: number }>(
  credited: readonly T[],
  contests: readonly Contest[],
): T | undefined =>
  credited
    .filter(({ number }) => !contestsOf(number, contests).some(({ isVoid }) => isVoid))
    .sort((a, b) => b.number - a.number)[0]

/** The contests that a ledger has in it. */
export const contestsOf = (batch: number, contests: readonly Contest[]): Contest[] =>
  contests.filter(({ batch: from, until }) => batch >= from && batch <= until)

/**
 * Proves accounts' lines against a ledger, without what contested batches credited: for each of those, the lines after
 * and before it, as `Settlement.claimExcluding` takes them.
 *
 * @param accounts - Those without a line are left out.
 */
export async function proveClaims(
  books: Books,
  batch: CreditedBatch,
  contests: readonly Contest[],
  accounts: readonly Hex[],
): Promise<ProvenClaims> {
  const linesAt = async (number: number, indexes?: readonly number[]) => {
    const book = await books.bookAt(number)
    const wanted =
      indexes?.filter((index) => index < book.lines.length) ??
      accounts
        .flatMap((account) => book.indexOf.get(account) ?? [])
        .filter((index, at, all) => all.indexOf(index) === at)
        .sort((a, b) => a - b)
    const lines = wanted.map((index) => ({ index, ...book.lines[index]! }))
    return {
      lines,
      claims: packClaims(lines),
      siblings: lines.length === 0 ? ('0x' as Hex) : Bytes.toHex(packSiblings(book.tree.prove(wanted))),
    }
  }
  const whole = await linesAt(batch.number)
  const indexes = whole.lines.map(({ index }) => index)
  const left = whole.lines.map(({ cumulativeWei }) => cumulativeWei)
  const exclusions: Http.ClaimProof['exclusions'] = []
  for (const number of await excludedBy(books, batch, contests)) {
    const after = await books.batchOf(number)
    const before = after.previous === 0 ? undefined : await books.batchOf(after.previous)
    const afterLines = await linesAt(number, indexes)
    for (const [i, { cumulativeWei }] of afterLines.lines.entries()) left[i]! -= cumulativeWei
    const beforeLines = before && (await linesAt(before.number, indexes))
    for (const [i, { cumulativeWei }] of beforeLines?.lines.entries() ?? []) left[i]! += cumulativeWei
    exclusions.push({
      batch: number,
      afterBatch: after.ledger,
      // not looked at when there is none
      beforeBatch: before?.ledger ?? after.ledger,
      afterClaims: afterLines.claims,
      afterSiblings: afterLines.siblings,
      beforeClaims: beforeLines?.claims ?? '0x',
      beforeSiblings: beforeLines?.siblings ?? '0x',
    })
  }
  return {
    batch,
    ledger: batch.ledger,
    claims: whole.claims,
    siblings: whole.siblings,
    exclusions,
    granted: whole.lines.map((line, i) => ({ ...line, cumulativeWei: left[i]! })),
  }
}

/** The batches on a ledger's way that credited contested receipts, ascending. */
async function excludedBy(
  books: Books,
  batch: CreditedBatch,
  contests: readonly Contest[],
): Promise<number[]> {
  const open = contestsOf(batch.number, contests)
  const numbers = new Set<number>()
  for (const contest of open) {
    // the first ledger on the way that has the contested batch's receipts
    let at = batch
    while (at.previous >= contest.batch) at = await books.batchOf(at.previous)
    numbers.add(at.number)
  }
  return [...numbers].sort((a, b) => a - b)
}

/** Packs claims as the contract takes them: `(index 4 ‖ account 20 ‖ cumulative 12)*`. */
export const packClaims = (claims: readonly (Credits.Line & { readonly index: number })[]): Hex =>
  Bytes.toHex(
    Bytes.concat(
      ...claims.flatMap(({ index, account, cumulativeWei }) => [
        Bytes.fromUint(BigInt(index), 4),
        Bytes.fromHex(account),
        Bytes.fromUint(cumulativeWei, 12),
      ]),
    ),
  )

/** Turns proven claims into the call that pays them: `claim`, or `claimExcluding` beside a dispute. */
export function claimCall(
  proof: Pick<Http.ClaimProof, 'batch' | 'ledger' | 'claims' | 'siblings' | 'exclusions'>,
) {
  const args = [
    BigInt(proof.batch),
    toLedgerArgument(proof.ledger),
    proof.claims as Hex,
    proof.siblings as Hex,
  ] as const
  if (proof.exclusions.length === 0) return { functionName: 'claim', args } as const
  const exclusions = proof.exclusions.map((exclusion) => ({
    batch: BigInt(exclusion.batch),
    afterBatch: toLedgerArgument(exclusion.afterBatch),
    beforeBatch: toLedgerArgument(exclusion.beforeBatch),
    afterClaims: exclusion.afterClaims as Hex,
    afterSiblings: exclusion.afterSiblings as Hex,
    beforeClaims: exclusion.beforeClaims as Hex,
    beforeSiblings: exclusion.beforeSiblings as Hex,
  }))
  return { functionName: 'claimExcluding', args: [...args, exclusions] } as const
}

const toLedgerArgument = (ledger: Http.ClaimProof['ledger']) => ({
  root: ledger.root as Hex,
  sum: BigInt(ledger.sum),
  accountCount: BigInt(ledger.accountCount),
  settledAt: BigInt(ledger.settledAt),
  previous: BigInt(ledger.previous),
  operator: ledger.operator as Hex,
  bodyHash: ledger.bodyHash as Hex,
})
