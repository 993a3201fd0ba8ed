import { BaseError, Bytes, CanonicalJson, type Hex, MerkleSum } from '@openledger/primitives'
import { Attribution, type Deployment, FeeSplit, type Http, Receipt, TypedData } from '@openledger/protocol'
import { and, asc, type Database, desc, eq, lt, type Orm, schema } from '@openledger/store'
import type { LocalAccount } from 'viem'
import { charge, type Hold, InsufficientBalanceError, unsettledWei } from './Accounts.ts'
import type { AnswerTerms, ChainPrepaid, Contract } from './Contract.ts'
import { type AttributionDraft, payOut } from './PayOut.ts'

const { batches, models, payouts, receipts } = schema

/** One delivered answer, to be charged and paid out. */
export type Answer = {
  readonly hold: Hold
  readonly modelId: bigint
  readonly promptHash: Hex
  readonly answerHash: Hex
  readonly inputTokens: number
  readonly outputTokens: number
  /** At the price that the caller was quoted. */
  readonly feeWei: bigint
  readonly inferenceCommitment: Hex
  readonly attribution: AttributionDraft
}

/** What one receipt of an answer is for. */
export type AnswerPart = Omit<Answer, 'hold'>

export type ReceiptFilter = {
  readonly payer?: Hex
  readonly modelName?: string
  /** Only receipts with a lower sequence. */
  readonly before?: number
  readonly limit: number
}

export type Receipts = {
  /**
   * Charges an answer, splits its fee, signs the receipt and stores it all durably, in one transaction.
   *
   * When this returns, the receipt survives a crash; until then the caller must not see the answer's end.
   * @throws {InsufficientBalanceError} when the payer took the money away meanwhile.
   * @throws {ModelRetiredError} when the model's owner did so with the model.
   * @throws {HoldGoneError} | {HoldExceededError} | {SharesSumError}; nothing has changed in any of these cases.
   */
  readonly nextReceipt: (answer: Answer) => Promise<Http.SignedReceipt>
  /** Does the same for an answer that several models made together, all or none: one hold pays a receipt for each. */
  readonly nextReceipts: (hold: Hold, parts: readonly AnswerPart[]) => Promise<Http.SignedReceipt[]>
  readonly get: (sequence: number) => Promise<Http.SignedReceipt | undefined>
  /** @throws {ReceiptNotFoundError} */
  readonly require: (sequence: number) => Promise<Http.SignedReceipt>
  /**
   * Proves that a settled receipt is in its batch.
   * @throws {ReceiptNotFoundError} | {ReceiptNotSettledError}
   */
  readonly inclusion: (sequence: number) => Promise<Http.Inclusion>
  /** Lists what was paid to keep adapters in memory beyond a time, the latest of a model last; `secondsMax` was the longest. */
  readonly pins: (
    nowSeconds: number,
    secondsMax: number,
  ) => Promise<{ readonly modelName: string; readonly sequence: number; readonly pin: Attribution.Pin }[]>
  /** Newest first. */
  readonly list: (filter: ReceiptFilter) => Promise<Http.SignedReceipt[]>
}

/** How often the chain may make a block between reading it and storing a receipt. */
const TERMS_ATTEMPT_COUNT = 20

