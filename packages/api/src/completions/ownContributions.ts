import type { Hex } from '@openledger/primitives'
import { type Database, eq, or, schema } from '@openledger/store'

const { contributions } = schema

/**
 * Gives the contributions that an account registered or is paid for: they earn nothing from what it pays itself, because asking
 * oneself would otherwise turn fees into rewards.
 *
 * @param followBeneficiaries - Reads from the chain who is paid now: who took rewards over must not pay himself either.
 */
export async function ownContributions(
  {
    database,
    followBeneficiaries,
  }: { readonly database: Database; readonly followBeneficiaries: () => Promise<void> },
  account: Hex,
): Promise<Hex[]> {
  await followBeneficiaries()
  const rows = await database.orm
    .select({ id: contributions.id })
    .from(contributions)
    .where(or(eq(contributions.contributor, account), eq(contributions.beneficiary, account)))
  return rows.map((row) => row.id as Hex)
}
