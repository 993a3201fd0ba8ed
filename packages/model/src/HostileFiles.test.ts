import { BaseError } from '@openledger/primitives'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { tinyConfig } from '../test/tinyConfig.ts'
import {
  Adapter,
  createTokenizer,
  type LlamaConfig,
  parseConfig,
  Safetensors,
  trainTokenizer,
} from './index.ts'

// OPENLEDGER_FUZZ_RUNS tries more than a test has time for
const numRuns = Number(process.env['OPENLEDGER_FUZZ_RUNS'] ?? 300)

const config: LlamaConfig = {
  ...tinyConfig,
  vocabularySize: 20,
  hiddenSize: 8,
  feedForwardSize: 8,
  layers: 1,
  headSize: 4,
  contextMax: 16,
  eosId: 2,
}
const adapter = Adapter.create(config, { rank: 2, alpha: 4, targets: ['q_proj', 'down_proj'], seed: 1 })
const whole = Adapter.encode(adapter)

/** Runs what reads something from outside; anything but a refusal in our own words is a fault. */
function refusesOrReads<Read>(read: () => Read): Read | undefined {
  try {
    return read()
  } catch (error) {
    expect(error).toBeInstanceOf(BaseError)
    return undefined
  }
}

/** A file whose header says something else in one place, its length made to fit. */
function withHeader(change: (header: Record<string, unknown>) => void): Uint8Array {
  const length = Number(new DataView(whole.buffer).getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(whole.subarray(8, 8 + length))) as Record<
    string,
    unknown
  >
  change(header)
  const written = new TextEncoder().encode(JSON.stringify(header))
  const file = new Uint8Array(8 + written.length + whole.length - 8 - length)
  new DataView(file.buffer).setBigUint64(0, BigInt(written.length), true)
  file.set(written, 8)
  file.set(whole.subarray(8 + length), 8 + written.length)
  return file
}

const names = [...Safetensors.decode(whole).tensors.keys(), '__metadata__', '__proto__', 'constructor']

test('an adapter whose header lies in one place is refused in words, or is finite and of the right size', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.option(fc.constantFrom('dtype', 'shape', 'data_offsets', 'r', 'lora_alpha', 'target_modules')),
      fc.jsonValue({ maxDepth: 3 }),
      (name, field, value) => {
        const file = withHeader((header) => {
          // own properties only: `__proto__` has to reach the file, not this process
          const entry = Object.hasOwn(header, name) ? header[name] : undefined
          const changed = field === null || typeof entry !== 'object' ? value : { ...entry, [field]: value }
          Object.defineProperty(header, name, { value: changed, enumerable: true, configurable: true })
        })
        const read = refusesOrReads(() => Adapter.decode(config, file))
        for (const { a, b } of read?.tensors.values() ?? [])
          expect([...a, ...b].every(Number.isFinite)).toBe(true)
      },
    ),
    { numRuns },
  )
})

test('an adapter with flipped bytes is refused in words, or named by what it holds', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 })), {
        minLength: 1,
        maxLength: 4,
      }),
      (flips) => {
        const file = Uint8Array.from(whole)
        for (const [at, mask] of flips) file[at]! ^= mask
        const read = refusesOrReads(() => Adapter.decode(config, file))
        if (read !== undefined) expect(Adapter.from(read).hash).toBe(read.hash)
        if (read?.hash === adapter.hash) expect(read.tensors).toEqual(adapter.tensors)
      },
    ),
    { numRuns },
  )
})

const special = { bos_token: '<|bos|>', eos_token: '<|eos|>', pad_token: '<|pad|>' }
const trained = trainTokenizer(['a b c'], { vocabularySize: 262, specialTokens: Object.values(special) }) as {
  [key: string]: unknown
  model: Record<string, unknown>
}

test('a tokenizer that is changed in one place is refused in words, or gives ids of its vocabulary', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(
        'model',
        'added_tokens',
        'decoder',
        'pre_tokenizer',
        'normalizer',
        'vocab',
        'merges',
        'type',
      ),
      fc.jsonValue({ maxDepth: 3 }),
      (field, value) => {
        const json =
          field in trained
            ? { ...trained, [field]: value }
            : { ...trained, model: { ...trained.model, [field]: value } }
        const tokenizer = refusesOrReads(() => createTokenizer(json, special))
        const ids = tokenizer && refusesOrReads(() => tokenizer.encode('a b'))
        for (const id of ids ?? []) expect(Number.isSafeInteger(id)).toBe(true)
      },
    ),
    { numRuns },
  )
})

test('a chat template that is not one is refused in words', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.constantFrom('{% for %}', '{{', '{% if x %}', "{{ raise_exception('no') }}")),
      (template) => {
        const tokenizer = refusesOrReads(() =>
          createTokenizer(trained, { ...special, chat_template: template }),
        )
        if (tokenizer) refusesOrReads(() => tokenizer.chat([{ role: 'user', content: 'hi' }]))
      },
    ),
    { numRuns },
  )
})

test('a configuration of any JSON is refused in words', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => void refusesOrReads(() => parseConfig(value))),
    { numRuns },
  )
})
