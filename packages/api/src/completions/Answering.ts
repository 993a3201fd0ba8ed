import type {
  GenerateRequest,
  GenerationResult,
  OpenLora,
  Passage,
  Prepared,
  TokenDelta,
} from '@openledger/openlora'
import { BaseError, Bytes, type Clock, type Hex } from '@openledger/primitives'
import { Attribution, FeeSplit, type Http } from '@openledger/protocol'
import { type Hold, ModelRetiredError, type ModelTerms, type Settlement } from '@openledger/settlement'
import type { Blobs, Database } from '@openledger/store'
import { ownContributions } from './ownContributions.ts'
import { assertMayQuote, findPassages } from './Passages.ts'

/** What selling answers needs to know of a published model. */
export type AnsweringModel = {
  readonly modelId: bigint
  readonly adapterCid: string
  readonly adapterHash: Hex
  readonly recordsCid: string
  readonly influenceCid: string
  readonly spansCid: string
  readonly influenceBps: number
  readonly spansBps: number
  readonly agreementPpm: number
}

/** What makes answers and says what shaped them. */
export type Serving = Pick<OpenLora, 'prepare' | 'generate' | 'attribute' | 'embed'> & {
  readonly tokenizer: Pick<OpenLora['tokenizer'], 'decode' | 'bytes' | 'encode'>
}

/** One model that is paid for an answer. */
export type Sold = {
  readonly model: AnsweringModel
  readonly terms: ModelTerms
  /** Where several answer together: how much of the answer is this one's, in millionths. */
  readonly weightPpm?: number
}

/** A request with its price: nothing has been paid, nothing runs. */
export type Quote = {
  readonly prepared: Prepared
  /** In the order of the request; one but where several answer together. */
  readonly sold: readonly Sold[]
  /** Prompt tokens that are charged: none where another answer to the same prompt is charged for them. */
  readonly inputTokens: number
  /** The most that the request can cost. */
  readonly maxWei: bigint
}

export type Payer = {
  readonly account: Hex
  readonly apiKeyId?: string
  /** Prepays the fee once it is known; without it the most that an answer can cost must be prepaid before. */
  readonly pay?: (feeWei: bigint) => Promise<unknown>
}

/** An answer as its payer gets it. */
export type Delivered = GenerationResult & {
  /** Where the prompt was given with some. */
  readonly passages?: readonly Passage[]
}

export type AnswerEvent =
  | { readonly kind: 'delta'; readonly delta: TokenDelta }
  | ({ readonly kind: 'done'; readonly result: Delivered } & Charged)

/** What an answer was charged by. */
export type Charged = {
  readonly receipt: Http.SignedReceipt
  /** Of the other models, where several answered together. */
  readonly mergedReceipts?: readonly Http.SignedReceipt[]
}

export type AnswerOptions = {
  readonly signal: AbortSignal
  /** True when the caller sees tokens as they come, so that an answer cut short was delivered in part. */
  readonly isStreamed: boolean
}

export type Answering = {
  /**
   * @param passages - Ids of the records that the prompt is given with.
   * @throws {PublishedModelNotFoundError} {ModelRetiredError} {PassageNotFoundError} and what `prepare` refuses.
   */
  readonly quote: (request: GenerateRequest, passages?: readonly Hex[]) => Promise<Quote>
  /**
   * Makes an answer and charges for it: hold, generate, attribute, receipt.
   *
   * The last token comes after the receipt is stored. A caller who leaves is charged for what was delivered; a failure
   * before anything was delivered costs nothing. Iterate to the end.
   */
  readonly answer: (quote: Quote, payer: Payer, options: AnswerOptions) => AsyncGenerator<AnswerEvent>
  /** @throws what `quote` throws. */
  readonly quoteEmbeddings: (
    model: string,
    inputs: readonly GenerateRequest['prompt'][],
  ) => Promise<EmbeddingQuote>
  /**
   * Embeds texts and charges for their tokens, in one receipt.
   *
   * No estimator measures which records shaped a vector, so that the contributors' part goes to the commons.
   */
  readonly embed: (quote: EmbeddingQuote, payer: Payer) => Promise<Embeddings>
  /**
   * Prices the attribution of a text that was made elsewhere, as if the model had answered it.
   * @throws {GivenTextSizeError} and what `quote` throws.
   */
  readonly quoteText: (
    request: GenerateRequest,
    text: string,
    passages?: readonly Hex[],
  ) => Promise<TextQuote>
  /**
   * Says which records shaped a text that was made elsewhere, charges for it and pays them; nothing is generated, and the
   * text is not remembered as an answer.
   */
  readonly attributeText: (quote: TextQuote, payer: Payer) => Promise<Attributed>
}

