import { sql } from 'drizzle-orm'
import {
  bigint,
  bigserial,
  boolean,
  index,
  integer,
  jsonb,
  numeric,
  pgTable,
  primaryKey,
  real,
  text,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core'

/**
 * The tables. The chain and the blobs are the record; these hold what is not on chain yet, what is too long for it,
 * and what people look up. Amounts are `numeric(40)` wei; hashes and addresses are lower-case `0x` text.
 */

const wei = (name: string) => numeric(name, { precision: 40, scale: 0, mode: 'bigint' })
const createdAt = () => timestamp('created_at', { withTimezone: true }).notNull().defaultNow()

/** One row for each Datanet on chain. */
export const datanets = pgTable('datanets', {
  id: bigint('id', { mode: 'bigint' }).primaryKey(),
  name: text('name').notNull().unique(),
  summary: text('summary').notNull(),
  licence: text('licence').notNull(),
  owner: text('owner').notNull(),
  commons: text('commons').notNull(),
  transactionHash: text('transaction_hash').notNull(),
  createdAt: createdAt(),
})

/** A signed contribution; `transactionHash` is null until the chain has it. */
export const contributions = pgTable(
  'contributions',
  {
    id: text('id').primaryKey(),
    datanetId: bigint('datanet_id', { mode: 'bigint' })
      .notNull()
      .references(() => datanets.id),
    /** Arrival order: who was first. */
    arrival: bigserial('arrival', { mode: 'number' }).notNull(),
    title: text('title').notNull(),
    contributor: text('contributor').notNull(),
    beneficiary: text('beneficiary').notNull(),
    licence: text('licence').notNull(),
    cid: text('cid').notNull(),
    recordsRoot: text('records_root').notNull(),
    recordCount: integer('record_count').notNull(),
    acceptedCount: integer('accepted_count').notNull().default(0),
    status: text('status', {
      enum: ['received', 'registered', 'validated', 'versioned', 'withdrawing', 'withdrawn'],
    }).notNull(),
    /** EIP-712 signature and deadline, kept so that an interrupted registration can be finished. */
    signature: text('signature').notNull(),
    deadline: bigint('deadline', { mode: 'number' }).notNull(),
    transactionHash: text('transaction_hash'),
    createdAt: createdAt(),
  },
  (table) => [index().on(table.datanetId, table.status), index().on(table.contributor)],
)

/** One record of a contribution with its verdict. */
export const records = pgTable(
  'records',
  {
    contributionId: text('contribution_id')
      .notNull()
      .references(() => contributions.id),
    index: integer('index').notNull(),
    /** keccak256 of the text; the same text in two contributions has the same id. */
    id: text('id').notNull(),
    text: text('text').notNull(),
    verdict: text('verdict', { enum: ['pending', 'accepted', 'rejected', 'withdrawn'] })
      .notNull()
      .default('pending'),
    reason: text('reason').notNull().default(''),
    duplicateOf: text('duplicate_of'),
    similarityPpm: integer('similarity_ppm'),
    /** Ranges of characters that repeat answers given before; they are not trained on. */
    echoes: jsonb('echoes').$type<readonly (readonly [number, number])[]>().notNull().default([]),
  },
  (table) => [primaryKey({ columns: [table.contributionId, table.index] }), index().on(table.id)],
)

/** What models have answered: a keyed hash of every five words in a row, and when it could be read first. */
export const answerMarks = pgTable(
  'answer_marks',
  {
    mark: bigint('mark', { mode: 'bigint' }).primaryKey(),
    answeredAt: timestamp('answered_at', { withTimezone: true }).notNull(),
  },
  (table) => [index().on(table.answeredAt)],
)

/** An immutable version: the accepted records of a Datanet at one moment. */
export const datanetVersions = pgTable(
  'datanet_versions',
  {
    datanetId: bigint('datanet_id', { mode: 'bigint' })
      .notNull()
      .references(() => datanets.id),
    version: integer('version').notNull(),
    recordsRoot: text('records_root').notNull(),
    recordCount: integer('record_count').notNull(),
    /** Blob with the ordered list of (contribution, record index, record id). */
    manifestCid: text('manifest_cid').notNull(),
    transactionHash: text('transaction_hash').notNull(),
    createdAt: createdAt(),
  },
  (table) => [primaryKey({ columns: [table.datanetId, table.version] })],
)

/** A fine-tuning run, from request to published model. */
export const trainingRuns = pgTable(
  'training_runs',
  {
    id: text('id').primaryKey(),
    modelName: text('model_name').notNull(),
    owner: text('owner').notNull(),
    /** `{datanetId, version}[]` */
    datanets: jsonb('datanets').$type<{ datanetId: string; version: number }[]>().notNull(),
    config: jsonb('config').$type<Record<string, unknown>>().notNull(),
    inputPriceWei: wei('input_price_wei').notNull(),
    outputPriceWei: wei('output_price_wei').notNull(),
    influenceBps: integer('influence_bps').notNull(),
    /** Orders the waiting runs of one owner; higher goes first. */
    priority: integer('priority').notNull().default(0),
    status: text('status', {
      enum: ['queued', 'running', 'indexing', 'paused', 'trained', 'published', 'failed', 'cancelled'],
    }).notNull(),
    /** Counts the workers that have taken the run; only the last one's word counts. */
    claim: integer('claim').notNull().default(0),
    /** Until when the worker that has it need not say again that it lives. */
    leaseUntil: timestamp('lease_until', { withTimezone: true }),
    /** When a worker first took it. */
    startedAt: timestamp('started_at', { withTimezone: true }),
    step: integer('step').notNull().default(0),
    stepCount: integer('step_count').notNull().default(0),
    trainingLoss: real('training_loss'),
    validationLoss: real('validation_loss'),
    baseValidationLoss: real('base_validation_loss'),
    testLoss: real('test_loss'),
    baseTestLoss: real('base_test_loss'),
    failure: text('failure'),
    /** The base that the adapter was trained on. */
    baseHash: text('base_hash'),
    /** Trainer state to resume from after a crash. */
    checkpointCid: text('checkpoint_cid'),
    adapterCid: text('adapter_cid'),
    adapterHash: text('adapter_hash'),
    /** All weights, of a run that trained them all: such a run has no adapter and no attribution index. */
    weightsCid: text('weights_cid'),
    weightsHash: text('weights_hash'),
    /** The training records in order, with their token ids: what influence rows and spans count in. */
    recordsCid: text('records_cid'),
    /** Attribution index over the training records: influence rows and spans. */
    influenceCid: text('influence_cid'),
    spansCid: text('spans_cid'),
    attributionRoot: text('attribution_root'),
    metricsCid: text('metrics_cid'),
    /** `Http.agreementSchema`; null where it was not measured. */
    agreement: jsonb('agreement').$type<Record<string, number>>(),
    /** `Http.evaluationSchema`; null before a run is trained. */
    evaluation: jsonb('evaluation').$type<Record<string, unknown>>(),
    /** The owner's signature over the publication, kept so that an interrupted one can be finished. */
    publicationSignature: text('publication_signature'),
    publicationDeadline: bigint('publication_deadline', { mode: 'number' }),
    createdAt: createdAt(),
  },
  // a name belongs to one run at a time, and for good once it is published
  (table) => [uniqueIndex().on(table.modelName).where(sql`status NOT IN ('failed', 'cancelled')`)],
)

export const trainingMetrics = pgTable(
  'training_metrics',
  {
    runId: text('run_id')
      .notNull()
      .references(() => trainingRuns.id),
    step: integer('step').notNull(),
    trainingLoss: real('training_loss').notNull(),
    validationLoss: real('validation_loss'),
    tokensPerSecond: real('tokens_per_second').notNull(),
  },
  (table) => [primaryKey({ columns: [table.runId, table.step] })],
)

/** A published model; its id is the one on chain. */
export const models = pgTable('models', {
  id: bigint('id', { mode: 'bigint' }).primaryKey(),
  name: text('name').notNull().unique(),
  owner: text('owner').notNull(),
  trainingRunId: text('training_run_id')
    .notNull()
    .references(() => trainingRuns.id),
  inputPriceWei: wei('input_price_wei').notNull(),
  outputPriceWei: wei('output_price_wei').notNull(),
  influenceBps: integer('influence_bps').notNull(),
  spansBps: integer('spans_bps').notNull(),
  transactionHash: text('transaction_hash').notNull(),
  createdAt: createdAt(),
})

/** Keys of the OpenAI-compatible interface; only the SHA-256 of a secret is kept. */
export const apiKeys = pgTable(
  'api_keys',
  {
    id: text('id').primaryKey(),
    secretHash: text('secret_hash').notNull().unique(),
    name: text('name').notNull(),
    account: text('account').notNull(),
    limitWei: wei('limit_wei').notNull(),
    spentWei: wei('spent_wei').notNull().default(sql`0`),
    revoked: boolean('revoked').notNull().default(false),
    createdAt: createdAt(),
  },
  (table) => [index().on(table.account)],
)

/** Signed requests already carried out, so that none is carried out twice. */
export const usedRequests = pgTable('used_requests', {
  digest: text('digest').primaryKey(),
  deadline: bigint('deadline', { mode: 'number' }).notNull(),
})

/** What a running request may cost at most; released when it is charged, fails or is cancelled. */
export const holds = pgTable(
  'holds',
  {
    id: text('id').primaryKey(),
    account: text('account').notNull(),
    apiKeyId: text('api_key_id'),
    amountWei: wei('amount_wei').notNull(),
    createdAt: createdAt(),
  },
  (table) => [index().on(table.account)],
)

/** The node's chain of receipts. A row is written before its answer is given out. */
export const receipts = pgTable(
  'receipts',
  {
    sequence: bigint('sequence', { mode: 'number' }).primaryKey(),
    hash: text('hash').notNull().unique(),
    previousHash: text('previous_hash').notNull(),
    payer: text('payer').notNull(),
    apiKeyId: text('api_key_id'),
    modelId: bigint('model_id', { mode: 'bigint' })
      .notNull()
      .references(() => models.id),
    promptHash: text('prompt_hash').notNull(),
    answerHash: text('answer_hash').notNull(),
    inputTokens: integer('input_tokens').notNull(),
    outputTokens: integer('output_tokens').notNull(),
    feeWei: wei('fee_wei').notNull(),
    platformWei: wei('platform_wei').notNull(),
    ownerWei: wei('owner_wei').notNull(),
    stakersWei: wei('stakers_wei').notNull(),
    contributorsWei: wei('contributors_wei').notNull(),
    splitVersion: integer('split_version').notNull(),
    stakeVersion: integer('stake_version').notNull(),
    sharesRoot: text('shares_root').notNull(),
    attributionHash: text('attribution_hash').notNull(),
    inferenceCommitment: text('inference_commitment').notNull(),
    timestamp: bigint('timestamp', { mode: 'number' }).notNull(),
    signature: text('signature').notNull(),
    /** The payer's own, over the same digest; null for nearly all. */
    countersignature: text('countersignature'),
    /** The whole explained attribution (protocol's `Attribution`). */
    attribution: jsonb('attribution').$type<unknown>().notNull(),
    /** Root of the shares that the panel found instead of `sharesRoot`, once the payouts are those. */
    correctedRoot: text('corrected_root'),
    batch: bigint('batch', { mode: 'number' }),
    createdAt: createdAt(),
  },
  (table) => [index().on(table.payer), index().on(table.modelId), index().on(table.batch)],
)

/** One payee of one receipt; sums to the receipt's contributors' part. */
export const payouts = pgTable(
  'payouts',
  {
    receiptSequence: bigint('receipt_sequence', { mode: 'number' })
      .notNull()
      .references(() => receipts.sequence),
    position: integer('position').notNull(),
    beneficiary: text('beneficiary').notNull(),
    /** Null for the commons. */
    contributionId: text('contribution_id').references(() => contributions.id),
    sharePpm: integer('share_ppm').notNull(),
    amountWei: wei('amount_wei').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.receiptSequence, table.position] }),
    index().on(table.beneficiary),
    index().on(table.contributionId),
  ],
)

