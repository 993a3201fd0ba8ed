import { Http } from '@openledger/protocol'
import { expect, test } from 'vitest'
import { GateClosedError, modelInputOf } from './Publication.ts'
import type { RunRow } from './Runs.ts'

const hash = `0x${'ab'.repeat(32)}`
const scores: Http.Scores = {
  exactMatchPpm: 0,
  rouge1Ppm: 0,
  rouge2Ppm: 0,
  rougeLPpm: 0,
  checksPassedPpm: null,
}

/** A trained run; what a gate does not ask for is left out. */
const runOf = (gate: Http.TrainingConfig['gate'], loss: number, previous?: number): RunRow =>
  ({
    id: 'run',
    modelName: 'model',
    owner: '0x01',
    status: 'trained',
    datanets: [],
    agreement: null,
    adapterHash: hash,
    attributionRoot: hash,
    baseHash: hash,
    influenceBps: 5_000,
    inputPriceWei: 1n,
    outputPriceWei: 1n,
    baseTestLoss: 2,
    testLoss: loss,
    config: Http.trainingConfigSchema.parse({ gate }),
    evaluation: {
      prompts: 1,
      ours: scores,
      base: scores,
      previous: previous === undefined ? null : { name: 'before', testLoss: previous },
      baseTexts: { loss: 2, baseLoss: 2 },
      judged: null,
      scale: 1,
    },
  }) as unknown as RunRow

test.each([
  ['none', 3, undefined, true],
  ['base', 1.9, undefined, true],
  ['base', 2, undefined, false],
  ['previous', 1.4, 1.5, true],
  ['previous', 1.6, 1.5, false],
  // without a predecessor, the base is what there was before
  ['previous', 1.9, undefined, true],
  ['previous', 2.1, undefined, false],
] as const)('gate %s, loss %d, predecessor %s: opens %s', (gate, loss, previous, opens) => {
  const run = runOf(gate, loss, previous)
  if (opens) expect(modelInputOf(run).name).toBe('model')
  else expect(() => modelInputOf(run)).toThrow(GateClosedError)
})

test('what was measured is part of what is published', () => {
  const [one, other] = [runOf('none', 1), runOf('none', 1, 1.2)]
  expect(modelInputOf(one).metricsHash).not.toBe(modelInputOf(other).metricsHash)
})
