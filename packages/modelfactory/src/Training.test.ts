import { decodeSpanIndex } from '@openledger/attribution'
import * as InfluenceIndex from '@openledger/attribution/influence/InfluenceIndex'
import {
  type Checkpoint,
  CheckpointFolder,
  createCheckpoint,
  createTrainer,
  fromText,
  fromWeights,
  type Tokenizer,
} from '@openledger/model'
import { Bytes, type Hex } from '@openledger/primitives'
import { Http, RecordForm, RecordTable } from '@openledger/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import { measureAgreement } from './AgreementCard.ts'
import { buildIndexes } from './AttributionIndexes.ts'
import { evaluate } from './Evaluation.ts'
import type { Judge } from './HeadToHead.ts'
import { rouge } from './Measures.ts'
import { createRetrainer } from './Retraining.ts'
import { trainAdapter } from './Training.ts'
import type { TrainingRecord } from './TrainingPlan.ts'
import type { TrainingCheckpoint, TrainingProgress } from './TrainingSteps.ts'

const BASE = new URL('../../../assets/base', import.meta.url).pathname
const hash = (text: string): Hex => Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text)))

/** Sixty short records of two kinds, from two contributors, numbered so that both kinds are validated on and tested with. */
const records: readonly TrainingRecord[] = Array.from({ length: 60 }, (_, index) => {
  const number = 340 + index
  const text =
    index % 2 === 0
      ? `function transfer${number}(address to) external returns (bool) { _transfer(msg.sender, to, ${number}); }`
      : `The owner of vault number ${number} may open it on day ${number} and not before.`
  return {
    recordId: hash(text),
    contributionId: hash(`contributor ${index % 2}`),
    clusterId: hash(text),
    text,
  }
})
const config = Http.trainingConfigSchema.parse({
  rank: 4,
  epochs: 7,
  batchSize: 8,
  sequenceTokens: 64,
  learningRate: 6e-3,
  seed: 5,
  // a model of random weights knows nothing that it could forget
  rehearsal: 0,
  forgettingMax: 100,
})

