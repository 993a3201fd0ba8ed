import { z } from 'zod'
import { attributionSchema, reasonSchema } from './Attribution.ts'
import { deploymentSchema } from './Deployment.ts'
import { addressSchema, hashSchema, hexSchema, nameSchema, unixSecondsSchema, weiSchema } from './Scalars.ts'
import { ACTIONS } from './TypedData.ts'

/**
 * The HTTP interface outside `/v1` (which is OpenAI's): one schema for validation, types, OpenAPI and MCP.
 *
 * Routes: see `docs/api.md`. Amounts are wei in decimal strings; times are Unix seconds.
 */

/** Proof that a wallet asked for something: an EIP-712 `Request` over the keccak256 of the payload's canonical JSON. */
export const signedSchema = <T extends z.ZodType>(payload: T) =>
  z.object({
    payload,
    account: addressSchema,
    deadline: unixSecondsSchema,
    signature: hexSchema,
  })

export const actionSchema = z.enum(ACTIONS)

/** RFC 9457 problem document; `code` is stable, `detail` is for people. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  code: z.string(),
  context: z.record(z.string(), z.unknown()).optional(),
})

// GET /api/network
export const networkSchema = z.object({
  name: z.string(),
  development: z.boolean(),
  deployment: deploymentSchema,
  l1RpcUrl: z.string(),
  l2RpcUrl: z.string(),
  split: z.object({
    version: z.number().int(),
    platformBps: z.number().int(),
    ownerBps: z.number().int(),
    stakersBps: z.number().int(),
    contributorsBps: z.number().int(),
  }),
  treasury: addressSchema,
  operator: addressSchema,
  /** Checks records; a Datanet's owner names it with `addValidator`. */
  validator: addressSchema,
  base: z.object({
    name: z.string(),
    hash: hashSchema,
    parameters: z.number().int(),
    contextTokens: z.number().int(),
  }),
  /** OPEN locked in the portal on L1 and existing on L2: always equal. */
  supply: z.object({ lockedOnL1Wei: weiSchema, onL2Wei: weiSchema }),
  heads: z.object({
    l1: z.number().int(),
    unsafe: z.number().int(),
    safe: z.number().int(),
    finalized: z.number().int(),
  }),
})

// GET /api/datanets, POST /api/datanets, GET /api/datanets/:id, GET /api/datanets/:id/versions
export const datanetSchema = z.object({
  id: z.string(),
  name: nameSchema,
  summary: z.string().max(2_000),
  licence: z.string().max(64),
  owner: addressSchema,
  commons: addressSchema,
  version: z.number().int(),
  recordCount: z.number().int(),
  contributionCount: z.number().int(),
  contributorCount: z.number().int(),
  earnedWei: weiSchema,
  transactionHash: hashSchema,
  createdAt: unixSecondsSchema,
})
/** The owner's wallet created it on chain; the server checks the event and that `metadataHash` is this summary's hash. */
export const registerDatanetSchema = z.object({ transactionHash: hashSchema, summary: z.string().max(2_000) })
export const datanetVersionSchema = z.object({
  datanetId: z.string(),
  version: z.number().int(),
  recordsRoot: hashSchema,
  recordCount: z.number().int(),
  transactionHash: hashSchema,
  createdAt: unixSecondsSchema,
})

// GET /api/datanets/:id/versions/:version/records: what a version holds, in its order
export const versionRecordSchema = z.object({
  recordId: hashSchema,
  contributionId: hashSchema,
  /** Id of the earliest record that this one nearly repeats; its own when there is none. */
  clusterId: hashSchema,
  text: z.string(),
})

// POST /api/contributions/prepare: records in, what to sign out; nothing is stored
export const prepareContributionSchema = z.object({
  datanetId: z.string().regex(/^\d{1,20}$/),
  licence: z.string().min(1).max(64),
  /** Files are split into records by the rules of their kind; records already split may be sent as they are. */
  files: z
    .array(z.object({ name: z.string().min(1).max(255), text: z.string() }))
    .max(20)
    .optional(),
  records: z.array(z.string()).optional(),
})
export const preparedContributionSchema = z.object({
  contributionId: hashSchema,
  recordsRoot: hashSchema,
  recordCount: z.number().int(),
  contentHash: hashSchema,
  records: z.array(z.string()),
  /** Contributions already holding the same or similar records, with what would happen to these. */
  warnings: z.array(z.string()),
})

