import { describe, expect, test } from 'vitest'
import type { TokenDelta } from './EngineRequest.ts'
import { createGeneration, type GenerationResult } from './Generation.ts'

const delta = (text: string): TokenDelta => ({ text, tokenId: 1, logprob: 0, top: [] })
const result = { text: 'ab', finishReason: 'stop' } as GenerationResult

describe('createGeneration', () => {
  test('gives deltas in order, those that came before the reader too', async () => {
    const { generation, push, finish } = createGeneration(() => expect.fail())
    push(delta('a'))
    const reading = Array.fromAsync(generation, ({ text }) => text)
    push(delta('b'))
    finish(result)
    expect(await reading).toEqual(['a', 'b'])
    expect(await generation.result).toBe(result)
  })

  test('tells when the reader leaves early, once', async () => {
    let left = 0
    const { generation, push } = createGeneration(() => left++)
    push(delta('a'))
    for await (const _ of generation) break
    expect(left).toBe(1)
  })

  test('fails reader and result alike', async () => {
    const { generation, push, fail } = createGeneration(() => expect.fail())
    push(delta('a'))
    fail(new Error('gone'))
    await expect(Array.fromAsync(generation)).rejects.toThrow('gone')
    await expect(generation.result).rejects.toThrow('gone')
  })
})
