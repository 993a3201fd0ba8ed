import { BaseError, Bytes, CanonicalJson, type Clock, type Hex } from '@openledger/primitives'
import { type Deployment, type Http, SignedRequest } from '@openledger/protocol'
import {
  and,
  asc,
  type Blobs,
  cidFromDigest,
  type Database,
  digestOf,
  eq,
  inArray,
  schema,
} from '@openledger/store'
import type { PublicClient } from 'viem'
import { z } from 'zod'
import type { PanelVerdict } from './PanelCases.ts'
import type { Registry } from './Registry.ts'
import { rootOf, type Verdict } from './Validation.ts'

const { contributions, records } = schema

type Orm = Pick<Database['orm'], 'select' | 'update'>
export type JudgeRequest = z.output<typeof Http.judgeContributionSchema>

/** A verdict as the chain tells of it. */
export type RecordedVerdict = {
  readonly contributionId: Hex
  readonly validator: Hex
  readonly acceptedRoot: Hex
  readonly acceptedCount: number
  readonly reasonsHash: Hex
}

/** Verdicts that people give: a Datanet's owner names validators, and the latest verdict of any of them counts. */
export type Judgements = {
  /**
   * Writes down what a validator decided about some records, the rules' findings about the others, and gives what the
   * validator's wallet records on chain. Nothing changes before that.
   * @throws {NotValidatorError} {NothingToJudgeError} {UnknownRecordError} and the errors of `SignedRequest.verifyRequest`.
   */
  readonly write: (id: Hex, request: JudgeRequest) => Promise<Http.Judgement>
  /**
   * Has a verdict of the chain count here; one whose reasons are not here, or do not give its root, does not.
   * @returns Whether anything changed.
   */
  readonly adopt: (orm: Orm, recorded: RecordedVerdict) => Promise<boolean>
  /**
   * The same of a verdict of the validators' panel, whose votes on chain are its reasons.
   * @returns Whether anything changed.
   */
  readonly adoptPanel: (orm: Orm, recorded: RecordedVerdict, verdict: PanelVerdict) => Promise<boolean>
}

const verdictsSchema = z
  .object({ index: z.number().int(), verdict: z.enum(['accepted', 'rejected']), reason: z.string() })
  .array()

/** Reads reasons; a validator may have named any bytes, which give none. */
function readVerdicts(bytes: Uint8Array): z.output<typeof verdictsSchema> {
  try {
    return verdictsSchema.parse(JSON.parse(Bytes.toUtf8(bytes)))
  } catch {
    return []
  }
}

