import { BaseError, Bytes, CanonicalJson, type Hex, Merkle } from '@openledger/primitives'
import { Manifest, Receipt, RecordForm } from '@openledger/protocol'
import {
  and,
  asc,
  type Blobs,
  type Database,
  desc,
  digestOf,
  eq,
  inArray,
  ne,
  notInArray,
  schema,
} from '@openledger/store'
import type { AnswerMemory } from './AnswerMemory.ts'
import { findFault } from './Checks.ts'
import { ECHO_SHARE_PPM_MAX, findEchoes, type TextRange } from './Echoes.ts'
import type { Registry } from './Registry.ts'
import { createSimilarityIndex, sequencesOf } from './Similarity.ts'
import { createWithdrawals } from './Withdrawals.ts'

const { contributions, datanetVersions, records } = schema

type ContributionRow = typeof contributions.$inferSelect
type RecordRow = typeof records.$inferSelect

/** What validation found about one record. */
export type Verdict = {
  readonly index: number
  readonly recordId: Hex
  readonly verdict: 'accepted' | 'rejected'
  /** In a sentence; empty when accepted. */
  readonly reason: string
  /** The earlier record that this one repeats, also when it is accepted (a contributor may repeat themselves). */
  readonly duplicateOf: Hex | null
  readonly similarityPpm: number | null
  /** Parts of the record's plain text that repeat answers of models here; they are neither learned nor paid. */
  readonly echoes: readonly TextRange[]
}

export type Validation = {
  /**
   * What would become of records if they were contributed now.
   * @param arrivedAt - When they came, if they have: what was answered later they do not repeat.
   */
  readonly judge: (
    contributionId: Hex,
    texts: readonly { id: Hex; text: string }[],
    arrivedAt?: Date,
  ) => Promise<Verdict[]>
  /** Has what is accepted read anew: verdicts were changed by others. */
  readonly forget: () => void
  /**
   * Takes every contribution that waits, in order of arrival, gives its verdict, and publishes a version of each Datanet
   * that has gained.
   * @throws {ValidationIncompleteError} when some could not be finished; they are found again the next time.
   */
  readonly run: (signal: AbortSignal) => Promise<void>
}

/** A version is published at the latest after so many contributions, so that a steady stream does not put it off for ever. */
const CONTRIBUTIONS_MAX = 64

/**
 * Creates the validator that decides by rules alone.
 * @param register - Finishes the registration of a contribution, see `Contributions`.
 */
