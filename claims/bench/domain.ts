import { join } from 'node:path'
import {
  type Adapter,
  type Checkpoint,
  CheckpointFolder,
  createTrainer,
  fromText,
  type Sequence,
  type Tokenizer,
} from '@openledger/model'
import { Http } from '@openledger/protocol'
import { gatherCorpus, isHeldOut } from '../../scripts/baseCorpus.ts'
import { begunContracts } from '../attribution/BegunContracts.ts'
import { createWhoIsPaid } from '../attribution/WhoIsPaid.ts'
import { type Claim, table } from '../Claim.ts'
import { contributionOf, domainRecords, trainDomain } from './DomainRun.ts'

const ROOT = join(import.meta.dirname, '../..')
const BASE = join(ROOT, 'assets/base')
const GAIN_PERCENT_MIN = 30
/** Perplexity that the adapter may lose outside its domain. */
const LOSS_PERCENT_MAX = 25
const OUTSIDE_SEQUENCES = 64
const QUICK_MODULES = 3
/** Part of the answers that have to pay most whom they ought to. */
const OWN_FIRST_MIN = 0.5

/**
 * The first start's Datanet, trained on with the defaults of the page, measured on its own test records, on what the base was
 * measured on (files of other packages that neither has learned), and on whom answers to begun records and contracts pay.
 *
 * Words are settings: `npm run bench -- domain rehearsal=0.5 epochs=4 learningRate=0.003`. A run that was cut off goes on
 * from its last checkpoint.
 */
export const claim: Claim = {
  says: 'A domain adapter lowers held-out perplexity by 30 % in minutes on two cores, loses little outside its domain, and its answers pay whom they repeat.',
  async run({ isQuick, words, say }) {
    const checkpoint = await CheckpointFolder.read(BASE)
    const tokenizer = await CheckpointFolder.readTokenizer(BASE)
    const config = Http.trainingConfigSchema.parse(settingsOf(words))
    const records = domainRecords(isQuick ? QUICK_MODULES : undefined)
    const { run, forget } = await trainDomain({ checkpoint, tokenizer, records, config }, say)
    const { adapter, scale, training, test, baseTestLoss, testLoss, stepCount, seconds } = run
    const outside = await piecesOfOtherPackages(tokenizer, config.sequenceTokens)
    const baseOutside = await lossOf(checkpoint, withoutEffect(adapter), outside)
    const ownOutside = await lossOf(checkpoint, adapter, outside)
    const payer = await createWhoIsPaid({ checkpoint, tokenizer, adapter, training, seed: config.seed })
    const halves = await payer.halfRecords()
    const learned = new Set(training.map(({ contributionId }) => contributionId))
    const begun = await payer.begun(
      begunContracts
        .map(([module, prompt]) => [contributionOf(module), prompt] as const)
        .filter(([contributionId]) => learned.has(contributionId)),
    )
    await payer.release()
    forget()

    const change = (from: number, to: number) => 100 * (Math.exp(to - from) - 1)
    const gain = -change(baseTestLoss, testLoss)
    const lost = change(baseOutside, ownOutside)
    const perplexity = (loss: number) => Math.exp(loss).toFixed(2)
    const paid = [
      ['the first halves of learned records', halves],
      ['contracts begun as a person would', begun],
    ] as const
    return {
      figure: gain,
      unit: '% less perplexity',
      goal: GAIN_PERCENT_MIN,
      sense: 'at least',
      failures: [
        ...(lost > LOSS_PERCENT_MAX
          ? [`outside its domain it loses ${lost.toFixed(1)} %, more than ${LOSS_PERCENT_MAX} %`]
          : []),
        ...paid.flatMap(([name, { ownFirst, asked }]) =>
          ownFirst > OWN_FIRST_MIN * asked
            ? []
            : [`${ownFirst} of ${asked} answers to ${name} pay most whom they ought to`],
        ),
      ],
      report: [
        table([
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
        ]),
        table([
          ['answers to', 'asked', 'pay most whom they ought to', 'and that contributor on average'],
          ...paid.map(([name, { asked, ownFirst, ownShare }]) => [
            name,
            asked,
            ownFirst,
            `${(100 * ownShare).toFixed(0)} %`,
          ]),
        ]),
        `Perplexity a token. ${training.length} records, ${stepCount} steps, ${Math.round(seconds)} s with two threads; it may lose ${LOSS_PERCENT_MAX} % outside. The adapter was scaled to ${scale.toFixed(2)}. ${words.length === 0 ? 'Settings are the defaults' : `Other settings than the defaults: ${words.join(', ')}`}.`,
      ].join('\n\n'),
    }
  },
}

/** Pieces of files that neither the base nor an adapter has learned. */
async function piecesOfOtherPackages(tokenizer: Tokenizer, tokensMax: number): Promise<Sequence[]> {
  const { files } = await gatherCorpus(join(ROOT, 'node_modules'))
  return files
    .filter(isHeldOut)
    .flatMap(({ text }) => fromText(tokenizer, text, { tokensMax }))
    .filter((_, i) => i % 7 === 0)
    .slice(0, OUTSIDE_SEQUENCES)
}

/** Mean loss under an adapter, in nats a token. */
async function lossOf(
  checkpoint: Checkpoint,
  adapter: Adapter.Adapter,
  sequences: readonly Sequence[],
): Promise<number> {
  const trainer = createTrainer(checkpoint, { mode: 'lora', adapter, workers: 2 })
  const { loss } = await trainer.evaluate({
    ids: sequences.map(({ ids }) => ids),
    lossMask: sequences.map(({ lossMask }) => lossMask),
  })
  await trainer.release()
  return loss
}

/** An adapter of the same shape that changes nothing: the base. */
const withoutEffect = (adapter: Adapter.Adapter): Adapter.Adapter => ({
  ...adapter,
  tensors: new Map([...adapter.tensors].map(([name, { a, b }]) => [name, { a, b: b.map(() => 0) }])),
})

/** Reads words like `epochs=4`; the schema judges them. */
const settingsOf = (words: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(
    words.map((word) => {
      const [name = '', value = ''] = word.split('=')
      return [name, Number.isNaN(Number(value)) ? value : Number(value)]
    }),
  )
