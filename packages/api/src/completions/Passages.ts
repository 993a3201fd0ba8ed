import type { Passage } from '@openledger/openlora'
import { BaseError, type Hex } from '@openledger/primitives'
import { Licence } from '@openledger/protocol'
import { and, asc, type Database, eq, inArray, schema } from '@openledger/store'

const { contributions, datanets, records } = schema

/**
 * Finds the accepted records that a prompt is given with, in the order asked for, and for each the contribution that is paid:
 * the one that registered the first record of its cluster of duplicates.
 * @throws {PassageNotFoundError}
 */
export async function findPassages({ orm }: Database, recordIds: readonly Hex[]): Promise<Passage[]> {
  if (recordIds.length === 0) return []
  const accepted = async (ids: readonly string[]) => {
    const rows = await orm
      .select({
        id: records.id,
        text: records.text,
        duplicateOf: records.duplicateOf,
        contributionId: records.contributionId,
      })
      .from(records)
      .innerJoin(contributions, eq(contributions.id, records.contributionId))
      .where(and(inArray(records.id, [...ids]), eq(records.verdict, 'accepted')))
      .orderBy(asc(contributions.arrival), asc(records.index))
    // the same text in two contributions belongs to who was first
    return new Map(rows.toReversed().map((row) => [row.id, row]))
  }
  const found = await accepted(recordIds)
  const rows = recordIds.map((recordId) => {
    const row = found.get(recordId)
    if (row === undefined) throw new PassageNotFoundError(recordId)
    return row
  })
  const firsts = await accepted(rows.flatMap(({ duplicateOf }) => duplicateOf ?? []))
  return rows.map((row) => {
    const first = (row.duplicateOf === null ? undefined : firsts.get(row.duplicateOf)) ?? row
    return {
      recordId: row.id as Hex,
      contributionId: first.contributionId as Hex,
      clusterId: first.id as Hex,
      text: row.text,
    }
  })
}

/**
 * Refuses passages whose licence does not let an account have their text: an answer given with them repeats it.
 * @param mayReadAll - Whether an account may read all texts of a Datanet.
 * @throws {PassageForbiddenError}
 */
export async function assertMayQuote(
  { orm }: Database,
  { recordIds, account }: { readonly recordIds: readonly Hex[]; readonly account: Hex },
  mayReadAll: (account: Hex, datanetId: bigint) => Promise<boolean>,
): Promise<void> {
  if (recordIds.length === 0) return
  const rows = await orm
    .select({
      id: records.id,
      contributor: contributions.contributor,
      datanetId: contributions.datanetId,
      licence: contributions.licence,
      datanetLicence: datanets.licence,
    })
    .from(records)
    .innerJoin(contributions, eq(contributions.id, records.contributionId))
    .innerJoin(datanets, eq(datanets.id, contributions.datanetId))
    .where(and(inArray(records.id, [...recordIds]), eq(records.verdict, 'accepted')))
  for (const recordId of new Set(recordIds)) {
    const sources = rows.filter(({ id }) => id === recordId)
    // who may have the text from one source has it
    const isOpen = sources.some(
      ({ licence, datanetLicence, contributor }) =>
        Licence.areOpen(licence, datanetLicence) || contributor === account,
    )
    if (isOpen) continue
    const datanetIds = [...new Set(sources.map(({ datanetId }) => datanetId))]
    const allowed = await Promise.all(datanetIds.map((id) => mayReadAll(account, id)))
    if (!allowed.includes(true)) throw new PassageForbiddenError(recordId, datanetIds)
  }
}

export class PassageForbiddenError extends BaseError {
  constructor(recordId: Hex, datanetIds: readonly bigint[]) {
    super({
      code: 'passage.forbidden',
      message: `Expected a record whose text the payer may read, but ${recordId} of Datanet ${datanetIds.join(', ')} is under a licence that is not open. Ask as its contributor or as a holder of the Datanet's licence, or leave it out.`,
      context: { recordId, param: 'passages' },
    })
  }
}

export class PassageNotFoundError extends BaseError {
  constructor(recordId: Hex) {
    super({
      code: 'passage.not_found',
      message: `Expected the id of an accepted record, got ${recordId}. GET /api/contributions/{id} lists a contribution's records with their verdicts.`,
      context: { recordId, param: 'passages' },
    })
  }
}