/** Creates what takes people's verdicts. */
export function createJudgements({
  database,
  blobs,
  registry,
  publicClient,
  deployment,
  clock,
}: {
  readonly database: Database
  readonly blobs: Blobs
  readonly registry: Registry
  readonly publicClient: PublicClient
  readonly deployment: Deployment
  readonly clock: Clock
}): Judgements {
  const recordsOf = (orm: Orm, id: Hex) =>
    orm.select().from(records).where(eq(records.contributionId, id)).orderBy(asc(records.index))

  /** Puts verdicts that give the recorded root into the tables. */
  const takeOver = async (
    orm: Orm,
    { contributionId, acceptedCount }: RecordedVerdict,
    verdicts: z.output<typeof verdictsSchema>,
  ): Promise<boolean> => {
    const judged = and(
      eq(contributions.id, contributionId),
      inArray(contributions.status, ['registered', 'validated', 'versioned']),
    )
    const [known] = await orm.select({ id: contributions.id }).from(contributions).where(judged)
    if (known === undefined) return false
    for (const { index, verdict, reason } of verdicts) {
      await orm
        .update(records)
        .set({ verdict, reason })
        .where(and(eq(records.contributionId, contributionId), eq(records.index, index)))
    }
    await orm.update(contributions).set({ status: 'validated', acceptedCount }).where(judged)
    return true
  }

  return {
    async write(id, request) {
      const { account, payload } = request
      const [contribution] = await database.orm.select().from(contributions).where(eq(contributions.id, id))
      if (contribution === undefined || !['validated', 'versioned'].includes(contribution.status)) {
        throw new NothingToJudgeError(id, contribution?.status)
      }
      if (payload.contributionId !== id) throw new NothingToJudgeError(payload.contributionId, undefined)
      await SignedRequest.verifyRequest('judgeContribution', request, {
        client: publicClient,
        chainId: deployment.l2ChainId,
        nowSeconds: Math.floor(clock.nowMs() / 1_000),
      })
      if (!(await registry.isValidator(contribution.datanetId, account))) {
        throw new NotValidatorError(contribution.datanetId, account)
      }
      const rows = await recordsOf(database.orm, id)
      const decided = new Map(payload.verdicts.map((verdict) => [verdict.index, verdict]))
      const unknown = payload.verdicts.find(({ index }) => index >= rows.length)
      if (unknown !== undefined) throw new UnknownRecordError(id, unknown.index, rows.length)
      const verdicts = rows.map((row): Verdict => {
        const own = decided.get(row.index)
        return {
          index: row.index,
          recordId: row.id as Hex,
          verdict: own?.verdict ?? (row.verdict === 'accepted' ? 'accepted' : 'rejected'),
          reason: own === undefined ? row.reason : own.verdict === 'accepted' ? '' : own.reason,
          duplicateOf: row.duplicateOf as Hex | null,
          similarityPpm: row.similarityPpm,
          echoes: row.echoes,
        }
      })
      const accepted = rows.filter(({ index }) => verdicts[index]!.verdict === 'accepted')
      const reasons = await blobs.put(Bytes.fromUtf8(CanonicalJson.stringify(verdicts)))
      return {
        acceptedRoot: rootOf(accepted),
        acceptedCount: accepted.length,
        reasonsHash: digestOf(reasons),
      }
    },

    async adopt(orm, recorded) {
      const { contributionId, acceptedRoot, reasonsHash } = recorded
      const cid = cidFromDigest(reasonsHash)
      if (!(await blobs.has(cid))) return false
      const verdicts = readVerdicts(await blobs.get(cid))
      const rows = await recordsOf(orm, contributionId)
      const verdictOf = new Map(verdicts.map(({ index, verdict }) => [index, verdict]))
      const accepted = rows.filter(({ index }) => verdictOf.get(index) === 'accepted')
      if (verdictOf.size !== rows.length || rootOf(accepted) !== acceptedRoot) return false
      return takeOver(orm, recorded, verdicts)
    },

    async adoptPanel(orm, recorded, { caseId, isAccepted, reasonFor }) {
      const rows = await recordsOf(orm, recorded.contributionId)
      const accepted = rows.filter(({ index }) => isAccepted(index))
      if (rootOf(accepted) !== recorded.acceptedRoot) return false
      const verdicts = rows.map(({ index, reason }) => {
        if (isAccepted(index)) return { index, verdict: 'accepted' as const, reason: '' }
        const said = reasonFor(index)
        return {
          index,
          verdict: 'rejected' as const,
          // what the panel was not asked about keeps its reason
          reason: said === undefined ? reason : `Case ${caseId} of the panel: ${said}`,
        }
      })
      return takeOver(orm, recorded, verdicts)
    },
  }
}

export class NotValidatorError extends BaseError {
  constructor(datanetId: bigint, account: Hex) {
    super({
      code: 'datanet.not_validator',
      message: `Expected a validator whom the owner of Datanet ${datanetId} named, got ${account}. The owner names one with openledger name-validator ${datanetId} ${account}.`,
      context: { datanetId: datanetId.toString(), account },
    })
  }
}

export class NothingToJudgeError extends BaseError {
  constructor(contributionId: string, status: string | undefined) {
    super({
      code: 'contribution.not_judged',
      message: `Expected a contribution that the rules have judged and that stands, but ${contributionId} ${status === undefined ? 'is not the one that was signed for, or there is none' : `is ${status}`}. Wait for the rules, or choose another.`,
      context: { contributionId, status: status ?? null },
    })
  }
}

export class UnknownRecordError extends BaseError {
  constructor(contributionId: Hex, index: number, recordCount: number) {
    super({
      code: 'contribution.unknown_record',
      message: `Expected records 0 to ${recordCount - 1} of ${contributionId}, got record ${index}. Nothing was written down.`,
      context: { contributionId, index, recordCount },
    })
  }
}
