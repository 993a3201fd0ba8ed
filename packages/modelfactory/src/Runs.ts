import { BaseError, type Hex } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import { and, asc, count, type Database, desc, eq, inArray, type Orm, schema, sql } from '@openledger/store'

const { datanetVersions, models, payouts, receipts, trainingMetrics, trainingRuns } = schema

export type RunRow = typeof trainingRuns.$inferSelect

/** What a model's owner and backers can change, as the chain has it now. */
export type TermsOf = (
  modelId: bigint,
) => Promise<Pick<Http.Model, 'owner' | 'inputPriceWei' | 'outputPriceWei' | 'isRetired' | 'stakedWei'>>

/** Reads runs, metrics and models in the shapes of `Http`. */
export type Runs = {
  readonly row: (id: string) => Promise<RunRow>
  readonly get: (id: string) => Promise<Http.TrainingRun>
  readonly list: () => Promise<Http.TrainingRun[]>
  readonly metrics: (id: string) => Promise<Http.Metric[]>
  /**
   * @param termsOf - Tells what can change after publication; the chain knows.
   * @param name - Only the model of this name.
   */
  readonly models: (termsOf: TermsOf, name?: string) => Promise<Http.Model[]>
}

/** Creates the reads over one database. */
export function createRuns({ orm }: Database): Runs {
  const row = async (id: string): Promise<RunRow> => {
    const [found] = await orm.select().from(trainingRuns).where(eq(trainingRuns.id, id))
    if (found === undefined) throw new RunNotFoundError(id)
    return found
  }
  const modelIds = async (names: readonly string[]): Promise<Map<string, string>> => {
    if (names.length === 0) return new Map()
    const found = await orm
      .select({ id: models.id, run: models.trainingRunId })
      .from(models)
      .where(inArray(models.trainingRunId, [...names]))
    return new Map(found.map(({ id, run }) => [run, id.toString()]))
  }
  return {
    row,
    async get(id) {
      const found = await row(id)
      return toView(found, (await modelIds([id])).get(id))
    },
    async list() {
      const found = await orm.select().from(trainingRuns).orderBy(desc(trainingRuns.createdAt)).limit(100)
      const ids = await modelIds(found.map(({ id }) => id))
      return found.map((each) => toView(each, ids.get(each.id)))
    },
    async metrics(id) {
      await row(id)
      const found = await orm
        .select()
        .from(trainingMetrics)
        .where(eq(trainingMetrics.runId, id))
        .orderBy(asc(trainingMetrics.step))
      return found.map(({ runId: _, ...metric }) => metric)
    },
    async models(termsOf, name) {
      const found = await orm
        .select({ model: models, run: trainingRuns })
        .from(models)
        .innerJoin(trainingRuns, eq(trainingRuns.id, models.trainingRunId))
        .where(name === undefined ? undefined : eq(models.name, name))
        .orderBy(asc(models.id))
      const answers = await orm
        .select({ modelId: receipts.modelId, answerCount: count() })
        .from(receipts)
        // memory is sold by receipts as well, and answers nothing
        .where(sql`${receipts.attribution}->'pin' IS NULL`)
        .groupBy(receipts.modelId)
      const earned = await orm
        .select({ modelId: receipts.modelId, earnedWei: sql<string>`sum(${payouts.amountWei})` })
        .from(payouts)
        .innerJoin(receipts, eq(receipts.sequence, payouts.receiptSequence))
        .groupBy(receipts.modelId)
      return Promise.all(
        found.map(async ({ model, run }) => ({
          id: model.id.toString(),
          name: model.name,
          trainingRunId: run.id,
          adapterHash: run.adapterHash as Hex,
          adapterCid: run.adapterCid!,
          datanets: run.datanets,
          influenceBps: model.influenceBps,
          spansBps: model.spansBps,
          testLoss: run.testLoss!,
          baseTestLoss: run.baseTestLoss!,
          agreement: run.agreement as Http.Agreement | null,
          answerCount: answers.find(({ modelId }) => modelId === model.id)?.answerCount ?? 0,
          earnedWei: earned.find(({ modelId }) => modelId === model.id)?.earnedWei ?? '0',
          ...(await termsOf(model.id)),
          transactionHash: model.transactionHash as Hex,
          createdAt: seconds(model.createdAt),
        })),
      )
    },
  }
}

/** @throws {VersionNotFoundError} when a Datanet has no such version. */
export async function requireVersions(
  orm: Orm,
  datanets: readonly { readonly datanetId: string; readonly version: number }[],
): Promise<(typeof datanetVersions.$inferSelect)[]> {
  return Promise.all(
    datanets.map(async ({ datanetId, version }) => {
      const [found] = await orm
        .select()
        .from(datanetVersions)
        .where(and(eq(datanetVersions.datanetId, BigInt(datanetId)), eq(datanetVersions.version, version)))
      if (found === undefined) throw new VersionNotFoundError(datanetId, version)
      return found
    }),
  )
}

const seconds = (date: Date): number => Math.floor(date.getTime() / 1_000)

const toView = (run: RunRow, modelId: string | undefined): Http.TrainingRun => ({
  id: run.id,
  modelName: run.modelName,
  owner: run.owner as Hex,
  datanets: run.datanets,
  config: Http.trainingConfigSchema.parse(run.config),
  priority: run.priority,
  status: run.status,
  step: run.step,
  stepCount: run.stepCount,
  trainingLoss: run.trainingLoss,
  validationLoss: run.validationLoss,
  baseValidationLoss: run.baseValidationLoss,
  testLoss: run.testLoss,
  baseTestLoss: run.baseTestLoss,
  evaluation: run.evaluation as Http.Evaluation | null,
  baseHash: run.baseHash as Hex | null,
  adapterHash: run.adapterHash as Hex | null,
  weightsHash: run.weightsHash as Hex | null,
  attributionRoot: run.attributionRoot as Hex | null,
  failure: run.failure,
  modelId: modelId ?? null,
  createdAt: seconds(run.createdAt),
})

export class RunNotFoundError extends BaseError {
  constructor(id: string) {
    super({
      code: 'training_run.not_found',
      message: `Expected the id of a training run, got ${JSON.stringify(id.slice(0, 64))}, which there is not.`,
      context: { id: id.slice(0, 64) },
    })
  }
}

export class VersionNotFoundError extends BaseError {
  constructor(datanetId: string, version: number) {
    super({
      code: 'datanet_version.not_found',
      message: `Expected a published version, but Datanet ${datanetId} has no version ${version}. Choose one that its page lists.`,
      context: { datanetId, version },
    })
  }
}
