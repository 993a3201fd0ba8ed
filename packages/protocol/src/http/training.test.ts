import { expect, test } from 'vitest'
import { trainingConfigSchema, trainingEstimateQuerySchema } from './training.ts'

test('nothing said is the defaults, and the estimate goes by the same', () => {
  const config = trainingConfigSchema.parse({})
  const estimate = trainingEstimateQuerySchema.parse({ datanets: '1:1' })
  for (const name of ['epochs', 'batchSize', 'sequenceTokens', 'rank', 'rehearsal', 'method'] as const)
    expect(estimate[name]).toBe(config[name])
})