/** A text to attribute, with its price. */
export type TextQuote = Quote & { readonly text: string; readonly answerIds: readonly number[] }

export type Attributed = { readonly result: Delivered } & Charged

/** An answer as it is charged for. */
type Chargeable = { readonly textFrom?: 'caller' } & Pick<
  Delivered,
  'promptIds' | 'answerIds' | 'text' | 'promptText' | 'outputTokens' | 'passages' | 'decoding'
>

/** Texts to embed with their price. */
export type EmbeddingQuote = Pick<Quote, 'sold' | 'maxWei'> & {
  readonly prepared: readonly Prepared[]
}

/** Vectors in the order of the texts. */
export type Embeddings = {
  readonly vectors: readonly Float32Array[]
  readonly receipt: Http.SignedReceipt
  /** What `answerHash` is of. */
  readonly answer: string
}

/** The policy that is signed: the agreement counts only where it was measured. */
export const policyOf = ({ influenceBps, spansBps, agreementPpm }: AnsweringModel) => ({
  influenceBps,
  spansBps,
  ...(agreementPpm === 0 ? {} : { agreementPpm }),
})

const hashText = (text: string): Hex => Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text)))

/** Creates the one way in which answers are sold. */
export function createAnswering(deps: {
  readonly database: Database
  readonly settlement: Pick<Settlement, 'accounts' | 'contract' | 'receipts'>
  readonly serving: Serving
  /** Keeps the evidence of every answer. */
  readonly blobs: Pick<Blobs, 'put'>
  readonly findModel: (name: string) => Promise<AnsweringModel | undefined>
  readonly followBeneficiaries: () => Promise<void>
  /** Keeps what was answered from being contributed as something new. */
  readonly rememberAnswer: (answer: { promptText: string; text: string; startedAt: Date }) => Promise<void>
  /** Whether an account may read all texts of a Datanet, whatever their licence. */
  readonly mayReadAll: (account: Hex, datanetId: bigint) => Promise<boolean>
  readonly clock: Clock
}): Answering {
  const { database, settlement, serving, blobs, findModel, rememberAnswer, clock } = deps

  /** Says what of an answer one model's receipt is for, and keeps the evidence that it names. */
  async function partOf(
    { sold, inputTokens }: Pick<Quote, 'sold' | 'inputTokens'>,
    { textFrom, ...result }: Chargeable,
    index: number,
    excludedContributions: readonly Hex[],
  ) {
    const { model, terms } = sold[index]!
    const { influenceCid, spansCid, recordsCid } = model
    const { promptIds, answerIds, text, promptText, outputTokens, passages, decoding } = result
    const merge = mergeOf(sold, { inputTokens, outputTokens }, index)
    const parts = sold.map((one) => ({ ...adapterOf(one), weightPpm: one.weightPpm! }))
    const { attribution, evidence, inferenceCommitment } = await serving.attribute({
      model: {
        adapter: adapterOf(sold[index]!),
        index: { influenceCid, spansCid, recordsCid, attributionRoot: terms.attributionRoot },
        policy: policyOf(model),
        commons: terms.commons,
      },
      promptIds,
      answerIds,
      text,
      excludedContributions,
      ...(passages === undefined ? {} : { context: { promptText, passages } }),
      ...(decoding === undefined ? {} : { decoding }),
      ...(merge === undefined ? {} : { merge: { parts, index } }),
    })
    // before the receipt that names it
    await blobs.put(evidence)
    return {
      modelId: model.modelId,
      attribution: {
        ...attribution,
        ...(textFrom === undefined ? {} : { textFrom }),
        ...(merge === undefined ? {} : { merge }),
      },
      inferenceCommitment,
      promptHash: hashText(promptText),
      answerHash: hashText(text),
      ...tokensOf(sold[index]!, { inputTokens, outputTokens }),
      feeWei: feeOf([sold[index]!], { inputTokens, outputTokens }),
    }
  }

  async function charge(
    quote: Pick<Quote, 'sold' | 'inputTokens'>,
    held: Hold,
    result: Chargeable,
    pay?: Payer['pay'],
  ): Promise<Charged> {
    const excluded = await ownContributions(deps, held.account)
    const parts = await Promise.all(quote.sold.map((_, index) => partOf(quote, result, index, excluded)))
    let hold = held
    if (pay !== undefined) {
      const { inputTokens } = quote
      const feeWei = feeOf(quote.sold, { inputTokens, outputTokens: result.outputTokens })
      // held before it comes, so that nothing else of the payer's spends it
      hold = await settlement.accounts.change(held, feeWei)
      await pay(feeWei)
    }
    const [receipt, ...mergedReceipts] = await settlement.receipts.nextReceipts(hold, parts)
    return { receipt: receipt!, ...(mergedReceipts.length === 0 ? {} : { mergedReceipts }) }
  }

  async function termsOf(name: string): Promise<Sold> {
    const model = await findModel(name)
    if (model === undefined) throw new PublishedModelNotFoundError(name)
    const terms = await settlement.contract.modelTerms(model.modelId)
    if (terms.isRetired) throw new ModelRetiredError(model.modelId)
    return { model, terms }
  }

  /** What is given with a prompt comes back with the answer. */
  const assertMayUse = ({ request }: Prepared, { account }: Payer): Promise<void> =>
    assertMayQuote(
      database,
      { account, recordIds: request.passages?.map(({ recordId }) => recordId) ?? [] },
      deps.mayReadAll,
    )

  const quote: Answering['quote'] = async (request, recordIds = []) => {
    const merged = request.adapters ?? []
    const sold =
      merged.length === 0
        ? [await termsOf(request.model)]
        : await Promise.all(
            merged.map(async ({ name, weightPpm }) => ({ ...(await termsOf(name)), weightPpm })),
          )
    const passages = await findPassages(database, recordIds)
    const prepared = await serving.prepare(passages.length === 0 ? request : { ...request, passages })
    return priced({ prepared, sold, inputTokens: prepared.promptIds.length })
  }

  return {
    quote,
    async quoteText(request, text, recordIds = []) {
      const answerIds = serving.tokenizer.encode(text)
      const quoted = await quote({ ...request, outputTokensMax: answerIds.length }, recordIds)
      const room = quoted.prepared.outputTokensMax
      if (room < answerIds.length) throw new GivenTextSizeError(room, answerIds.length)
      return { ...quoted, text, answerIds }
    },
    async attributeText(quoted, payer) {
      const { prepared, text, answerIds, maxWei } = quoted
      await assertMayUse(prepared, payer)
      const hold = await settlement.accounts.hold({ ...payer, amountWei: maxWei })
      try {
        const { promptIds, promptText } = prepared
        const result: Delivered = {
          text,
          answerIds,
          promptIds,
          promptText,
          ...passagesOf(prepared),
          inputTokens: promptIds.length,
          outputTokens: answerIds.length,
          finishReason: 'stop',
        }
        return { result, ...(await charge(quoted, hold, { ...result, textFrom: 'caller' })) }
      } finally {
        // does nothing once it is charged
        await settlement.accounts.release(hold.id)
      }
    },
    async quoteEmbeddings(name, inputs) {
      const sold = await termsOf(name)
      const prepared = await Promise.all(
        inputs.map((prompt) => serving.prepare({ model: name, caller: '', prompt, outputTokensMax: 1 })),
      )
      const inputTokens = prepared.reduce((sum, { promptIds }) => sum + promptIds.length, 0)
      return { prepared, sold: [sold], maxWei: feeOf([sold], { inputTokens, outputTokens: 0 }) }
    },
    async embed(quote, payer) {
      const { prepared, maxWei } = quote
      const hold = await settlement.accounts.hold({ ...payer, amountWei: maxWei })
      try {
        const vectors = await serving.embed(prepared)
        const answer = JSON.stringify(vectors.map(toBase64))
        const promptIds = prepared.flatMap((one) => one.promptIds)
        const { receipt } = await charge({ ...quote, inputTokens: promptIds.length }, hold, {
          promptIds,
          promptText: JSON.stringify(prepared.map(({ promptText }) => promptText)),
          answerIds: [],
          text: answer,
          outputTokens: 0,
        })
        return { vectors, receipt, answer }
      } finally {
        // does nothing once it is charged
        await settlement.accounts.release(hold.id)
      }
    },
    async *answer(quote, { pay, ...payer }, { signal, isStreamed }) {
      await assertMayUse(quote.prepared, payer)
      const amountWei = pay === undefined ? quote.maxWei : 0n
      const hold = await settlement.accounts.hold({ ...payer, amountWei })
      const startedAt = new Date(clock.nowMs())
      let isOver = false
      const seen: TokenDelta[] = []
      try {
        const generation = serving.generate(quote.prepared, { signal })
        // as soon as it is whole: a caller who reads slowly must not be the first to register it
        const remembered = generation.result.then(({ promptText, text }) =>
          rememberAnswer({ promptText, text, startedAt }),
        )
        remembered.catch(() => {})
        for await (const delta of generation) {
          const before = seen.at(-1)
          seen.push(delta)
          if (before !== undefined) yield { kind: 'delta', delta: before }
        }
        const result: Delivered = { ...(await generation.result), ...passagesOf(quote.prepared) }
        const isDelivered = result.finishReason !== 'cancelled' || (isStreamed && result.outputTokens > 0)
        if (!isDelivered) return
        await remembered
        const charged = await charge(quote, hold, result, pay)
        isOver = true
        const last = seen.at(-1)
        if (last !== undefined) yield { kind: 'delta', delta: last }
        yield { kind: 'done', result, ...charged }
      } catch (error) {
        // the last delta never left; what came before it was delivered and is charged for if that still works
        const delivered = isStreamed && !isOver ? deliveredOf(quote, seen.slice(0, -1)) : undefined
        if (delivered !== undefined) {
          await rememberAnswer({ ...delivered, startedAt }).catch(() => {})
          await charge(quote, hold, delivered).then(
            () => {
              isOver = true
            },
            () => {},
          )
        }
        throw error
      } finally {
        if (!isOver) await settlement.accounts.release(hold.id)
      }
    },
  }
}

