import { join } from 'node:path'
import { openZeppelinModules, splitIntoRecords } from '@openledger/datanet'
import { type Adapter, CheckpointFolder, createTrainer, fromText, type Sequence } from '@openledger/model'
import { joinRecords, trainAdapter } from '@openledger/modelfactory'
import { Bytes, type Hex } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import { gatherCorpus, isHeldOut } from '../../scripts/baseCorpus.ts'
import { askHalfRecords } from '../attribution/HalfRecords.ts'
import { type Claim, table } from '../Claim.ts'

const ROOT = join(import.meta.dirname, '../..')
const BASE = join(ROOT, 'assets/base')
const GAIN_PERCENT_MIN = 30
/** Perplexity that the adapter may lose outside its domain. */
const LOSS_PERCENT_MAX = 15
const OUTSIDE_SEQUENCES = 64

/** Part of the answers to begun records that have to pay their author most. */
const OWN_FIRST_MIN = 0.5

/**
 * The first start's Datanet, trained on with the defaults of the page, measured on its own test records, on what the base was
 * measured on (files of other packages that neither has learned), and on whom answers to begun records pay.
 *
 * Words are settings: `npm run bench -- domain rehearsal=0.5 forgettingMax=0.15 epochs=4 learningRate=0.003`.
 */
export const claim: Claim = {
  says: 'A domain adapter lowers held-out perplexity by 30 % in minutes on two cores, loses little outside its domain, and its answers pay whom they repeat.',
  async run({ isQuick, words, say }) {
    const checkpoint = await CheckpointFolder.read(BASE)
    const tokenizer = await CheckpointFolder.readTokenizer(BASE)
    const records = openZeppelinModules()
      .slice(0, isQuick ? 6 : undefined)
      .flatMap(({ name, files }) => {
        const texts = files.flatMap(({ path, text }) => splitIntoRecords({ name: path, text }))
        return texts.map((text) => {
          const recordId = hashOf(text)
          return { recordId, contributionId: hashOf(name), clusterId: recordId, text }
        })
      })
    const config = Http.trainingConfigSchema.parse({
      ...(isQuick ? { epochs: 2 } : {}),
      ...settingsOf(words),
    })
    const began = performance.now()
    const { adapter, scale, training, test, baseTestLoss, testLoss, stepCount } = await trainAdapter(
      { checkpoint, tokenizer, records: joinRecords([records]), config, workers: 2 },
      {
        onStart: async (facts) =>
          say(`${facts.stepCount} steps, base loss ${facts.baseValidationLoss.toFixed(3)}`),
        onMetric: async ({ step, trainingLoss, validationLoss: held }) => {
          if (held !== null) say(`step ${step}: loss ${trainingLoss.toFixed(3)}, kept out ${held.toFixed(3)}`)
        },
        onCheckpoint: async () => {},
        nowMs: () => performance.now(),
        signal: new AbortController().signal,
      },
    )
    const seconds = (performance.now() - began) / 1_000

    const { files } = await gatherCorpus(join(ROOT, 'node_modules'))
    const outside = files
      .filter(isHeldOut)
      .flatMap(({ text }) => fromText(tokenizer, text, { tokensMax: config.sequenceTokens }))
      .filter((_, i) => i % 7 === 0)
      .slice(0, OUTSIDE_SEQUENCES)
    const measure = async (own: Adapter.Adapter): Promise<number> => {
      const trainer = createTrainer(checkpoint, { mode: 'lora', adapter: own, workers: 2 })
      const { loss } = await trainer.evaluate(toBatch(outside))
      await trainer.release()
      return loss
    }
    const nothing = {
      ...adapter,
      tensors: new Map([...adapter.tensors].map(([k, { a, b }]) => [k, { a, b: b.map(() => 0) }])),
    }
    const [baseOutside, ownOutside] = [await measure(nothing), await measure(adapter)]

    const paid = await askHalfRecords({ checkpoint, tokenizer, adapter, training, seed: config.seed })

    const change = (from: number, to: number) => 100 * (Math.exp(to - from) - 1)
    const gain = -change(baseTestLoss, testLoss)
    const lost = change(baseOutside, ownOutside)
    const perplexity = (loss: number) => Math.exp(loss).toFixed(2)
    return {
      figure: gain,
      unit: '% less perplexity',
      goal: GAIN_PERCENT_MIN,
      sense: 'at least',
      failures: [
        ...(lost > LOSS_PERCENT_MAX
          ? [`outside its domain it loses ${lost.toFixed(1)} %, more than ${LOSS_PERCENT_MAX} %`]
          : []),
        ...(paid.ownFirst > OWN_FIRST_MIN * paid.asked
          ? []
          : [`${paid.ownFirst} of ${paid.asked} answers to begun records pay their author most`]),
      ],
      report: `${table([
        ['measured on', 'base', 'adapter', 'change'],
        [
          `${test.length} test records of the domain`,
          perplexity(baseTestLoss),
          perplexity(testLoss),
          `${(-gain).toFixed(1)} %`,
        ],
        [
          `${outside.length} pieces of other packages`,
          perplexity(baseOutside),
          perplexity(ownOutside),
          `${lost >= 0 ? '+' : ''}${lost.toFixed(1)} %`,
        ],
      ])}\n\nPerplexity a token. ${training.length} records, ${stepCount} steps, ${Math.round(seconds)} s with two threads; it may lose ${LOSS_PERCENT_MAX} % outside. The adapter was scaled to ${scale.toFixed(2)}. ${paid.ownFirst} of ${paid.asked} answers to the first halves of learned records pay the author of the record most, ${(100 * paid.ownShare).toFixed(0)} % on average. ${words.length === 0 ? 'Settings are the defaults' : `Other settings than the defaults: ${words.join(', ')}`}.`,
    }
  },
}

const hashOf = (text: string): Hex => Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text)))

/** Reads words like `epochs=4`; the schema judges them. */
const settingsOf = (words: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(
    words.map((word) => {
      const [name = '', value = ''] = word.split('=')
      return [name, Number.isNaN(Number(value)) ? value : Number(value)]
    }),
  )

const toBatch = (sequences: readonly Sequence[]) => ({
  ids: sequences.map(({ ids }) => ids),
  lossMask: sequences.map(({ lossMask }) => lossMask),
})