// POST /api/contributions
export const contributeSchema = prepareContributionSchema.extend({
  title: z.string().min(1).max(200),
  contributor: addressSchema,
  deadline: unixSecondsSchema,
  signature: hexSchema,
})

export const contributionStatusSchema = z.enum(['registered', 'validated', 'versioned'])
export const verdictSchema = z.enum(['pending', 'accepted', 'rejected'])
// GET /api/contributions?datanetId=&contributor=, GET /api/contributions/:id (with records)
export const contributionSchema = z.object({
  id: hashSchema,
  datanetId: z.string(),
  datanetName: nameSchema,
  title: z.string(),
  contributor: addressSchema,
  beneficiary: addressSchema,
  licence: z.string(),
  cid: z.string(),
  recordsRoot: hashSchema,
  recordCount: z.number().int(),
  acceptedCount: z.number().int(),
  status: contributionStatusSchema,
  earnedWei: weiSchema,
  transactionHash: hashSchema,
  createdAt: unixSecondsSchema,
})
export const recordSchema = z.object({
  id: hashSchema,
  contributionId: hashSchema,
  index: z.number().int(),
  text: z.string(),
  verdict: verdictSchema,
  /** Why it was rejected, in words; empty when accepted. */
  reason: z.string(),
  duplicateOf: hashSchema.nullable(),
  similarityPpm: z.number().int().nullable(),
  earnedWei: weiSchema,
})
export const contributionDetailSchema = contributionSchema.extend({
  records: z.array(recordSchema),
  /** What the next change of its beneficiary must carry. */
  beneficiaryNonce: z.number().int(),
})

// POST /api/contributions/:id/beneficiary
export const changeBeneficiarySchema = z.object({
  to: addressSchema,
  deadline: unixSecondsSchema,
  signature: hexSchema,
})

// POST /api/training-runs (signed), GET list, GET one, GET :id/metrics, GET :id/events (server-sent events), POST :id/cancel, :id/pause, :id/resume (signed)
/** What an owner asks of every answer: a text in it, a pattern (linear time: no references back, no looking around), a JSON schema. */
export const checkSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('contains'), text: z.string().min(1).max(1_000) }),
  z.object({ kind: z.literal('matches'), pattern: z.string().min(1).max(1_000) }),
  z.object({ kind: z.literal('json'), schema: z.record(z.string(), z.json()) }),
])
export const trainingConfigSchema = z.object({
  rank: z.number().int().min(1).max(64).default(8),
  alpha: z.number().min(1).max(256).default(32),
  epochs: z.number().int().min(1).max(50).default(8),
  batchSize: z.number().int().min(1).max(64).default(8),
  sequenceTokens: z.number().int().min(32).max(512).default(256),
  learningRate: z.number().min(1e-6).max(1e-1).default(6e-3),
  seed: z.number().int().nonnegative().default(1),
  /** Trainings without some of the records that the agreement of the attribution is measured by; 0 does not measure it. */
  agreementRetrainings: z.number().int().min(0).max(128).default(0),
  /** Measurements on held-out records without a better one before training stops; 0 never stops early. */
  patience: z.number().int().min(0).max(6).default(2),
  /** Whether the base is kept in 4 bits while it is trained over (QLoRA). */
  method: z.enum(['lora', 'qlora']).default('lora'),
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
  /** What the model must be better than on records kept out, or it cannot be published. */
  gate: z.enum(['none', 'base', 'previous']).default('none'),
})
/** Means over prompts, in millionths. */
export const scoresSchema = z.object({
  exactMatchPpm: z.number().int(),
  rouge1Ppm: z.number().int(),
  rouge2Ppm: z.number().int(),
  rougeLPpm: z.number().int(),
  /** Null where no check was asked for. */
  checksPassedPpm: z.number().int().nullable(),
})
/** How the model and the base answer prompts that were kept out of training, always with the likeliest token. */
export const evaluationSchema = z.object({
  prompts: z.number().int(),
  ours: scoresSchema,
  base: scoresSchema,
  /** The owner's newest model on the same Datanets, on the same records; null where there is none. */
  previous: z.object({ name: z.string(), validationLoss: z.number() }).nullable(),
})
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
  epochs: z.coerce.number().int().min(1).max(50).default(8),
  batchSize: z.coerce.number().int().min(1).max(64).default(8),
  sequenceTokens: z.coerce.number().int().min(32).max(512).default(256),
  rank: z.coerce.number().int().min(1).max(64).default(8),
  objective: z.enum(['likelihood', 'preference']).default('likelihood'),
})
export const trainingEstimateSchema = z.object({
  recordCount: z.number().int(),
  /** Kept out to measure on; 0 when there are too few to spare any. */
  heldOutCount: z.number().int(),
  tokenCount: z.number().int(),
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
  evaluation: evaluationSchema.nullable(),
  baseHash: hashSchema.nullable(),
  adapterHash: hashSchema.nullable(),
  attributionRoot: hashSchema.nullable(),
  failure: z.string().nullable(),
  modelId: z.string().nullable(),
  createdAt: unixSecondsSchema,
})
export const metricSchema = z.object({
  step: z.number().int(),
  trainingLoss: z.number(),
  validationLoss: z.number().nullable(),
  tokensPerSecond: z.number(),
})

