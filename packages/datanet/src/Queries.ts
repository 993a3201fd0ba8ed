import { BaseError, type Hex } from '@openledger/primitives'
import { type Http, Licence } from '@openledger/protocol'
import { and, asc, count, type Database, desc, eq, ne, type SQL, schema, sql } from '@openledger/store'
import { DatanetNotFoundError } from './Contributions.ts'
import { mayRead, type Reader } from './Reading.ts'
import type { Registry } from './Registry.ts'

const { contributions, datanets, datanetVersions, payouts, records } = schema

/** Looks things up in the shapes that the HTTP interface gives out. */
export type Queries = {
  readonly datanets: () => Promise<Http.Datanet[]>
  /** @throws {DatanetNotFoundError} */
  readonly datanet: (id: string) => Promise<Http.Datanet>
  readonly versions: (datanetId: string) => Promise<Http.DatanetVersion[]>
  /** Ids of the contributions whose rewards go to an account. */
  readonly paidTo: (account: Hex) => Promise<Hex[]>
  readonly contributions: (filter: {
    readonly datanetId?: string | undefined
    readonly contributor?: Hex | undefined
  }) => Promise<Http.Contribution[]>
  /**
   * With its records, each with what it earned; texts that are not open are for the reader alone.
   * @throws {ContributionNotFoundError}
   */
  readonly contribution: (id: Hex, reader?: Reader) => Promise<Http.ContributionDetail>
}

