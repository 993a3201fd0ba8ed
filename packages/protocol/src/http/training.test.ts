import { expect, test } from 'vitest'
import { trainingConfigSchema, trainingEstimateQuerySchema } from './training.ts'

test('nothing said is the defaults, and the estimate goes by the same', () => {
  const config = trainingConfigSchema.parse({})
  const estimate = trainingEstimateQuerySchema.parse({ datanets: '1:1' })
  for (const name of ['epochs', 'batchSize', 'sequenceTokens', 'rank', 'rehearsal', 'method'] as const)
    expect(estimate[name]).toBe(config[name])
})

test('training a whole model is refused with the reason and what to use instead', () => {
  const { error } = trainingConfigSchema.safeParse({ method: 'full' })
  expect(error?.issues[0]?.message).toMatch(
    /^Expected the method lora or qlora, got "full"\. A run makes an adapter: .*train-full and serve it as the base/,
  )
})