/** Creates the serving node's chain of receipts. @param onReceipt - Called after each new one is stored. */
export function createReceipts(deps: {
  readonly database: Database
  readonly contract: Pick<Contract, 'answerTerms' | 'coverage'>
  readonly operator: { readonly sign: NonNullable<LocalAccount['sign']> }
  readonly deployment: Deployment
  readonly onReceipt?: () => void
}): Receipts {
  const { database, contract, operator, deployment, onReceipt = () => {} } = deps
  const domain = TypedData.contractDomain(
    'OpenLedger Settlement',
    deployment.l2ChainId,
    deployment.l2.settlement,
  )
  // one writer: each receipt names the one before it
  let last: Promise<unknown> = Promise.resolve()
  const oneAtATime = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work)
    last = turn.catch(() => {})
    return turn
  }

  const read = (orm: Orm) =>
    orm
      .select({ receipt: receipts, modelName: models.name, settlementTransaction: batches.transactionHash })
      .from(receipts)
      .innerJoin(models, eq(models.id, receipts.modelId))
      .leftJoin(batches, and(eq(batches.number, receipts.batch), eq(batches.status, 'settled')))

  const get = async (sequence: number): Promise<Http.SignedReceipt | undefined> => {
    const [row] = await read(database.orm).where(eq(receipts.sequence, sequence))
    if (row === undefined || row.receipt.correctedRoot === null) return row && toView(row)
    const corrected = await database.orm
      .select()
      .from(payouts)
      .where(eq(payouts.receiptSequence, sequence))
      .orderBy(asc(payouts.position))
    return {
      ...toView(row),
      correctedShares: corrected.map(({ beneficiary, amountWei }) => ({
        account: beneficiary as Hex,
        amountWei: amountWei.toString(),
      })),
    }
  }

  /** Stores the receipts; nothing when the chain moved on since terms were read, so that they must be read again. */
  function issue(hold: Hold, owed: readonly Owed[], coverage: ChainPrepaid): Promise<number[] | undefined> {
    const payer = hold.account
    const feeWei = owed.reduce((sum, { part }) => sum + part.feeWei, 0n)
    return database.transaction(async (orm) => {
      let previous = await lastReceipt(orm)
      const owedWei = await unsettledWei(orm, payer, coverage.lastSequence)
      if (owedWei + feeWei > coverage.prepaidWei) {
        throw new InsufficientBalanceError(payer, coverage.prepaidWei - owedWei, feeWei)
      }
      // receipts go forward in time, and each is judged by the state at its own
      const inTime = [...owed].sort((a, b) => a.terms.timestamp - b.terms.timestamp)
      if (previous.timestamp > inTime[0]!.terms.timestamp) return undefined
      await charge(orm, hold, feeWei)
      const sequences = new Map<Owed, number>()
      for (const one of inTime) {
        previous = await store(orm, hold, one, previous)
        sequences.set(one, previous.sequence)
      }
      return owed.map((one) => sequences.get(one)!)
    })
  }

  /** Stores one receipt after the one before it. */
  async function store(
    orm: Orm,
    hold: Hold,
    { part: answer, terms }: Owed,
    previous: Pick<Link, 'sequence' | 'hash'>,
  ): Promise<Link> {
    const parts = FeeSplit.split(answer.feeWei, terms.split)
    const joinedWei = terms.hasStakers ? 0n : parts.stakersWei
    const paid = payOut(answer.attribution, parts.contributorsWei, joinedWei, terms.beneficiaries)
    const sequence = previous.sequence + 1
    const receipt: Receipt.Receipt = {
      sequence: BigInt(sequence),
      previousHash: previous.hash,
      payer: hold.account,
      modelId: answer.modelId,
      promptHash: answer.promptHash,
      answerHash: answer.answerHash,
      inputTokens: answer.inputTokens,
      outputTokens: answer.outputTokens,
      feeWei: answer.feeWei,
      splitVersion: terms.splitVersion,
      stakeVersion: terms.stakeVersion,
      sharesRoot: paid.sharesRoot,
      attributionHash: CanonicalJson.hash(paid.attribution),
      inferenceCommitment: answer.inferenceCommitment,
      timestamp: BigInt(terms.timestamp),
    }
    const hash = Receipt.hash(receipt)
    await orm.insert(receipts).values({
      ...receipt,
      sequence,
      timestamp: terms.timestamp,
      hash,
      apiKeyId: hold.apiKeyId,
      ...parts,
      stakersWei: parts.stakersWei - joinedWei,
      contributorsWei: parts.contributorsWei + joinedWei,
      signature: await operator.sign({ hash: Receipt.digest(receipt, domain) }),
      attribution: paid.attribution,
    })
    if (paid.payouts.length > 0) {
      await orm.insert(payouts).values(paid.payouts.map((row) => ({ ...row, receiptSequence: sequence })))
    }
    return { sequence, hash, timestamp: terms.timestamp }
  }

  async function nextReceipts(hold: Hold, parts: readonly AnswerPart[]): Promise<Http.SignedReceipt[]> {
    for (let attempt = 1; ; attempt++) {
      const [coverage, ...all] = await Promise.all([
        contract.coverage(hold.account),
        ...parts.map(({ modelId, attribution }) =>
          contract.answerTerms(
            modelId,
            attribution.shares.map((share) => share.contributionId),
          ),
        ),
      ])
      const owed = parts.map((part, i): Owed => {
        const terms = all[i]!
        if (terms.isRetired) throw new ModelRetiredError(part.modelId)
        return { part, terms }
      })
      const sequences = await oneAtATime(() => issue(hold, owed, coverage))
      if (sequences !== undefined) {
        onReceipt()
        return Promise.all(sequences.map(async (sequence) => (await get(sequence))!))
      }
      if (attempt === TERMS_ATTEMPT_COUNT) {
        throw new ChainBehindError(Math.min(...all.map(({ timestamp }) => timestamp)))
      }
    }
  }

  return {
    nextReceipt: async ({ hold, ...part }) => (await nextReceipts(hold, [part]))[0]!,
    nextReceipts,
    get,
    async require(sequence) {
      const receipt = await get(sequence)
      if (receipt === undefined) throw new ReceiptNotFoundError(sequence)
      return receipt
    },
    async inclusion(sequence) {
      const [found] = await database.orm
        .select({ batch: batches })
        .from(receipts)
        .innerJoin(batches, and(eq(batches.number, receipts.batch), eq(batches.status, 'settled')))
        .where(eq(receipts.sequence, sequence))
      if (found === undefined) {
        if ((await get(sequence)) === undefined) throw new ReceiptNotFoundError(sequence)
        throw new ReceiptNotSettledError(sequence)
      }
      const { number, firstSequence, receiptsRoot } = found.batch
      const rows = await database.orm
        .select()
        .from(receipts)
        .where(eq(receipts.batch, number))
        .orderBy(asc(receipts.sequence))
      const tree = MerkleSum.build(rows.map((row) => Receipt.leaf(toReceipt(row), row.signature as Hex)))
      const index = sequence - firstSequence
      return {
        batch: number,
        receiptsRoot: receiptsRoot as Hex,
        receiptCount: rows.length,
        index,
        siblings: MerkleSum.prove(tree, index).map(({ hash, sum }) => ({
          hash: Bytes.toHex(hash),
          sum: sum.toString(),
        })),
        feesWei: tree.root.sum.toString(),
      }
    },
    async pins(nowSeconds, secondsMax) {
      const { rows } = await database.run(
        `SELECT model.name AS model, receipt.sequence AS sequence, receipt.attribution->'pin' AS pin
         FROM receipts receipt JOIN models model ON model.id = receipt.model_id
         WHERE receipt.timestamp > $1 AND (receipt.attribution->'pin'->>'untilSeconds')::bigint > $2
         ORDER BY receipt.sequence`,
        [nowSeconds - secondsMax, nowSeconds],
      )
      return rows.map((row) => ({
        modelName: row['model'] as string,
        sequence: Number(row['sequence']),
        pin: Attribution.pinSchema.parse(row['pin']),
      }))
    },
    async list({ payer, modelName, before, limit }) {
      const rows = await read(database.orm)
        .where(
          and(
            payer && eq(receipts.payer, payer),
            modelName === undefined ? undefined : eq(models.name, modelName),
            before === undefined ? undefined : lt(receipts.sequence, before),
          ),
        )
        .orderBy(desc(receipts.sequence))
        .limit(limit)
      return rows.map(toView)
    },
  }
}