// GET /api/training-runs/:id/publication: what the owner signs once a run is trained; POST :id/publish
export const publicationSchema = z.object({ modelHash: hashSchema, owner: addressSchema })
export const publishSchema = z.object({ deadline: unixSecondsSchema, signature: hexSchema })

// GET /api/models, GET /api/models/:name
export const modelSchema = z.object({
  id: z.string(),
  name: nameSchema,
  owner: addressSchema,
  trainingRunId: z.string(),
  adapterHash: hashSchema,
  adapterCid: z.string(),
  datanets: z.array(z.object({ datanetId: z.string(), version: z.number().int() })),
  inputPriceWei: weiSchema,
  outputPriceWei: weiSchema,
  influenceBps: z.number().int(),
  spansBps: z.number().int(),
  validationLoss: z.number(),
  baseValidationLoss: z.number(),
  /** Null where it was not measured; the chain then says 0. */
  agreement: agreementSchema.nullable(),
  answerCount: z.number().int(),
  earnedWei: weiSchema,
  stakedWei: weiSchema,
  /** Its owner took it out of service for good. */
  isRetired: z.boolean(),
  transactionHash: hashSchema,
  createdAt: unixSecondsSchema,
})

// POST /api/api-keys (signed; the secret is shown once), GET /api/accounts/:address/api-keys, POST /api/api-keys/revoke (signed)
export const createApiKeySchema = signedSchema(
  z.object({ name: z.string().min(1).max(64), limitWei: weiSchema }),
)
export const revokeApiKeySchema = signedSchema(z.object({ id: z.string() }))
export const apiKeySchema = z.object({
  id: z.string(),
  name: z.string(),
  account: addressSchema,
  limitWei: weiSchema,
  spentWei: weiSchema,
  revoked: z.boolean(),
  createdAt: unixSecondsSchema,
})

/** The secret is shown in this answer and stored nowhere. */
export const createdApiKeySchema = apiKeySchema.extend({ secret: z.string() })

// GET /api/accounts/:address
export const accountSchema = z.object({
  address: addressSchema,
  l1Wei: weiSchema,
  l2Wei: weiSchema,
  prepaidWei: weiSchema,
  /** Charged for answers whose receipts are not on chain yet, plus what running requests hold back. */
  heldWei: weiSchema,
  availableWei: weiSchema,
})