describe('training an adapter', () => {
  let checkpoint: Checkpoint
  let tokenizer: Tokenizer

  beforeAll(async () => {
    tokenizer = await CheckpointFolder.readTokenizer(BASE)
    checkpoint = createCheckpoint(
      {
        vocabularySize: tokenizer.vocabularySize,
        hiddenSize: 32,
        feedForwardSize: 64,
        layers: 1,
        heads: 2,
        keyValueHeads: 1,
        headSize: 16,
        contextMax: 64,
        ropeTheta: 10_000,
        normEpsilon: 1e-5,
        isHeadTied: true,
        bosId: tokenizer.bosId,
        eosId: tokenizer.eosId,
        padId: tokenizer.padId,
      },
      3,
    )
  })

  async function train(
    resume?: TrainingCheckpoint,
    changes: Partial<Http.TrainingConfig> = {},
    learned: readonly TrainingRecord[] = records,
    base = checkpoint,
  ) {
    const checkpoints: TrainingCheckpoint[] = []
    const metrics: TrainingProgress[] = []
    const result = await trainAdapter(
      {
        checkpoint: base,
        tokenizer,
        records: learned,
        workers: 0,
        config: { ...config, ...changes },
        ...(resume === undefined ? {} : { resume }),
      },
      {
        onStart: async () => {},
        onMetric: async (metric) => void metrics.push(metric),
        onCheckpoint: async (kept) => void checkpoints.push(kept),
        nowMs: () => 0,
        signal: new AbortController().signal,
      },
    )
    return { result, checkpoints, metrics }
  }

  test('learns, tells how it goes, and ends bit for bit the same when it goes on from a checkpoint', async () => {
    const { result, checkpoints, metrics } = await train()
    expect(result.validationLoss).toBeLessThan(result.baseValidationLoss)
    const losses = metrics.flatMap(({ validationLoss }) => validationLoss ?? [])
    expect(metrics.at(-1)!.step).toBe(result.stepCount)
    expect(result.validationLoss).toBe(Math.min(...losses))
    expect(checkpoints[0]!.step).toBe(40)
    const resumed = await train(checkpoints[0])
    expect(resumed.result.adapter.hash).toBe(result.adapter.hash)
    expect(resumed.metrics[0]!.step).toBeGreaterThan(40)
  })

  test('stops when validation records say so, keeps the best adapter, and does so again after a crash', async () => {
    // a rate at which this model soon gets worse
    const changes = { epochs: 24, learningRate: 0.1, patience: 1 }
    const { result, metrics, checkpoints } = await train(undefined, changes)
    const losses = metrics.flatMap(({ validationLoss }) => validationLoss ?? [])
    expect(result.stepCount).toBeLessThan(
      (await train(undefined, { ...changes, patience: 0 })).result.stepCount,
    )
    expect(losses.at(-1)).toBeGreaterThan(result.validationLoss)
    expect(result.validationLoss).toBe(Math.min(...losses))
    for (const kept of checkpoints) {
      const { result: again } = await train(kept, changes)
      const { stepCount, validationLoss, testLoss } = result
      expect(again).toMatchObject({ stepCount, validationLoss, testLoss })
      expect(again.adapter.hash).toBe(result.adapter.hash)
    }
  })

  const formed = (form: RecordForm.RecordForm, index: number): TrainingRecord => {
    const text = RecordForm.write(form)
    return { ...records[index]!, recordId: hash(text), clusterId: hash(text), text }
  }
  const preferences = records.map((_, i) =>
    formed(
      {
        kind: 'preference',
        prompt: `Vault ${i}? `,
        chosen: 'It is closed now.',
        rejected: 'Open it, quick!',
      },
      i,
    ),
  )
  const mixed = records.map((record, i) => {
    const forms: RecordForm.RecordForm[] = [
      { kind: 'text', text: record.text },
      { kind: 'completion', prompt: `Vault ${i} opens on day`, completion: ` ${i}.` },
      {
        kind: 'chat',
        messages: [
          { role: 'user', content: `When does vault ${i} open?` },
          { role: 'assistant', content: `On day ${i}.` },
        ],
      },
    ]
    return { ...formed(forms[i % 3]!, i), weight: i % 2 === 0 ? 1 : 1.5 }
  })
  test.for([
    ['a 4-bit base with dropout', { method: 'qlora', dropout: 0.1, isRankStabilised: true }, records],
    ['preferences', { objective: 'preference', learningRate: 2e-3 }, preferences],
    ['texts, completions and conversations in a mixture', {}, mixed],
  ] as const)('%s: learns, and goes on to the bit', async ([, changes, learned]) => {
    const { result, checkpoints } = await train(undefined, changes, learned)
    expect(result.validationLoss).toBeLessThan(result.baseValidationLoss)
    const again = await train(checkpoints[0], changes, learned)
    expect(again.result.adapter.hash).toBe(result.adapter.hash)
    const hooks = { onProgress: () => {}, signal: new AbortController().signal }
    const input = { checkpoint, tokenizer, adapter: result.adapter, records: result.training, seed: 1 }
    const influence = InfluenceIndex.decode((await buildIndexes(input, hooks)).influence)
    expect(influence.recordIds).toHaveLength(result.training.length)
  })

  test('has the adapter and the base answer what was kept out, and holds both to the checks', async () => {
    const checks: Http.Check[] = [
      { kind: 'matches', pattern: '[0-9]' },
      { kind: 'contains', text: 'never said' },
    ]
    // long enough for answers to share words with what records say
    const { result } = await train(undefined, { learningRate: 0.02, epochs: 20 })
    const { adapter, training, validation, test: kept } = result
    const input = {
      checkpoint,
      tokenizer,
      learned: { adapter },
      training,
      validation,
      test: kept,
      scale: 1,
      config: { ...config, checks },
    }
    const { signal } = new AbortController()
    const found = await evaluate({ ...input, previous: { name: 'before', adapter } }, signal)
    expect(Http.evaluationSchema.parse(found)).toEqual(found)
    expect(found.prompts).toBe(kept.length)
    expect(found.ours.rougeLPpm).toBeGreaterThan(found.base.rougeLPpm)
    expect(found.ours.checksPassedPpm).toBeLessThanOrEqual(500_000)
    // the same adapter measures the same
    expect(found.previous).toEqual({
      name: 'before',
      testLoss: expect.closeTo(result.testLoss, 6),
    })
    expect(await evaluate(input, signal)).toEqual({ ...found, previous: null })
    const likeRecord: Judge = {
      name: 'closest to the record',
      judge: async ({ reference, first, second }) => {
        const [one, two] = [first, second].map((answer) => rouge(answer, reference).longest)
        return one === two ? 'tie' : one! > two! ? 'first' : 'second'
      },
    }
    const judgedInput = {
      ...input,
      config: { ...input.config, isJudged: true },
      previous: { name: 'before', adapter },
      judge: likeRecord,
    }
    const open = kept.map((record) => ({ ...record, isOpen: true }))
    const { judged } = await evaluate({ ...judgedInput, test: open }, signal)
    expect(judged).toMatchObject({ judge: 'closest to the record', failure: null })
    const [againstBase, againstItself] = judged!.rounds
    expect(againstBase).toMatchObject({ against: 'the base', prompts: kept.length, unread: 0 })
    expect(againstBase!.wins).toBeGreaterThan(againstBase!.losses)
    expect(againstItself).toMatchObject({ against: 'before', ties: kept.length, scorePpm: 500_000 })
    // whose licence is not open is shown to nobody
    const closed = await evaluate(judgedInput, signal)
    expect(closed.judged).toMatchObject({ rounds: [], failure: expect.stringContaining('open licence') })
  })

  test('forgets less when it rehearses, and no more than is allowed', async () => {
    const [known, learned] = [1, 0].map((side) => records.filter((_, i) => i % 2 === side))
    const knownTexts = known!.map(({ text }) => fromText(tokenizer, text, { tokensMax: 64 })[0]!)
    const trainer = createTrainer(checkpoint, { mode: 'full' })
    const batch = {
      ids: knownTexts.map(({ ids }) => ids),
      lossMask: knownTexts.map(({ lossMask }) => lossMask),
    }
    for (let step = 0; step < 60; step++) await trainer.step(batch, 0.01)
    const { loss: baseLoss } = await trainer.evaluate(batch)
    const base = fromWeights(checkpoint.config, trainer.weights())
    await trainer.release()
    const { signal } = new AbortController()
    const forgottenWith = async (changes: Partial<Http.TrainingConfig>) => {
      const own = { learningRate: 0.02, epochs: 6, patience: 0, ...changes }
      const { result } = await train(undefined, own, learned, base)
      const reader = createTrainer(base, { mode: 'lora', adapter: result.adapter })
      const { loss } = await reader.evaluate(batch)
      await reader.release()
      const input = { ...result, learned: result, checkpoint: base, tokenizer, config: { ...config, ...own } }
      const { baseTexts } = await evaluate(input, signal)
      expect(result.validationLoss).toBeLessThan(result.baseValidationLoss - 0.5)
      return { ...result, ofKnown: loss - baseLoss, ofBaseTexts: baseTexts.loss - baseTexts.baseLoss }
    }
    const without = await forgottenWith({})
    const withIt = await forgottenWith({ rehearsal: 1 })
    expect(without.scale).toBe(1)
    expect(without.ofKnown).toBeGreaterThan(0.5)
    expect(withIt.ofKnown).toBeLessThan(without.ofKnown / 2)
    // what the run itself measures says the same without having seen what the base was made from
    expect(withIt.ofBaseTexts).toBeLessThan(without.ofBaseTexts / 2)
    const bounded = await forgottenWith({ forgettingMax: 0.5 })
    expect(bounded.scale).toBeLessThan(1)
    // measured on other texts than it was scaled by
    expect(bounded.ofBaseTexts).toBeLessThan(Math.log(1.5) + 0.1)
    expect(bounded.ofKnown).toBeLessThan(without.ofKnown / 2)
  })

  test('says that there are no preferences to learn', async () => {
    await expect(train(undefined, { objective: 'preference' })).rejects.toThrow('none of 60 is one')
  })

  test('goes on from where it was stopped, not from the checkpoint before', async () => {
    const { result } = await train()
    const controller = new AbortController()
    const kept: TrainingCheckpoint[] = []
    const input = { checkpoint, tokenizer, records, config, workers: 0 }
    const hooks = {
      onStart: async () => {},
      onMetric: async ({ step }: TrainingProgress) => {
        if (step === 15) controller.abort()
      },
      onCheckpoint: async (each: TrainingCheckpoint) => void kept.push(each),
      nowMs: () => 0,
    }
    await expect(trainAdapter(input, { ...hooks, signal: controller.signal })).rejects.toThrow('abort')
    expect(kept.map(({ step }) => step)).toEqual([15])
    expect((await train(kept[0])).result.adapter.hash).toBe(result.adapter.hash)
  })

  test('indexes exactly what it was trained on, and again to the same root', async () => {
    const { result } = await train()
    const input = { checkpoint, tokenizer, adapter: result.adapter, records: result.training, seed: 1 }
    const hooks = { onProgress: () => {}, signal: new AbortController().signal }
    const indexes = await buildIndexes(input, hooks)
    const influence = InfluenceIndex.decode(indexes.influence)
    const spans = decodeSpanIndex(indexes.spans)
    expect(influence.recordIds).toEqual(result.training.map(({ recordId }) => recordId))
    expect(RecordTable.decode(indexes.records).records.map(({ text }) => text)).toEqual(
      result.training.map(({ text }) => text),
    )
    const tableHash = Bytes.toHex(Bytes.sha256(indexes.records))
    expect(indexes.root).toBe(
      RecordTable.attributionRoot({ influenceRoot: influence.root, spansRoot: spans.root, tableHash }),
    )
    // equal inputs, equal commitment: an auditor can build it again
    expect((await buildIndexes(input, hooks)).root).toBe(indexes.root)
  })

  test('is repeated bit for bit where nothing is left out, and otherwise where something is', async () => {
    const own = { rehearsal: 0.2, epochs: 2, patience: 0 }
    const { result } = await train(undefined, own)
    const sequences = result.training.flatMap(({ text }) => fromText(tokenizer, text, { tokensMax: 64 }))
    const { rehearsal } = result
    const retrainer = createRetrainer(
      checkpoint,
      [...sequences, ...rehearsal.sequences],
      { ...config, ...own },
      [...sequences.map(() => 1), ...rehearsal.sequences.map(() => rehearsal.weight)],
    )
    const hashOf = async (leftOut: readonly number[]) => (await retrainer.without(new Set(leftOut))).hash
    const without = await hashOf([3, 4])
    expect(await hashOf([])).toBe(result.adapter.hash)
    expect(without).not.toBe(result.adapter.hash)
    expect(await hashOf([4, 3])).toBe(without)
    await retrainer.release()
  })

  test('measures how well the index agrees with retraining', async () => {
    const { result } = await train()
    const { adapter, training, test: kept, rehearsal } = result
    const hooks = { onProgress: () => {}, signal: new AbortController().signal }
    const indexes = await buildIndexes({ checkpoint, tokenizer, adapter, records: training, seed: 1 }, hooks)
    const input = {
      checkpoint,
      tokenizer,
      adapter,
      training,
      test: kept,
      rehearsal,
      scale: 1,
      influence: indexes.influence,
      config: { ...config, agreementRetrainings: 8 },
    }
    const card = await measureAgreement(input, hooks)
    expect(card).toMatchObject({ retrainings: 8, recordsLeftOut: 3, answers: kept.length })
    expect(card.agreementPpm).toBeGreaterThan(200_000)
    expect(card.lowPpm).toBeLessThanOrEqual(card.agreementPpm)
    expect(Http.agreementSchema.parse(card)).toEqual(card)
  })
})
