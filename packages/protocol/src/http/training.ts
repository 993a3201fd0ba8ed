import { z } from 'zod'
import { addressSchema, hashSchema, hexSchema, nameSchema, unixSecondsSchema, weiSchema } from '../Scalars.ts'
import { signedSchema } from './request.ts'

// POST /api/training-runs (signed), GET list, GET one, GET :id/metrics, GET :id/events (server-sent events), POST :id/cancel, :id/pause, :id/resume (signed)
/** What an owner asks of every answer: a text in it, a pattern (linear time: no references back, no looking around), a JSON schema. */
export const checkSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('contains'), text: z.string().min(1).max(1_000) }),
  z.object({ kind: z.literal('matches'), pattern: z.string().min(1).max(1_000) }),
  z.object({ kind: z.literal('json'), schema: z.record(z.string(), z.json()) }),
])
export type Check = z.infer<typeof checkSchema>

/**
 * How a run trains: an adapter over the base as it is or in 4 bits; or all weights, which makes a model of its own that is neither
 * published nor attributed.
 */
const methodSchema = z.enum(['lora', 'qlora', 'full'])

/** All weights take smaller steps than an adapter's. */
export const FULL_LEARNING_RATE = 5e-4

export const trainingConfigSchema = z.object({
  rank: z.number().int().min(1).max(64).default(8),
  alpha: z.number().min(1).max(256).default(32),
  epochs: z.number().int().min(1).max(50).default(5),
  batchSize: z.number().int().min(1).max(64).default(8),
  sequenceTokens: z.number().int().min(32).max(512).default(256),
  learningRate: z.number().min(1e-6).max(1e-1).default(6e-3),
  seed: z.number().int().nonnegative().default(1),
  /** Trainings without some of the records that the agreement of the attribution is measured by; 0 does not measure it. */
  agreementRetrainings: z.number().int().min(0).max(128).default(0),
  /** Measurements on validation records without a better one before training stops; 0 never stops early. */
  patience: z.number().int().min(0).max(6).default(2),
  /**
   * Tokens of the base's own writing that an epoch learns for each token of the records, with all that the base finds likely there:
   * keeps what the base knows. 0 keeps nothing.
   */
  rehearsal: z.number().min(0).max(4).default(0.75),
  /** Part by which perplexity on texts of the base's own may rise; an adapter that forgot more is scaled back, a whole model is not. 100 is no bound. */
  forgettingMax: z.number().min(0.01).max(100).default(0.3),
  method: methodSchema.default('lora'),
  /** What is learned: what records say, or which of two answers people prefer (DPO). */
  objective: z.enum(['likelihood', 'preference']).default('likelihood'),
  /** How closely preferences are held to the base; more is closer. */
  preferenceBeta: z.number().min(0.01).max(2).default(0.1),
  /** Part of the channels that the adapter does not see of a token in training. */
  dropout: z.number().min(0).max(0.5).default(0),
  /** Whether alpha is divided by the square root of the rank instead of the rank (rsLoRA). */
  isRankStabilised: z.boolean().default(false),
  /** How often an epoch sees each record of each Datanet version, in their order; 1 where nothing is said. */
  mixture: z.array(z.number().min(0.01).max(100)).max(8).default([]),
  /** Asked of every answer to what was kept out. */
  checks: z.array(checkSchema).max(16).default([]),
  /** Whether the server's judge chooses between the model's answers and those of the base and the model before. */
  isJudged: z.boolean().default(false),
  /** What the model must be better than on the test records, or it is neither published nor, a whole model, handed out. */
  gate: z.enum(['none', 'base', 'previous']).default('none'),
})
export type TrainingConfig = z.infer<typeof trainingConfigSchema>

/** Means over prompts, in millionths. */
export const scoresSchema = z.object({
  exactMatchPpm: z.number().int(),
  rouge1Ppm: z.number().int(),
  rouge2Ppm: z.number().int(),
  rougeLPpm: z.number().int(),
  /** Null where no check was asked for. */
  checksPassedPpm: z.number().int().nullable(),
})
export type Scores = z.infer<typeof scoresSchema>

/** Which of two models' answers a judge chose, each pair in both orders; what it chose in one order alone is a tie. */
export const headToHeadSchema = z.object({
  /** The other model. */
  against: z.string(),
  prompts: z.number().int(),
  wins: z.number().int(),
  ties: z.number().int(),
  losses: z.number().int(),
  /** Ties where the judge's words were no verdict. */
  unread: z.number().int(),
  /** Wins and half the ties as a part of the prompts, in millionths. */
  scorePpm: z.number().int(),
  /** Bounds of the score, at 95 % (Wilson). */
  lowPpm: z.number().int(),
  highPpm: z.number().int(),
})
export type HeadToHead = z.infer<typeof headToHeadSchema>

/** How the model and the base answer prompts of the test records, always with the likeliest token. */
export const evaluationSchema = z.object({
  prompts: z.number().int(),
  ours: scoresSchema,
  base: scoresSchema,
  /** The owner's newest model on the same Datanets, on the same records; null where there is none. */
  previous: z.object({ name: z.string(), testLoss: z.number() }).nullable(),
  /** Mean loss of both on texts that the base wrote and the model did not learn: what the model forgot, in nats a token. */
  baseTexts: z.object({ loss: z.number(), baseLoss: z.number() }),
  /** What a judge chose; null where none was asked. */
  judged: z
    .object({
      /** The judge's model. */
      judge: z.string(),
      rounds: z.array(headToHeadSchema),
      /** Why there are no rounds; null where the judge answered. */
      failure: z.string().nullable(),
    })
    .nullable(),
  /** What the adapter was multiplied by so that it forgets no more than was allowed; 1 for a whole model. */
  scale: z.number().min(0).max(1),
})
export type Evaluation = z.infer<typeof evaluationSchema>

