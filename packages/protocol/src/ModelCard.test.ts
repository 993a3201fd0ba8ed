import { expect, test } from 'vitest'
import * as Http from './Http.ts'
import { write, writeWhole } from './ModelCard.ts'

const hash = (byte: string): `0x${string}` => `0x${byte.repeat(32)}`
const scores = { exactMatchPpm: 40_000, rouge1Ppm: 300_000, rouge2Ppm: 100_000, rougeLPpm: 250_000 }
const run = Http.trainingRunSchema.parse({
  id: 'run',
  modelName: 'towers-1',
  owner: `0x${'01'.repeat(20)}`,
  priority: 0,
  status: 'published',
  datanets: [
    { datanetId: '1', version: 3 },
    { datanetId: '2', version: 1 },
  ],
  config: { mixture: [1, 0.5] },
  step: 70,
  stepCount: 90,
  trainingLoss: 1,
  failure: null,
  modelId: '4',

  validationLoss: 1.2,
  baseValidationLoss: 2,
  testLoss: 1,
  baseTestLoss: 2,
  createdAt: 1,
  baseHash: hash('02'),
  adapterHash: hash('03'),
  weightsHash: null,
  attributionRoot: hash('04'),
  evaluation: {
    prompts: 12,
    ours: { ...scores, checksPassedPpm: null },
    base: { ...scores, rougeLPpm: 100_000, checksPassedPpm: null },
    previous: { name: 'towers-0', testLoss: 1.5 },
    baseTexts: { loss: 2, baseLoss: 1.9 },
    judged: {
      judge: 'judge-7',
      rounds: [
        {
          against: 'base',
          prompts: 12,
          wins: 8,
          ties: 3,
          losses: 1,
          unread: 1,
          scorePpm: 791_667,
          lowPpm: 500_000,
          highPpm: 930_000,
        },
      ],
      failure: null,
    },
    scale: 0.75,
  },
})
const model = Http.modelSchema.parse({
  id: '4',
  name: run.modelName,
  owner: run.owner,
  trainingRunId: 'run',
  adapterHash: run.adapterHash,

  adapterCid: 'cid',
  datanets: run.datanets,
  inputPriceWei: '1',
  outputPriceWei: '1',
  influenceBps: 5_000,
  spansBps: 5_000,
  testLoss: 1,
  baseTestLoss: 2,
  agreement: null,
  answerCount: 0,
  earnedWei: '0',
  stakedWei: '0',
  isRetired: false,
  transactionHash: hash('05'),
  createdAt: 1,
})

test('a card says what is on chain and what was measured', () => {
  const card = write(model, run)
  for (const fact of [
    `| Base | ${hash('02')} |`,
    `| Adapter | ${hash('03')} |`,
    '| Trained on | Datanet 2, version 1 |',
    '70 steps were taken, Datanet 1 1 times, Datanet 2 0.5 times an epoch.',
    '| Perplexity | 2.72 | 7.39 | 4.48 |',
    '| ROUGE-L | 25.0 % | 10.0 % |',
    "| The owner's checks passed | not asked for | not asked for |",
    'Answers are to 12 prompts',
    'On texts that the base wrote, perplexity is 7.39 where the base has 6.69: what it forgot, scaled to 0.75 of what was learned so that it is not more.',
    'judge-7 chose between its answers and those of base to 12 prompts, each pair in both orders: 8 won, 3 tied, 1 lost; score 79.2 % (95 %: 50.0 to 93.0).',
    'was not measured.',
  ])
    expect(card).toContain(fact)
})

test('a card of a whole model says what it is not', () => {
  const whole = { ...run, adapterHash: null, attributionRoot: null, weightsHash: hash('06') }
  const card = writeWhole({ ...whole, config: { ...run.config, method: 'full' } })
  for (const fact of [
    'It is not published on chain, and no answer of it is attributed',
    `| Weights | ${hash('06')} |`,
    'All weights; likelihood of records',
    '| Perplexity | 2.72 | 7.39 | 4.48 |',
  ])
    expect(card).toContain(fact)
  expect(card).not.toContain('LoRA')
})