/** A receipt to be stored: what it is for and the chain's terms. */
type Owed = { readonly part: AnswerPart; readonly terms: AnswerTerms }
/** The end of the chain of receipts. */
type Link = { readonly sequence: number; readonly hash: Hex; readonly timestamp: number }

async function lastReceipt(orm: Orm): Promise<Link> {
  const [row] = await orm
    .select({ sequence: receipts.sequence, hash: receipts.hash, timestamp: receipts.timestamp })
    .from(receipts)
    .orderBy(desc(receipts.sequence))
    .limit(1)
  return row === undefined
    ? { sequence: 0, hash: Receipt.ZERO_HASH, timestamp: 0 }
    : { ...row, hash: row.hash as Hex }
}

const toView = (row: {
  receipt: typeof receipts.$inferSelect
  modelName: string
  settlementTransaction: string | null
}): Http.SignedReceipt => {
  const { receipt, modelName, settlementTransaction } = row
  return {
    sequence: receipt.sequence,
    hash: receipt.hash as Hex,
    previousHash: receipt.previousHash as Hex,
    payer: receipt.payer as Hex,
    modelId: receipt.modelId.toString(),
    modelName,
    promptHash: receipt.promptHash as Hex,
    answerHash: receipt.answerHash as Hex,
    inputTokens: receipt.inputTokens,
    outputTokens: receipt.outputTokens,
    feeWei: receipt.feeWei.toString(),
    platformWei: receipt.platformWei.toString(),
    ownerWei: receipt.ownerWei.toString(),
    stakersWei: receipt.stakersWei.toString(),
    contributorsWei: receipt.contributorsWei.toString(),
    splitVersion: receipt.splitVersion,
    stakeVersion: receipt.stakeVersion,
    sharesRoot: receipt.sharesRoot as Hex,
    attributionHash: receipt.attributionHash as Hex,
    inferenceCommitment: receipt.inferenceCommitment as Hex,
    timestamp: receipt.timestamp,
    signature: receipt.signature as Hex,
    ...(receipt.countersignature !== null && { countersignature: receipt.countersignature as Hex }),
    settlementTransaction: settlementTransaction as Hex | null,
    attribution: receipt.attribution as Attribution.Attribution,
  }
}