// GET /api/receipts?payer=&model=&limit=&before=, GET /api/receipts/:sequence
export const receiptSchema = z.object({
  sequence: z.number().int(),
  hash: hashSchema,
  previousHash: hashSchema,
  payer: addressSchema,
  modelId: z.string(),
  modelName: z.string(),
  promptHash: hashSchema,
  answerHash: hashSchema,
  inputTokens: z.number().int(),
  outputTokens: z.number().int(),
  feeWei: weiSchema,
  platformWei: weiSchema,
  ownerWei: weiSchema,
  stakersWei: weiSchema,
  contributorsWei: weiSchema,
  splitVersion: z.number().int(),
  stakeVersion: z.number().int(),
  sharesRoot: hashSchema,
  attributionHash: hashSchema,
  inferenceCommitment: hashSchema,
  timestamp: unixSecondsSchema,
  signature: hexSchema,
  /** The L2 transaction that settled it; null for the seconds before. */
  settlementTransaction: hashSchema.nullable(),
  attribution: attributionSchema,
})

// GET /api/earnings/:address
export const earningsSchema = z.object({
  address: addressSchema,
  /** Everything ever credited, settled or not. */
  creditedWei: weiSchema,
  /** In the ledger on chain. */
  settledWei: weiSchema,
  claimedWei: weiSchema,
  /** In a ledger that is past its challenge window, and not claimed. */
  claimableWei: weiSchema,
  payouts: z.array(
    z.object({
      receiptSequence: z.number().int(),
      modelName: z.string(),
      contributionId: hashSchema,
      contributionTitle: z.string(),
      sharePpm: z.number().int(),
      amountWei: weiSchema,
      reasons: z.array(reasonSchema),
      settled: z.boolean(),
      timestamp: unixSecondsSchema,
    }),
  ),
})
// GET /api/earnings/:address/proof: arguments of Settlement.claim; POST /api/claims {account}: the operator sends it
export const claimProofSchema = z.object({
  account: addressSchema,
  cumulativeWei: weiSchema,
  index: z.number().int(),
  batch: z.number().int(),
  /** What the contract keeps the hash of. */
  ledger: z.object({
    root: hashSchema,
    sum: weiSchema,
    accountCount: z.number().int(),
    settledAt: unixSecondsSchema,
    /** The batch whose ledger this one was built on; 0 for none. */
    previous: z.number().int(),
    operator: addressSchema,
    bodyHash: hashSchema,
  }),
  /** Packed as the contract takes them, see docs/settlement.md. */
  claims: hexSchema,
  siblings: hexSchema,
  /** When the batch is past its challenge window; the contract pays from then on. */
  finalAt: unixSecondsSchema,
})

// GET /api/receipts/:sequence/inclusion: that a settled receipt is in its batch
export const inclusionSchema = z.object({
  batch: z.number().int(),
  receiptsRoot: hashSchema,
  receiptCount: z.number().int(),
  index: z.number().int(),
  /** From the bottom up, the fees of the receipts below each as sum. */
  siblings: z.array(z.object({ hash: hashSchema, sum: weiSchema })),
  /** Sum of the batch's fees. */
  feesWei: weiSchema,
})
export const claimSchema = z.object({ account: addressSchema })
export const claimedSchema = z.object({
  account: addressSchema,
  amountWei: weiSchema,
  transactionHash: hashSchema,
})

// GET /api/blocks?before=&limit=, GET /api/blocks/:number, GET /api/transactions/:hash
export const blockSchema = z.object({
  number: z.number().int(),
  hash: hashSchema,
  parentHash: hashSchema,
  stateRoot: hashSchema,
  timestamp: unixSecondsSchema,
  transactionCount: z.number().int(),
  gasUsed: z.string(),
  l1Origin: z.object({ number: z.number().int(), hash: hashSchema }).nullable(),
  status: z.enum(['unsafe', 'safe', 'finalized']),
})
export const transactionSchema = z.object({
  hash: hashSchema,
  blockNumber: z.number().int(),
  timestamp: unixSecondsSchema,
  from: addressSchema,
  to: addressSchema.nullable(),
  valueWei: weiSchema,
  type: z.string(),
  success: z.boolean(),
  gasUsed: z.string(),
  /** What it did in words, when it called one of our contracts. */
  summary: z.string(),
  events: z.array(
    z.object({ contract: z.string(), name: z.string(), arguments: z.record(z.string(), z.string()) }),
  ),
})
export const blockDetailSchema = blockSchema.extend({ transactions: z.array(transactionSchema) })

