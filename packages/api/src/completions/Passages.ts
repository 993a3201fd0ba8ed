import type { Passage } from '@openledger/openlora'
import { BaseError, type Hex } from '@openledger/primitives'
import { and, asc, type Database, eq, inArray, schema } from '@openledger/store'

const { contributions, records } = schema

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

export class PassageNotFoundError extends BaseError {
  constructor(recordId: Hex) {
    super({
      code: 'passage.not_found',
      message: `Expected the id of an accepted record, got ${recordId}. GET /api/contributions/{id} lists a contribution's records with their verdicts.`,
      context: { recordId, param: 'passages' },
    })
  }
}