export function createValidation({
  database,
  blobs,
  registry,
  answers,
  register,
  follow,
}: {
  readonly database: Database
  readonly blobs: Blobs
  readonly registry: Registry
  readonly answers: Pick<AnswerMemory, 'answered'>
  readonly register: (id: Hex) => Promise<void>
  /** Learns what people did on chain. */
  readonly follow: () => Promise<unknown>
}): Validation {
  const { orm } = database
  const withdrawals = createWithdrawals(database, blobs)
  let accepted = createSimilarityIndex()
  const remembered = new Set<string>()

  /** Adds what was accepted since the last time, by whichever server. */
  const remember = async (): Promise<void> => {
    const known = await orm
      .select({ id: contributions.id })
      .from(contributions)
      .where(inArray(contributions.status, ['validated', 'versioned']))
      .orderBy(asc(contributions.arrival))
    for (const { id } of known) {
      if (remembered.has(id)) continue
      const rows = await orm
        .select()
        .from(records)
        .where(and(eq(records.contributionId, id), eq(records.verdict, 'accepted')))
        .orderBy(asc(records.index))
      for (const row of rows) accepted.add(nameOf(row), row.text)
      remembered.add(id)
    }
  }

  /** What was taken back, or rejected later, may be contributed by whoever has it. */
  const forget = (): void => {
    accepted = createSimilarityIndex()
    remembered.clear()
  }

  const firstOf = async (
    name: string,
  ): Promise<{ record: RecordRow; title: string; contributor: string }> => {
    const [contributionId, index] = name.split(':') as [string, string]
    const [found] = await orm
      .select({ record: records, title: contributions.title, contributor: contributions.contributor })
      .from(records)
      .innerJoin(contributions, eq(contributions.id, records.contributionId))
      .where(and(eq(records.contributionId, contributionId), eq(records.index, Number(index))))
    return found!
  }

  /** Ids among these that others were accepted with, and where. */
  const acceptedElsewhere = async (
    contributionId: Hex,
    ids: readonly Hex[],
  ): Promise<Map<string, string>> => {
    const rows = await orm
      .select()
      .from(records)
      .where(
        and(
          inArray(records.id, [...ids]),
          eq(records.verdict, 'accepted'),
          ne(records.contributionId, contributionId),
        ),
      )
    return new Map(rows.map((row) => [row.id, nameOf(row)]))
  }

  const judge: Validation['judge'] = async (contributionId, texts, arrivedAt) => {
    await remember()
    const answered = await answers.answered(
      texts.flatMap(({ text }) => sequencesOf(RecordForm.plainText(text))),
      arrivedAt,
    )
    const elsewhere = await acceptedElsewhere(
      contributionId,
      texts.map(({ id }) => id),
    )
    const own = createSimilarityIndex()
    const seen = new Map<Hex, number>()
    const verdicts: Verdict[] = []
    for (const [index, { id: recordId, text }] of texts.entries()) {
      const fault = findFault(text)
      const twin = seen.get(recordId)
      const same = elsewhere.get(recordId)
      const similar = same === undefined ? accepted.find(text) : { id: same, similarityPpm: 1_000_000 }
      const echoes = findEchoes(
        RecordForm.plainText(text),
        (sequence) => answered.has(sequence),
        (sequence) => accepted.has(sequence),
      )
      const base = {
        index,
        recordId,
        verdict: 'rejected' as const,
        duplicateOf: null,
        similarityPpm: null,
        // whoever decides otherwise later does not make them new
        echoes: echoes.ranges,
      }
      if (fault !== undefined) {
        verdicts.push({ ...base, reason: fault })
      } else if (twin !== undefined) {
        const reason = `The same text is already record ${twin} of this contribution.`
        verdicts.push({ ...base, reason, duplicateOf: recordId, similarityPpm: 1_000_000 })
      } else if (similar !== undefined) {
        const { record, title, contributor } = await firstOf(similar.id)
        const { similarityPpm } = similar
        const share =
          similarityPpm === 1_000_000 ? 'The same text' : `${Math.floor(similarityPpm / 10_000)} % of it`
        const reason = `${share} was contributed first in "${title}" by ${contributor}, who is paid for it.`
        verdicts.push({ ...base, reason, duplicateOf: record.id as Hex, similarityPpm })
      } else if (echoes.sharePpm > ECHO_SHARE_PPM_MAX) {
        const share = `${Math.floor(echoes.sharePpm / 10_000)} % of its words`
        const reason = `${share} repeat what models here had answered before it came, and no earlier record says them; contribute what is not from an answer.`
        verdicts.push({ ...base, reason })
      } else {
        const repeated = own.find(text)
        // a copy of a copy names the original
        const original =
          repeated && (verdicts[Number(repeated.id)]!.duplicateOf ?? texts[Number(repeated.id)]!.id)
        own.add(String(index), text)
        seen.set(recordId, index)
        verdicts.push({
          ...base,
          verdict: 'accepted',
          reason: '',
          duplicateOf: original ?? null,
          similarityPpm: repeated?.similarityPpm ?? null,
        })
      }
    }
    return verdicts
  }

  const decide = async (contribution: ContributionRow): Promise<void> => {
    const id = contribution.id as Hex
    const rows = await orm
      .select()
      .from(records)
      .where(eq(records.contributionId, id))
      .orderBy(asc(records.index))
    const found = await judge(
      id,
      rows.map((row) => ({ id: row.id as Hex, text: row.text })),
      contribution.createdAt,
    )
    const verdicts = (await registry.isPanelOnly(contribution.datanetId)) ? found.map(leftToPanel) : found
    const root = rootOf(rows.filter((row) => verdicts[row.index]!.verdict === 'accepted'))
    const acceptedCount = verdicts.filter(({ verdict }) => verdict === 'accepted').length
    const reasons = await blobs.put(Bytes.fromUtf8(CanonicalJson.stringify(verdicts)))
    // a verdict that the chain took just before a crash is not given twice
    const onChain = await registry.contribution(id)
    if (onChain?.verdictCount === 0 || onChain?.acceptedRoot !== root) {
      await registry.recordVerdict(id, root, acceptedCount, digestOf(reasons))
    }
    await database.transaction(async (inner) => {
      for (const { index, verdict, reason, duplicateOf, similarityPpm, echoes } of verdicts) {
        await inner
          .update(records)
          .set({ verdict, reason, duplicateOf, similarityPpm, echoes })
          .where(and(eq(records.contributionId, id), eq(records.index, index)))
      }
      await inner
        .update(contributions)
        .set({ status: 'validated', acceptedCount })
        .where(and(eq(contributions.id, id), eq(contributions.status, 'registered')))
    })
  }

  const publishVersion = async (datanetId: bigint): Promise<void> => {
    const decided = and(
      eq(contributions.datanetId, datanetId),
      inArray(contributions.status, ['validated', 'versioned']),
    )
    const rows = await orm
      .select({ record: records })
      .from(records)
      .innerJoin(contributions, eq(contributions.id, records.contributionId))
      .where(and(decided, eq(records.verdict, 'accepted')))
      .orderBy(asc(contributions.arrival), asc(records.index))
    const covered = await orm.select({ id: contributions.id }).from(contributions).where(decided)
    const [parent] = await orm
      .select()
      .from(datanetVersions)
      .where(eq(datanetVersions.datanetId, datanetId))
      .orderBy(desc(datanetVersions.version))
      .limit(1)
    // the chain has no empty versions
    if (rows.length === 0) return
    const recordsRoot = rootOf(rows.map(({ record }) => record))
    const parentVersion = parent?.version ?? 0
    let published: typeof datanetVersions.$inferInsert | undefined
    if (recordsRoot !== parent?.recordsRoot) {
      const manifestCid = await blobs.put(
        Manifest.encode({
          datanetId: datanetId.toString(),
          parentVersion,
          records: rows.map(({ record }) => ({
            contributionId: record.contributionId as Hex,
            index: record.index,
            recordId: record.id as Hex,
          })),
        }),
      )
      const manifestHash = digestOf(manifestCid)
      const recordCount = rows.length
      const onChain =
        (await registry.findVersion(datanetId, parentVersion, recordsRoot, manifestHash)) ??
        (await registry.publishVersion({ datanetId, recordsRoot, recordCount, parentVersion, manifestHash }))
      published = { datanetId, recordsRoot, recordCount, manifestCid, ...onChain }
    }
    await database.transaction(async (inner) => {
      if (published !== undefined) await inner.insert(datanetVersions).values(published)
      await inner
        .update(contributions)
        .set({ status: 'versioned' })
        .where(
          and(
            inArray(
              contributions.id,
              covered.map(({ id }) => id),
            ),
            // one taken back meanwhile stays so
            eq(contributions.status, 'validated'),
          ),
        )
    })
  }

  return {
    judge,
    forget,
    async run(signal) {
      await follow()
      const failures: unknown[] = []
      const skipped: string[] = []
      for (let count = 0; count < CONTRIBUTIONS_MAX; count++) {
        signal.throwIfAborted()
        const [next] = await orm
          .select()
          .from(contributions)
          .where(
            and(
              inArray(contributions.status, ['received', 'registered']),
              skipped.length > 0 ? notInArray(contributions.id, skipped) : undefined,
            ),
          )
          .orderBy(asc(contributions.arrival))
          .limit(1)
        if (next === undefined) break
        try {
          // whoever came first is judged first, so what is on its way to the chain is waited for
          if (next.status === 'received') await register(next.id as Hex)
          else await decide(next)
        } catch (error) {
          failures.push(error)
          skipped.push(next.id)
        }
      }
      const waiting = await orm
        .selectDistinct({ datanetId: contributions.datanetId })
        .from(contributions)
        .where(eq(contributions.status, 'validated'))
      for (const { datanetId } of waiting) {
        signal.throwIfAborted()
        await publishVersion(datanetId).catch((error) => failures.push(error))
      }
      for (const datanetId of await withdrawals.waiting()) {
        signal.throwIfAborted()
        await publishVersion(datanetId)
          .then(() => withdrawals.finish(datanetId))
          .then(forget)
          .catch((error) => failures.push(error))
      }
      if (failures.length > 0) throw new ValidationIncompleteError(failures)
    },
  }
}