/**
 * A settlement transaction: prepared and stored whole before it is sent, so that a crash repeats it, never alters it. One that
 * the chain cannot take any more, because the court moved the ledger under it, is forgotten whole.
 */
export const batches = pgTable('batches', {
  number: bigint('number', { mode: 'number' }).primaryKey(),
  firstSequence: bigint('first_sequence', { mode: 'number' }).notNull(),
  lastSequence: bigint('last_sequence', { mode: 'number' }).notNull(),
  ledgerRoot: text('ledger_root').notNull(),
  ledgerSumWei: wei('ledger_sum_wei').notNull(),
  accountCount: integer('account_count').notNull(),
  receiptsRoot: text('receipts_root').notNull(),
  bodyHash: text('body_hash').notNull(),
  /** The batch whose ledger it was built on; 0 for none. */
  previousBatch: bigint('previous_batch', { mode: 'number' }).notNull(),
  /** Who posts it. */
  operator: text('operator').notNull(),
  /** Whether it credits; then the ledger root is the chain's, else it is the last one again. */
  isCredited: boolean('is_credited').notNull(),
  /** Whether the court took its credits back: they are made anew by a later batch. */
  isRewound: boolean('is_rewound').notNull().default(false),
  /** Of `Settlement.settle`: sent as it stands, but for segments that go ahead where they do not fit one transaction. */
  callData: text('call_data').notNull(),
  status: text('status', { enum: ['prepared', 'settled'] }).notNull(),
  transactionHash: text('transaction_hash'),
  /** Time of the block that settled it. */
  settledAt: bigint('settled_at', { mode: 'number' }),
  createdAt: createdAt(),
})

/** The cumulative ledger: line `index` of the Merkle-sum tree, as of the last settled batch. */
export const ledger = pgTable(
  'ledger',
  {
    index: integer('index').primaryKey(),
    account: text('account').notNull(),
    cumulativeWei: wei('cumulative_wei').notNull(),
  },
  (table) => [uniqueIndex().on(table.account)],
)

/** x402 payments, by the authorisation's nonce, so that none is taken twice. */
export const payments = pgTable(
  'payments',
  {
    payer: text('payer').notNull(),
    nonce: text('nonce').notNull(),
    scheme: text('scheme', { enum: ['exact', 'upto'] }).notNull(),
    /** What was signed for; of `upto`, once settled, what was taken. */
    amountWei: wei('amount_wei').notNull(),
    resource: text('resource').notNull(),
    status: text('status', { enum: ['verified', 'settled', 'failed'] }).notNull(),
    transactionHash: text('transaction_hash'),
    createdAt: createdAt(),
  },
  (table) => [primaryKey({ columns: [table.payer, table.nonce] })],
)

/** Small facts of a server that must survive it, e.g. how far the chain has been read. */
export const facts = pgTable('facts', { key: text('key').primaryKey(), value: jsonb('value').notNull() })