/** How well what the index says of records agrees with training again without them; the ceiling is 1,000,000. */
export const agreementSchema = z.object({
  retrainings: z.number().int(),
  /** Records that each of them went without. */
  recordsLeftOut: z.number().int(),
  /** Answers whose likelihood was measured after each. */
  answers: z.number().int(),
  /** Mean rank correlation over answers, in millionths; what stands on chain. */
  agreementPpm: z.number().int(),
  /** Bounds of 95 in 100 resamples of the retrainings. */
  lowPpm: z.number().int(),
  highPpm: z.number().int(),
  /** The same of a lexical comparison (BM25 over pairs of tokens), which a good index must exceed. */
  bm25Ppm: z.number().int(),
})
export type Agreement = z.infer<typeof agreementSchema>

export const createTrainingRunSchema = signedSchema(
  z.object({
    modelName: nameSchema,
    datanets: z
      .array(z.object({ datanetId: z.string().regex(/^\d{1,20}$/), version: z.number().int().positive() }))
      .min(1)
      .max(8),
    config: trainingConfigSchema,
    /** Orders the waiting runs of its owner; owners take turns whatever it is. */
    priority: z.number().int().min(-1).max(1).default(0),
    inputPriceWei: weiSchema,
    outputPriceWei: weiSchema,
    influenceBps: z.number().int().min(0).max(10_000).default(5_000),
  }),
)

// GET /api/training-estimate: what a run would do, before anyone signs
export const trainingEstimateQuerySchema = z.object({
  /** `1:3,2:1:0.5`: version 3 of Datanet 1, and version 1 of Datanet 2 half as often. */
  datanets: z
    .string()
    .regex(/^\d{1,20}:\d{1,9}(:\d{1,3}(\.\d{1,4})?)?(,\d{1,20}:\d{1,9}(:\d{1,3}(\.\d{1,4})?)?){0,7}$/)
    .transform((list) =>
      list.split(',').map((each) => {
        const [datanetId, version, weight = '1'] = each.split(':') as [string, string, string?]
        return { datanetId, version: Number(version), weight: Number(weight) }
      }),
    ),
  epochs: z.coerce.number().int().min(1).max(50).default(5),
  batchSize: z.coerce.number().int().min(1).max(64).default(8),
  sequenceTokens: z.coerce.number().int().min(32).max(512).default(256),
  rank: z.coerce.number().int().min(1).max(64).default(8),
  rehearsal: z.coerce.number().min(0).max(4).default(0.75),
  method: methodSchema.default('lora'),
  objective: z.enum(['likelihood', 'preference']).default('likelihood'),
})

export const trainingEstimateSchema = z.object({
  recordCount: z.number().int(),
  trainingCount: z.number().int(),
  /** Kept out to say when to stop and which adapter is best; 0 when there are too few to spare any. */
  validationCount: z.number().int(),
  /** Decide nothing and are measured for what is published; the same as validate where there are too few for both. */
  testCount: z.number().int(),
  tokenCount: z.number().int(),
  /** Tokens of the base's own that an epoch rehearses beside them. */
  rehearsedTokenCount: z.number().int(),
  stepCount: z.number().int(),
  /** Null until this server has trained once. */
  seconds: z.number().int().nullable(),
  memoryBytes: z.number(),
  /** How many records are plain text, prompts with completions, conversations and preferences. */
  forms: z.record(z.enum(['text', 'completion', 'chat', 'preference']), z.number().int()),
  /** The first records as the model reads them; what is not learned is context. */
  samples: z.array(
    z.object({
      recordId: hashSchema,
      form: z.enum(['text', 'completion', 'chat', 'preference']),
      tokens: z.array(z.object({ text: z.string(), isLearned: z.boolean() })),
    }),
  ),
})
export type TrainingEstimate = z.infer<typeof trainingEstimateSchema>

export const trainingStatusSchema = z.enum([
  'queued',
  'running',
  'indexing',
  'paused',
  'trained',
  'published',
  'failed',
  'cancelled',
])

export const trainingRunSchema = z.object({
  id: z.string(),
  modelName: nameSchema,
  owner: addressSchema,
  datanets: z.array(z.object({ datanetId: z.string(), version: z.number().int() })),
  config: trainingConfigSchema,
  priority: z.number().int(),
  status: trainingStatusSchema,
  step: z.number().int(),
  stepCount: z.number().int(),
  trainingLoss: z.number().nullable(),
  validationLoss: z.number().nullable(),
  baseValidationLoss: z.number().nullable(),
  testLoss: z.number().nullable(),
  baseTestLoss: z.number().nullable(),
  evaluation: evaluationSchema.nullable(),
  baseHash: hashSchema.nullable(),
  adapterHash: hashSchema.nullable(),
  /** Of all weights, where those are trained. */
  weightsHash: hashSchema.nullable(),
  attributionRoot: hashSchema.nullable(),
  failure: z.string().nullable(),
  modelId: z.string().nullable(),
  createdAt: unixSecondsSchema,
})
export type TrainingRun = z.infer<typeof trainingRunSchema>

export const metricSchema = z.object({
  step: z.number().int(),
  trainingLoss: z.number(),
  validationLoss: z.number().nullable(),
  tokensPerSecond: z.number(),
})
export type Metric = z.infer<typeof metricSchema>

// GET /api/training-runs/:id/publication: what the owner signs once a run is trained; POST :id/publish
export const publicationSchema = z.object({ modelHash: hashSchema, owner: addressSchema })

export const publishSchema = z.object({ deadline: unixSecondsSchema, signature: hexSchema })