/** Writes a vector as OpenAI does: float32, little-endian, in base64. */
export const toBase64 = ({ buffer, byteOffset, byteLength }: Float32Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64')

function priced(quote: Omit<Quote, 'maxWei'>): Quote {
  const { prepared, sold, inputTokens } = quote
  return { ...quote, maxWei: feeOf(sold, { inputTokens, outputTokens: prepared.outputTokensMax }) }
}

/** Tokens of an answer, of the prompt those that are charged. */
type Tokens = { readonly inputTokens: number; readonly outputTokens: number }

/** What of an answer's tokens one model is paid for. */
export const tokensOf = ({ weightPpm }: Sold, { inputTokens, outputTokens }: Tokens): Tokens =>
  weightPpm === undefined
    ? { inputTokens, outputTokens }
    : {
        inputTokens: Attribution.mergedTokens(inputTokens, weightPpm),
        outputTokens: Attribution.mergedTokens(outputTokens, weightPpm),
      }

/** What an answer costs: each model's price for its part of the tokens. */
const feeOf = (sold: readonly Sold[], tokens: Tokens): bigint =>
  sold.reduce((sum, one) => {
    const { inputTokens, outputTokens } = tokensOf(one, tokens)
    return sum + FeeSplit.feeWei(inputTokens, outputTokens, one.terms.inputPriceWei, one.terms.outputPriceWei)
  }, 0n)

/** What a receipt says of the models that answered together. */
const mergeOf = (sold: readonly Sold[], tokens: Tokens, index: number): Attribution.Merge | undefined =>
  sold[index]!.weightPpm === undefined
    ? undefined
    : {
        models: sold.map(({ model, weightPpm }) => ({
          modelId: model.modelId.toString(),
          weightPpm: weightPpm!,
        })),
        index,
        ...tokens,
      }

const adapterOf = ({ model }: Sold) => ({ cid: model.adapterCid, hash: model.adapterHash })

/**
 * Makes several answers of one request: the first is charged for the prompt, which is read once, and each draws with a seed
 * of its own.
 */
export function choicesOf(quote: Quote, count: number): Quote[] {
  if (count === 1) return [quote]
  const { prepared } = quote
  return Array.from({ length: count }, (_, i) =>
    priced({
      ...quote,
      inputTokens: i === 0 ? quote.inputTokens : 0,
      prepared: {
        ...prepared,
        request: { ...prepared.request, isShared: true },
        sampling: { ...prepared.sampling, seed: prepared.sampling.seed + i },
      },
    }),
  )
}

/** The passages that a prompt was given with, as a field where there are any. */
const passagesOf = ({ request: { passages } }: Prepared): Pick<Delivered, 'passages'> =>
  passages === undefined ? {} : { passages }

/** Puts together what a caller had received when an answer broke off; nothing when that was nothing. */
function deliveredOf({ prepared }: Quote, deltas: readonly TokenDelta[]): Delivered | undefined {
  const answerIds = deltas.flatMap(({ tokenId }) => (tokenId === null ? [] : [tokenId]))
  if (answerIds.length === 0) return undefined
  const { promptIds, promptText } = prepared
  return {
    ...passagesOf(prepared),
    text: deltas.map((delta) => delta.text).join(''),
    answerIds,
    promptIds,
    promptText,
    inputTokens: promptIds.length,
    outputTokens: answerIds.length,
    finishReason: 'cancelled',
  }
}

export class PublishedModelNotFoundError extends BaseError {
  constructor(name: string) {
    super({
      code: 'model.not_found',
      message: `Expected the name of a published model, got ${JSON.stringify(name.slice(0, 80))}. GET /v1/models lists them.`,
      context: { name: name.slice(0, 80), param: 'model' },
    })
  }
}

export class GivenTextSizeError extends BaseError {
  constructor(room: number, tokens: number) {
    super({
      code: 'request.text_size',
      message: `Expected a text of at most ${room} tokens after this prompt, got ${tokens}. Attribute it in parts, each with what stands before it as its prompt.`,
      context: { room, tokens, param: 'text' },
    })
  }
}