/** What the rules' finding is worth where only judges accept: nothing is accepted before they have. */
const leftToPanel = (verdict: Verdict): Verdict => ({
  ...verdict,
  verdict: 'rejected',
  reason: `Only its panel of validators accepts records of this Datanet; have it judged. By the rules ${verdict.verdict === 'accepted' ? 'it would be accepted.' : `it would not: ${verdict.reason}`}`,
})

/** Names a record across contributions. */
const nameOf = (row: RecordRow): string => `${row.contributionId}:${row.index}`

/** Merkle root over records' texts; zero for none. */
export const rootOf = (rows: readonly RecordRow[]): Hex =>
  rows.length === 0
    ? Receipt.ZERO_HASH
    : Bytes.toHex(Merkle.build(rows.map(({ text }) => Merkle.hashLeaf(Bytes.fromUtf8(text)))).root)

export class ValidationIncompleteError extends BaseError {
  constructor(failures: readonly unknown[]) {
    super({
      code: 'datanet.validation_incomplete',
      message: `Expected to validate everything that waits, but ${failures.length} steps failed; the first: ${(failures[0] as Error).message} They are tried again.`,
      context: { failures: failures.map((failure) => (failure as Error).message) },
      severity: 'retry',
      cause: failures[0],
    })
  }
}
