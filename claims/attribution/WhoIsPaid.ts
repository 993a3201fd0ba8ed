import {
  type Adapter,
  type Checkpoint,
  createGradients,
  createScorer,
  type Tokenizer,
} from '@openledger/model'
import { createDecoder, type Decoder } from '@openledger/model/decoder/Decoder'
import { buildIndexes } from '@openledger/modelfactory/AttributionIndexes'
import type { TrainingRecord } from '@openledger/modelfactory/TrainingPlan'
import { loadAttributionIndex } from '@openledger/openlora/attribution/AttributionIndex'
import { createAttributor } from '@openledger/openlora/attribution/Attributor'
import type { Hex } from '@openledger/primitives'

/** Records of a contribution that are begun. */
const RECORDS_EACH = 3
/** Their tokens: room for a prompt and an answer that say something. */
const TOKENS = { min: 60, max: 400 }
const ANSWER_TOKENS = { halfRecord: 48, begun: 64 }
const COMMONS: Hex = `0x${'c0'.repeat(20)}`

/** Who is paid for answers to prompts that begin what one contribution says. */
export type Paid = {
  readonly asked: number
  /** Answers that pay that contribution more than any other. */
  readonly ownFirst: number
  /** What it is paid, as a part of an answer's shares and commons, on average. */
  readonly ownShare: number
}

type Question = { readonly contributionId: Hex; readonly promptIds: readonly number[] }

/** An adapter with the product's own indexes and payout rule, to be asked whom its answers pay. */
export type WhoIsPaid = {
  /**
   * Goes on with the first halves of records that it learned: an adapter that learned them says what they say, and an honest
   * attribution then pays who wrote them.
   */
  readonly halfRecords: () => Promise<Paid>
  /** Answers prompts, each with the contribution that it ought to pay. */
  readonly begun: (prompts: readonly (readonly [contributionId: Hex, prompt: string])[]) => Promise<Paid>
  readonly release: () => Promise<void>
}

/** Indexes what an adapter was trained on. Every answer takes the likeliest token, as a caller with temperature 0 has it. */
export async function createWhoIsPaid({
  checkpoint,
  tokenizer,
  adapter,
  training,
  seed,
}: {
  readonly checkpoint: Checkpoint
  readonly tokenizer: Tokenizer
  readonly adapter: Adapter.Adapter
  readonly training: readonly TrainingRecord[]
  readonly seed: number
}): Promise<WhoIsPaid> {
  const built = await buildIndexes(
    { checkpoint, tokenizer, adapter, records: training, seed },
    { onProgress: () => {}, signal: new AbortController().signal },
  )
  const blobs = new Map(Object.entries({ i: built.influence, s: built.spans, r: built.records }))
  const reference = { influenceCid: 'i', spansCid: 's', recordsCid: 'r', attributionRoot: built.root }
  const { value: index } = await loadAttributionIndex(reference, async (cid) => blobs.get(cid)!)
  const context = checkpoint.config.contextMax
  const decoder = await createDecoder(checkpoint, { rows: 1, context, rankMax: adapter.rank })
  const gradients = createGradients(checkpoint, adapter, { batchSize: 1 })
  const scorer = createScorer(checkpoint, undefined)
  const { attribute } = createAttributor({
    checkpoint,
    tokenizer,
    decoder,
    scorer,
    gradients,
    adapters: { acquire: async () => adapter, release: () => {} },
    indexes: { acquire: async () => index, release: () => {} },
  })
  const ask = async (questions: readonly Question[], tokensMax: number): Promise<Paid> => {
    const found = { asked: 0, ownFirst: 0, ownShare: 0 }
    for (const { contributionId, promptIds } of questions) {
      const answerIds = await answer(decoder, adapter, promptIds, { tokensMax, endId: tokenizer.eosId })
      if (answerIds.length === 0) continue
      const { attribution } = await attribute({
        model: {
          adapter: { cid: 'a', hash: adapter.hash },
          index: reference,
          policy: { influenceBps: 5_000, spansBps: 5_000 },
          commons: COMMONS,
        },
        promptIds,
        answerIds,
        text: tokenizer.decode(answerIds),
        excludedContributions: [],
      })
      const [first] = [...attribution.shares].sort((a, b) => b.sharePpm - a.sharePpm)
      const own = attribution.shares.find((share) => share.contributionId === contributionId)
      found.asked++
      if (first !== undefined && first.contributionId === contributionId) found.ownFirst++
      found.ownShare += (own?.sharePpm ?? 0) / 1e6
    }
    return { ...found, ownShare: found.ownShare / Math.max(1, found.asked) }
  }
  return {
    halfRecords: () =>
      ask(
        chosen(tokenizer, training).map(({ contributionId, text }) => {
          const ids = tokenizer.encode(text)
          return { contributionId, promptIds: [tokenizer.bosId, ...ids.slice(0, ids.length >> 1)] }
        }),
        ANSWER_TOKENS.halfRecord,
      ),
    begun: (prompts) =>
      ask(
        prompts.map(([contributionId, prompt]) => ({
          contributionId,
          promptIds: [tokenizer.bosId, ...tokenizer.encode(prompt)],
        })),
        ANSWER_TOKENS.begun,
      ),
    async release() {
      await decoder.release()
      await gradients.release()
      await scorer.release()
    },
  }
}

/** Some records of each contribution, chosen by their hashes. */
function chosen(tokenizer: Tokenizer, training: readonly TrainingRecord[]): TrainingRecord[] {
  const ofContribution = Map.groupBy(training, ({ contributionId }) => contributionId)
  return [...ofContribution.values()].flatMap((records) =>
    records
      .filter(({ text }) => {
        const { length } = tokenizer.encode(text)
        return length >= TOKENS.min && length <= TOKENS.max
      })
      .sort((a, b) => (a.recordId < b.recordId ? -1 : 1))
      .slice(0, RECORDS_EACH),
  )
}

async function answer(
  decoder: Decoder,
  adapter: Adapter.Adapter,
  promptIds: readonly number[],
  { tokensMax, endId }: { readonly tokensMax: number; readonly endId: number },
): Promise<number[]> {
  decoder.setAdapter(0, adapter)
  const ids: number[] = []
  let logits = await decoder.prefill(0, promptIds)
  for (;;) {
    let best = 0
    for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i
    if (best === endId) break
    ids.push(best)
    if (ids.length === tokensMax) break
    logits = (await decoder.step([best]))[0]!
  }
  decoder.free(0)
  return ids
}