/** Reads a stored receipt in the form that is signed and settled. */
export const toReceipt = (row: typeof receipts.$inferSelect): Receipt.Receipt => ({
  sequence: BigInt(row.sequence),
  previousHash: row.previousHash as Hex,
  payer: row.payer as Hex,
  modelId: row.modelId,
  promptHash: row.promptHash as Hex,
  answerHash: row.answerHash as Hex,
  inputTokens: row.inputTokens,
  outputTokens: row.outputTokens,
  feeWei: row.feeWei,
  splitVersion: row.splitVersion,
  stakeVersion: row.stakeVersion,
  sharesRoot: row.sharesRoot as Hex,
  attributionHash: row.attributionHash as Hex,
  inferenceCommitment: row.inferenceCommitment as Hex,
  timestamp: BigInt(row.timestamp),
})

export class ChainBehindError extends BaseError {
  constructor(timestamp: number) {
    super({
      code: 'receipt.chain_behind',
      message: `Expected a chain that is not behind the last receipt, but its newest block is of ${timestamp}. Wait until it has caught up; nothing was charged.`,
      context: { timestamp },
      severity: 'retry',
    })
  }
}

export class ReceiptNotFoundError extends BaseError {
  constructor(sequence: number) {
    super({
      code: 'receipt.not_found',
      message: `Expected the sequence of a receipt, 1 for the first, but there is no receipt ${sequence}.`,
      context: { sequence },
    })
  }
}

export class ReceiptNotSettledError extends BaseError {
  constructor(sequence: number) {
    super({
      code: 'receipt.not_settled',
      message: `Expected a receipt that is on chain, but receipt ${sequence} is not settled yet. Try again in some seconds.`,
      context: { sequence },
      severity: 'retry',
    })
  }
}

export class ModelRetiredError extends BaseError {
  constructor(modelId: bigint) {
    super({
      code: 'model.retired',
      message: `Expected a model in service, but model ${modelId} was retired by its owner. Nothing was charged; choose another model.`,
      context: { modelId: modelId.toString() },
    })
  }
}
