import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { createScorer } from '../Scorer.ts'
import { createCheckpoint } from './Checkpoint.ts'
import { type LlamaConfig, parseConfig } from './Config.ts'
import * as OnnxModel from './OnnxModel.ts'

// configurations of every family, as Hugging Face writes them
const path = join(import.meta.dirname, '../../test/fixtures/families.json')
const { families } = JSON.parse(await readFile(path, 'utf8')) as {
  families: Record<string, { config: Record<string, unknown> }>
}

/** Reads tokens into a cache as any ONNX runtime would: by the names of the file alone. */
async function open(config: LlamaConfig, bytes: Uint8Array) {
  const session = await InferenceSession.create(bytes)
  const { keyValueHeads, headSize, layers } = config
  const ids64 = (rows: readonly (readonly number[])[]) =>
    new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length])
  const empty = (batch: number) =>
    new Tensor('float32', new Float32Array(0), [batch, keyValueHeads, 0, headSize])
  return async (
    ids: readonly (readonly number[])[],
    mask: readonly (readonly number[])[],
    positions: readonly (readonly number[])[],
    cache: Readonly<Record<string, Tensor>> = {},
  ) => {
    const feeds: Record<string, Tensor> = {
      input_ids: ids64(ids),
      attention_mask: ids64(mask),
      position_ids: ids64(positions),
    }
    if (!session.inputNames.includes('position_ids')) delete feeds['position_ids']
    for (let layer = 0; layer < layers; layer++) {
      for (const part of ['key', 'value'])
        feeds[`past_key_values.${layer}.${part}`] = cache[`present.${layer}.${part}`] ?? empty(ids.length)
    }
    const results = (await session.run(feeds)) as Record<string, Tensor>
    return { logits: results['logits']!, cache: results }
  }
}

/** Gives `log p` of a token after row `row`, place `at`. */
function logProbability({ data, dims }: Tensor, row: number, at: number, id: number): number {
  const [, places, width] = dims as [number, number, number]
  const scores = (data as Float32Array).subarray((row * places + at) * width, (row * places + at + 1) * width)
  const highest = Math.max(...scores)
  return scores[id]! - highest - Math.log(scores.reduce((sum, score) => sum + Math.exp(score - highest), 0))
}

test.for(Object.keys(families))(
  '%s: a file continues text as the model does, with a cache and with padding',
  async (name) => {
    const config = parseConfig(families[name]!.config)
    const checkpoint = createCheckpoint(config, 7)
    const ids = [5, 3, 9, 2, 8, 4]
    const scorer = createScorer(checkpoint, undefined)
    const expected = [...(await scorer.logProbabilities(Int32Array.from(ids)))]
    await scorer.release()
    const bytes = OnnxModel.encode(checkpoint)
    expect(Buffer.from(bytes).includes('com.microsoft')).toBe(false)
    const run = await open(config, bytes)
    const ones = ids.map(() => 1)
    const places = ids.map((_, i) => i)

    const whole = await run([ids], [ones], [places])
    const begun = await run([ids.slice(0, 4)], [ones.slice(0, 4)], [places.slice(0, 4)])
    const gone = await run([ids.slice(4)], [ones], [places.slice(4)], begun.cache)
    // the second row begins two places later, behind padding
    const padded = await run(
      [ids, [0, 0, ...ids.slice(0, 4)]],
      [ones, [0, 0, 1, 1, 1, 1]],
      [places, [0, 0, 0, 1, 2, 3]],
    )
    for (let at = 1; at < ids.length; at++) {
      const id = ids[at]!
      expect(logProbability(whole.logits, 0, at - 1, id)).toBeCloseTo(expected[at]!, 4)
      expect(logProbability(padded.logits, 0, at - 1, id)).toBeCloseTo(expected[at]!, 4)
      if (at < 4) expect(logProbability(padded.logits, 1, at + 1, id)).toBeCloseTo(expected[at]!, 4)
    }
    expect(logProbability(gone.logits, 0, 0, ids[5]!)).toBeCloseTo(expected[5]!, 4)
  },
)

test('what one file cannot hold is refused in words', () => {
  const config = parseConfig(families['llama']!.config)
  const weights = new Map([['model.norm.weight', { byteLength: 2 ** 31 } as Float32Array]])
  expect(() => OnnxModel.encode({ config, weights })).toThrow('less than 2 GB')
})