/** Creates the queries over one database. */
export function createQueries({ orm, run }: Database, registry: Registry): Queries {
  const listDatanets = async (where?: SQL): Promise<Http.Datanet[]> => {
    const rows = await orm.select().from(datanets).where(where).orderBy(asc(datanets.id))
    const totals = await orm
      .select({
        datanetId: contributions.datanetId,
        contributionCount: count(),
        contributorCount: sql<number>`count(DISTINCT ${contributions.contributor})::int`,
        recordCount: sql<number>`sum(${contributions.acceptedCount})::int`,
      })
      .from(contributions)
      .where(ne(contributions.status, 'received'))
      .groupBy(contributions.datanetId)
    const versions = await orm
      .select({ datanetId: datanetVersions.datanetId, version: sql<number>`max(${datanetVersions.version})` })
      .from(datanetVersions)
      .groupBy(datanetVersions.datanetId)
    const earned = await orm
      .select({ datanetId: contributions.datanetId, wei: sql<string>`sum(${payouts.amountWei})` })
      .from(payouts)
      .innerJoin(contributions, eq(contributions.id, payouts.contributionId))
      .groupBy(contributions.datanetId)
    return rows.map((row) => {
      const of = <T extends { datanetId: bigint }>(list: readonly T[]) =>
        list.find(({ datanetId }) => datanetId === row.id)
      return {
        id: row.id.toString(),
        name: row.name,
        summary: row.summary,
        licence: row.licence,
        isOpen: Licence.areOpen(row.licence),
        owner: row.owner as Hex,
        commons: row.commons as Hex,
        version: of(versions)?.version ?? 0,
        recordCount: of(totals)?.recordCount ?? 0,
        contributionCount: of(totals)?.contributionCount ?? 0,
        contributorCount: of(totals)?.contributorCount ?? 0,
        earnedWei: of(earned)?.wei ?? '0',
        transactionHash: row.transactionHash as Hex,
        createdAt: seconds(row.createdAt),
      }
    })
  }

  const datanet: Queries['datanet'] = async (id) => {
    const [found] = /^\d{1,18}$/.test(id) ? await listDatanets(eq(datanets.id, BigInt(id))) : []
    if (found === undefined) throw new DatanetNotFoundError(id)
    return found
  }

  const listContributions = async (where?: SQL): Promise<Http.Contribution[]> => {
    const earnedWei = sql<string>`(SELECT coalesce(sum(${payouts.amountWei}), 0)::text FROM ${payouts}
      WHERE ${payouts.contributionId} = ${contributions.id})`
    const rows = await orm
      .select({
        row: contributions,
        datanetName: datanets.name,
        datanetLicence: datanets.licence,
        earnedWei,
      })
      .from(contributions)
      .innerJoin(datanets, eq(datanets.id, contributions.datanetId))
      .where(and(ne(contributions.status, 'received'), where))
      .orderBy(asc(contributions.arrival))
    return rows.map(({ row, datanetName, datanetLicence, earnedWei }) => ({
      id: row.id as Hex,
      datanetId: row.datanetId.toString(),
      datanetName,
      title: row.title,
      contributor: row.contributor as Hex,
      beneficiary: row.beneficiary as Hex,
      licence: row.licence,
      isOpen: !isWithdrawn(row.status) && Licence.areOpen(row.licence, datanetLicence),
      cid: row.cid,
      recordsRoot: row.recordsRoot as Hex,
      recordCount: row.recordCount,
      acceptedCount: row.acceptedCount,
      status: row.status as Http.Contribution['status'],
      earnedWei,
      transactionHash: row.transactionHash as Hex,
      createdAt: seconds(row.createdAt),
    }))
  }

  const earnedByRecord = async (contributionId: Hex): Promise<Map<string, string>> => {
    const { rows } = await run(
      `SELECT record_id AS id, sum(amount_wei)::text AS wei FROM attribution_lines
       WHERE contribution_id = $1 GROUP BY 1`,
      [contributionId],
    )
    return new Map(rows.map((row) => [row['id'] as string, row['wei'] as string]))
  }

  return {
    datanets: () => listDatanets(),
    datanet,
    async versions(datanetId) {
      const { id } = await datanet(datanetId)
      const rows = await orm
        .select()
        .from(datanetVersions)
        .where(eq(datanetVersions.datanetId, BigInt(id)))
        .orderBy(desc(datanetVersions.version))
      return rows.map((row) => ({
        datanetId: id,
        version: row.version,
        recordsRoot: row.recordsRoot as Hex,
        recordCount: row.recordCount,
        transactionHash: row.transactionHash as Hex,
        createdAt: seconds(row.createdAt),
      }))
    },
    async paidTo(account) {
      const rows = await orm
        .select({ id: contributions.id })
        .from(contributions)
        .where(and(eq(contributions.beneficiary, account), ne(contributions.status, 'received')))
      return rows.map(({ id }) => id as Hex)
    },
    contributions: ({ datanetId, contributor }) =>
      listContributions(
        and(
          datanetId === undefined ? undefined : eq(contributions.datanetId, BigInt(datanetId)),
          contributor === undefined ? undefined : eq(contributions.contributor, contributor),
        ),
      ),
    async contribution(id, reader) {
      const [found] = await listContributions(eq(contributions.id, id))
      if (found === undefined) throw new ContributionNotFoundError(id)
      const earned = await earnedByRecord(id)
      const rows = await orm
        .select()
        .from(records)
        .where(eq(records.contributionId, id))
        .orderBy(asc(records.index))
      // whom it pays can change on chain without the server
      const [onChain, nonce] = await Promise.all([registry.contribution(id), registry.beneficiaryNonce(id)])
      const isShown = found.isOpen || (!isWithdrawn(found.status) && mayRead(reader, found.contributor))
      return {
        ...found,
        beneficiary: onChain?.beneficiary ?? found.beneficiary,
        beneficiaryNonce: Number(nonce),
        access: isShown ? null : accessTo(found),
        records: rows.map((row) => ({
          id: row.id as Hex,
          contributionId: id,
          index: row.index,
          text: isShown ? row.text : null,
          characterCount: row.text.length,
          echoes: isShown ? row.echoes : [],
          verdict: row.verdict,
          reason: row.reason,
          duplicateOf: row.duplicateOf as Hex | null,
          similarityPpm: row.similarityPpm,
          // a text that is there twice earns once, where it was accepted
          earnedWei: ['accepted', 'withdrawn'].includes(row.verdict) ? (earned.get(row.id) ?? '0') : '0',
        })),
      }
    },
  }
}

/** What to do to read a contribution's texts, for people. */
const accessTo = ({ id, datanetId, datanetName, licence, status }: Http.Contribution): string =>
  isWithdrawn(status)
    ? 'Its contributor took this contribution back.'
    : `Texts under ${licence} in ${datanetName} are shown to their contributor and to the owner, the validators and the licence holders of Datanet ${datanetId}: POST /api/contributions/${id}/read with a request signed by one of them. GET /api/datanets/${datanetId}/licence says what a licence costs; openledger buy-licence ${datanetId} buys one.`

const isWithdrawn = (status: string): boolean => status === 'withdrawing' || status === 'withdrawn'

const seconds = (date: Date): number => Math.floor(date.getTime() / 1_000)

export class ContributionNotFoundError extends BaseError {
  constructor(id: Hex) {
    super({
      code: 'contribution.not_found',
      message: `Expected the id of a contribution, got ${id}, which there is not.`,
      context: { id },
    })
  }
}
