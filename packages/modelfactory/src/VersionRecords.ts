import type { Hex } from '@openledger/primitives'
import { Licence, Manifest } from '@openledger/protocol'
import { type Blobs, type Database, eq, inArray, schema } from '@openledger/store'
import { requireVersions } from './Runs.ts'
import type { TrainingRecord } from './TrainingPlan.ts'

const { contributions, datanets, records } = schema

/** A record of a version, with who contributed it and whether its licence lets anyone have the text. */
export type VersionRecord = TrainingRecord & { readonly contributor: Hex; readonly isOpen: boolean }

/**
 * Reads the records of one Datanet version in their order, each with the cluster of near duplicates it belongs to and what it
 * repeats of answers.
 * @throws {VersionNotFoundError}
 */
export async function recordsOf(
  { database: { orm }, blobs }: { readonly database: Database; readonly blobs: Blobs },
  version: { readonly datanetId: string; readonly version: number },
): Promise<VersionRecord[]> {
  const [row] = await requireVersions(orm, [version])
  const entries = Manifest.decode(await blobs.get(row!.manifestCid)).records
  const keyOf = (contributionId: string, index: number) => `${contributionId} ${index}`
  const rows = new Map(
    (
      await orm
        .select({
          contributionId: records.contributionId,
          index: records.index,
          text: records.text,
          duplicateOf: records.duplicateOf,
          echoes: records.echoes,
          contributor: contributions.contributor,
          licence: contributions.licence,
          status: contributions.status,
          datanetLicence: datanets.licence,
        })
        .from(records)
        .innerJoin(contributions, eq(contributions.id, records.contributionId))
        .innerJoin(datanets, eq(datanets.id, contributions.datanetId))
        .where(inArray(records.contributionId, [...new Set(entries.map((entry) => entry.contributionId))]))
    ).map((each) => [keyOf(each.contributionId, each.index), each]),
  )
  return entries.map(({ contributionId, index, recordId }) => {
    const { text, duplicateOf, echoes, contributor, licence, datanetLicence, status } = rows.get(
      keyOf(contributionId, index),
    )!
    return {
      recordId,
      contributionId,
      clusterId: (duplicateOf ?? recordId) as Hex,
      text,
      ...(echoes.length === 0 ? {} : { echoes }),
      contributor: contributor as Hex,
      isOpen: status !== 'withdrawing' && status !== 'withdrawn' && Licence.areOpen(licence, datanetLicence),
    }
  })
}