// GET /api/seed: what a first start puts in place, and how far it is
export const seedStepSchema = z.object({
  name: z.string(),
  title: z.string(),
  state: z.enum(['waiting', 'running', 'done', 'failed']),
  detail: z.string(),
})
export const seedSchema = z.object({ done: z.boolean(), steps: z.array(seedStepSchema) })

// GET /api/agents
export const agentSchema = z.object({
  id: z.string(),
  name: z.string(),
  owner: addressSchema,
  wallet: addressSchema,
  walletWei: weiSchema,
  uri: z.string(),
  sessions: z.array(
    z.object({
      key: addressSchema,
      payee: addressSchema,
      limitPerPaymentWei: weiSchema,
      limitTotalWei: weiSchema,
      spentWei: weiSchema,
      expiresAt: unixSecondsSchema,
      revoked: z.boolean(),
    }),
  ),
})

/** What `/v1` answers carry beyond OpenAI's fields, under the key `openledger`. */
export const answerExtensionSchema = z.object({
  receipt: receiptSchema,
  /** The text that `start` and `end` of spans count in. */
  answer: z.string(),
  /** What the model read and wrote; with the text, all that recomputing the attribution elsewhere needs of the payer. */
  promptTokenIds: z.array(z.number().int()).optional(),
  answerTokenIds: z.array(z.number().int()).optional(),
})

// GET /api/models/:name/attribution; the files by CID at /api/models/:name/files/:cid
export const modelAttributionSchema = z.object({
  modelId: z.string(),
  baseHash: hashSchema,
  adapterHash: hashSchema,
  adapterCid: z.string(),
  recordsCid: z.string(),
  influenceCid: z.string(),
  spansCid: z.string(),
  attributionRoot: hashSchema,
  policy: z.object({ influenceBps: z.number().int(), spansBps: z.number().int() }),
  commons: addressSchema,
  licences: z.array(z.string()),
  /** Whether the licences let anyone have the files. */
  isOpen: z.boolean(),
})

export type Network = z.infer<typeof networkSchema>
export type Datanet = z.infer<typeof datanetSchema>
export type DatanetVersion = z.infer<typeof datanetVersionSchema>
export type PreparedContribution = z.infer<typeof preparedContributionSchema>
export type Contribution = z.infer<typeof contributionSchema>
export type BeneficiaryChange = z.infer<typeof changeBeneficiarySchema>
export type ContributionDetail = z.infer<typeof contributionDetailSchema>
export type RecordDetail = z.infer<typeof recordSchema>
export type Check = z.infer<typeof checkSchema>
export type Scores = z.infer<typeof scoresSchema>
export type Evaluation = z.infer<typeof evaluationSchema>
export type TrainingConfig = z.infer<typeof trainingConfigSchema>
export type TrainingEstimate = z.infer<typeof trainingEstimateSchema>
export type VersionRecord = z.infer<typeof versionRecordSchema>
export type TrainingRun = z.infer<typeof trainingRunSchema>
export type Metric = z.infer<typeof metricSchema>
export type Model = z.infer<typeof modelSchema>
export type ApiKey = z.infer<typeof apiKeySchema>
export type Seed = z.infer<typeof seedSchema>
export type Account = z.infer<typeof accountSchema>
export type SignedReceipt = z.infer<typeof receiptSchema>
export type Earnings = z.infer<typeof earningsSchema>
export type Inclusion = z.infer<typeof inclusionSchema>
export type ClaimProof = z.infer<typeof claimProofSchema>
export type Claimed = z.infer<typeof claimedSchema>
export type Block = z.infer<typeof blockSchema>
export type BlockDetail = z.infer<typeof blockDetailSchema>
export type Transaction = z.infer<typeof transactionSchema>
export type Agreement = z.infer<typeof agreementSchema>
export type ModelAttribution = z.infer<typeof modelAttributionSchema>
export type Agent = z.infer<typeof agentSchema>
export type Problem = z.infer<typeof problemSchema>
export type AnswerExtension = z.infer<typeof answerExtensionSchema>
