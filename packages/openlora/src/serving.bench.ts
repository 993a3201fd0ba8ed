import { Adapter, createCheckpoint, createRandom, type LlamaConfig, loraTargets } from '@openledger/model'
import { createDecoder, type Decoder } from '@openledger/model/Decoder'
import { systemClock } from '@openledger/primitives'
import { expect, test } from 'vitest'
import { createEngine } from './Engine.ts'
import { GREEDY } from './Sampler.ts'

/** 5.0 million parameters. */
const config: LlamaConfig = {
  vocabularySize: 4096,
  hiddenSize: 256,
  feedForwardSize: 704,
  layers: 4,
  heads: 8,
  keyValueHeads: 4,
  headSize: 32,
  contextMax: 512,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  isHeadTied: true,
  bosId: 1,
  eosId: 2,
  padId: 0,
}
const ROWS = 16
const PROMPT_TOKENS = 64
const OUTPUT_TOKENS = 32
const REGISTERED = 1_000
const ROUNDS = 4
const REQUESTS = 96

/** Runs a closed loop of 16 callers to the end and gives answered tokens per second. */
async function serve(
  decoder: Decoder,
  adapterOf: (request: number) => Adapter.Adapter | undefined,
): Promise<number> {
  const adapters = new Map<string, Adapter.Adapter>()
  const random = createRandom(1)
  let tokens = 0
  let finished = 0
  let submitted = 0
  await new Promise<void>((resolve, reject) => {
    const engine = createEngine(
      {
        decoder,
        // no token ends an answer, so that every request costs the same
        tokenizer: { decode: (ids) => ids.map((id) => String.fromCharCode(0x4e00 + id)).join(''), eosId: -1 },
        adapters: { acquire: async ({ cid }) => adapters.get(cid)!, release: () => {} },
        clock: systemClock,
        emit: (events) => {
          for (const event of events) {
            if (event.kind === 'token') tokens++
            else if (event.kind === 'failed') reject(new Error(event.error.message))
            else if (++finished === REQUESTS) resolve()
            else if (submitted < REQUESTS) submit()
          }
        },
      },
      { waitingMax: 64, waitingPerCallerMax: 64, prefillTokensPerStepMax: 1_024 },
    )
    function submit(): void {
      const id = submitted++
      const adapter = adapterOf(id)
      if (adapter !== undefined) adapters.set(adapter.hash, adapter)
      engine.submit({
        ...{ id, caller: `caller${id % ROWS}`, stop: [], sampling: GREEDY, topLogprobs: 0 },
        promptIds: Array.from({ length: PROMPT_TOKENS }, () => random.below(config.vocabularySize)),
        adapter: adapter && { cid: adapter.hash, hash: adapter.hash },
        outputTokensMax: OUTPUT_TOKENS,
      })
    }
    started = performance.now()
    for (let i = 0; i < ROWS; i++) submit()
  })
  return tokens / ((performance.now() - started) / 1_000)
}
let started = 0

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

test('sixteen different adapters in one batch keep most of the speed of the base alone', async () => {
  const checkpoint = createCheckpoint(config, 1)
  const first = Adapter.create(config, { rank: 8, alpha: 16, targets: loraTargets, seed: 1 })
  // copies of one adapter's numbers under names of their own: a thousand different memory areas, made quickly
  const registered = Array.from({ length: REGISTERED }, (_, i): Adapter.Adapter => {
    const tensors = new Map(
      [...first.tensors].map(([name, { a, b }]) => [name, { a: a.slice(), b: b.slice() }]),
    )
    return { ...first, tensors, hash: `0x${i.toString(16).padStart(64, '0')}` }
  })
  const options = { rows: ROWS, context: 256, threads: 2 }
  const bare = await createDecoder(checkpoint, { ...options, rankMax: 0 })
  const adapted = await createDecoder(checkpoint, { ...options, rankMax: 64 })
  const random = createRandom(2)
  const speeds: Record<'base' | 'adapters', number[]> = { base: [], adapters: [] }
  for (let round = 0; round < ROUNDS; round++) {
    speeds.base.push(await serve(bare, () => undefined))
    speeds.adapters.push(await serve(adapted, () => registered[random.below(REGISTERED)]))
  }
  const [base, many] = [Math.max(...speeds.base), Math.max(...speeds.adapters)]
  const ratio = median(speeds.adapters.map((speed, i) => speed / speeds.base[i]!))
  const megabytes =
    (REGISTERED *
      [...first.tensors.values()].reduce((sum, { a, b }) => sum + a.byteLength + b.byteLength, 0)) /
    1e6
  console.log(
    `5 M parameters, ${ROWS} rows, prompt ${PROMPT_TOKENS} + answer ${OUTPUT_TOKENS}, rank 8 on 7 targets, ` +
      `${REGISTERED} adapters registered (${megabytes.toFixed(0)} MB):\n` +
      `  base alone ${base.toFixed(0)} tokens/s, different adapters ${many.toFixed(0)} tokens/s ` +
      `(${(many / OUTPUT_TOKENS).toFixed(0)} requests/s), median ratio ${ratio.toFixed(2)}`,
  )
  await bare.release()
  await adapted.release()
  expect(ratio).toBeGreaterThan(0.4)
})
