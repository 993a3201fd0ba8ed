import { CheckpointFolder, createRandom, type Tokenizer } from '@openledger/model'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { beforeAll, describe, expect, test } from 'vitest'
import { createGrammarMatcher, type GrammarMatcher, isAllowed } from './GrammarMatcher.ts'
import { type JsonSchema, jsonObject, jsonSchema } from './JsonSchema.ts'
import { createTokenTrie, type TokenTrie } from './TokenTrie.ts'

const ajv = new Ajv2020({ strict: false, multipleOfPrecision: 9, allErrors: true })
addFormats.default(ajv)

let tokenizer: Tokenizer
let trie: TokenTrie
beforeAll(async () => {
  tokenizer = await CheckpointFolder.readTokenizer(
    new URL('../../../../assets/base', import.meta.url).pathname,
  )
  trie = createTokenTrie(tokenizer.vocabularySize, tokenizer.bytes)
})
const matcherOf = (schema: JsonSchema, isStrict = true): GrammarMatcher =>
  createGrammarMatcher(jsonSchema(schema, { isStrict }), trie, tokenizer)

const object = (properties: Record<string, unknown>, more: Record<string, unknown> = {}): JsonSchema => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
})

/** Whether a text goes through token by token, each in the mask of its place, up to an end. */
function accepts(matcher: GrammarMatcher, text: string): boolean {
  let place = matcher.start
  for (const id of tokenizer.encode(text)) {
    if (!isAllowed(matcher.mask(place), id)) return false
    place = matcher.advance(place, id)
  }
  return place.mayEnd
}

/** Draws tokens that the masks allow until the end; those that may end a part are preferred late, so that it comes. */
function draw(matcher: GrammarMatcher, seed: number): string {
  const random = createRandom(seed).next
  const ids: number[] = []
  let place = matcher.start
  while (!place.mustEnd && ids.length < 3_000) {
    const mask = matcher.mask(place)
    if (place.mayEnd && random() < 0.5) break
    const allowed: number[] = []
    for (let id = 0; id < tokenizer.vocabularySize; id++) {
      if (isAllowed(mask, id) && id !== tokenizer.eosId) allowed.push(id)
    }
    const ending = ['"', '@.', ']}']
      .map((marks) => allowed.filter((id) => marks.includes(String.fromCharCode(tokenizer.bytes(id)[0]!))))
      .find((ids) => ids.length > 0)
    const from = ids.length > 30 && ending !== undefined ? ending : allowed
    const id = from[Math.floor(random() * from.length)]!
    ids.push(id)
    place = matcher.advance(place, id)
  }
  return tokenizer.decode(ids)
}

const tree = {
  ...object({ root: { $ref: '#/$defs/node' } }),
  $defs: {
    node: object({
      value: { type: 'number' },
      children: { type: 'array', items: { $ref: '#/$defs/node' } },
    }),
  },
}
const SCHEMAS: readonly [string, JsonSchema][] = [
  [
    'strings, numbers and booleans',
    object({ a: { type: 'string' }, n: { type: 'number' }, b: { type: 'boolean' } }),
  ],
  [
    'what may be null',
    object({ a: { type: ['string', 'null'] }, b: { anyOf: [{ type: 'integer' }, { type: 'null' }] } }),
  ],
  ['values to choose from', object({ a: { enum: ['x', 'y "quoted"', 3, null] }, b: { const: { k: [1] } } })],
  [
    'lists with bounds',
    object({ a: { type: 'array', items: { type: 'integer' }, minItems: 2, maxItems: 4 } }),
  ],
  ['schemas that contain themselves', tree],
  ['a root that contains itself', object({ next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } })],
  [
    'numbers with bounds',
    object({
      a: { type: 'integer', minimum: -17, maximum: 250 },
      b: { type: 'number', exclusiveMinimum: 0, maximum: 0.35 },
      c: { type: 'number', multipleOf: 0.25, minimum: -3, exclusiveMaximum: 1_000 },
      d: { type: 'integer', multipleOf: 7, minimum: 100, maximum: 200 },
      e: { type: 'integer', exclusiveMinimum: 99_999_999, exclusiveMaximum: 100_000_001 },
    }),
  ],
  [
    'patterns',
    object({
      a: { type: 'string', pattern: '^@[a-zA-Z0-9_]{1,8}$' },
      b: { type: 'string', pattern: '^(?:\\d{3}-)?[^\\s"x]+\\.(?:com|org)$' },
      c: { type: 'string', pattern: '^\\W[é-ü\\u4e00-\\u9fff]{2}$' },
    }),
  ],
  [
    'formats',
    object(
      Object.fromEntries(
        ['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'uuid'].map(
          (format) => [format, { type: 'string', format }],
        ),
      ),
    ),
  ],
  ['lengths', object({ a: { type: 'string', minLength: 3, maxLength: 5 } })],
]

describe('whatever the masks allow', () => {
  test.for(SCHEMAS)('is valid to ajv: %s', ([, schema]) => {
    const validate = ajv.compile(schema)
    const matcher = matcherOf(schema)
    for (let seed = 0; seed < 6; seed++) {
      const text = draw(matcher, seed)
      const value: unknown = JSON.parse(text)
      expect(validate(value), `${text} ${ajv.errorsText(validate.errors)}`).toBe(true)
      // another way to cut the same text into tokens goes through too
      expect(accepts(matcher, text)).toBe(true)
    }
  })

  test('is JSON without a schema', () => {
    const matcher = createGrammarMatcher(jsonObject, trie, tokenizer)
    for (let seed = 0; seed < 20; seed++) expect(JSON.parse(draw(matcher, seed))).toBeTypeOf('object')
    const text = JSON.stringify(
      { a: [1, -2.5e-7, { b: 'é "\u0001\\ 😀' }, []], c: null, d: true },
      undefined,
      2,
    )
    expect(accepts(matcher, text)).toBe(true)
    expect(accepts(matcher, '[1]')).toBe(false)
    expect(accepts(matcher, '{"a":1,}')).toBe(false)
  })
})

test('the mask has exactly the tokens after which an end can be reached', () => {
  const words = ['alpha', 'alpine', 'beta "x"', 'é']
  const matcher = matcherOf(object({ a: { enum: words } }))
  const texts = words.map((word) => JSON.stringify({ a: word }))
  const visit = (text: string, place: GrammarMatcher['start'], depth: number): void => {
    if (depth === 3) return
    const mask = matcher.mask(place)
    const before = new TextEncoder().encode(text)
    for (let id = 0; id < tokenizer.vocabularySize; id++) {
      const bytes = Buffer.concat([before, tokenizer.bytes(id)])
      const isPossible =
        tokenizer.bytes(id).length > 0 &&
        texts.some((one) => Buffer.from(one).subarray(0, bytes.length).equals(bytes))
      if (isAllowed(mask, id) !== isPossible) expect.fail(`${tokenizer.decode([id])} after ${text}`)
      const next = bytes.toString()
      if (isPossible && !next.includes('\ufffd') && id % 3 === 0)
        visit(next, matcher.advance(place, id), depth + 1)
    }
  }
  visit('', matcher.start, 0)
})

test('what has to follow is known without asking the model', () => {
  const matcher = matcherOf(object({ name: { type: 'string' } }))
  expect(Buffer.from(matcher.forced(matcher.start, 100)).toString()).toBe('{"name":"')
})

test('a mask costs little the second time and its rules little at another place', () => {
  const matcher = matcherOf(
    object(Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`p${i}`, { type: 'string' }]))),
  )
  let place = matcher.start
  const start = performance.now()
  for (const id of tokenizer.encode(
    JSON.stringify(Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`p${i}`, 'some words']))),
  )) {
    matcher.mask(place)
    place = matcher.advance(place, id)
  }
  expect(place.mustEnd).toBe(true)
  expect(performance.now() - start).toBeLessThan(2_000)
  expect(matcher.mask(matcher.start)).toBe(matcher.mask(matcher.start))
})

describe('a schema is refused', () => {
  const { additionalProperties: _, ...open } = object({ a: { type: 'string' } })
  const deep = (levels: number): JsonSchema =>
    levels === 0 ? object({ a: { type: 'string' } }) : object({ a: deep(levels - 1) })
  test.for<[string, JsonSchema, string]>([
    ['whose root is no object', { type: 'array', items: { type: 'string' } }, 'root'],
    ['whose root is a choice', { ...object({}), anyOf: [object({})] }, 'root'],
    ['that is open to other properties', open, 'additionalProperties'],
    [
      'with a property that is not required',
      { ...object({ a: { type: 'string' } }), required: [] },
      'required',
    ],
    ['with a keyword of composition', object({ a: { type: 'string', not: { const: 'x' } } }), 'not'],
    ['with if', object({ a: { type: 'string', if: {} } }), 'if'],
    ['without a type', object({ a: {} }), 'type'],
    ['with an unknown type', object({ a: { type: 'date' } }), 'type'],
    ['with an unknown format', object({ a: { type: 'string', format: 'uri' } }), 'format'],
    ['with a pattern that looks around', object({ a: { type: 'string', pattern: '^(?=x)y$' } }), 'pattern'],
    ['with a pattern that looks back', object({ a: { type: 'string', pattern: '^(x)\\1$' } }), 'pattern'],
    ['with a $ref to nothing', object({ a: { $ref: '#/$defs/none' } }), '$ref'],
    ['with a $ref to elsewhere', object({ a: { $ref: 'http://example.com' } }), '$ref'],
    [
      'that is only itself',
      { ...object({ a: { $ref: '#/$defs/b' } }), $defs: { b: { $ref: '#/$defs/b' } } },
      '$ref',
    ],
    [
      'with no number between its bounds',
      object({ a: { type: 'integer', minimum: 2, maximum: 1 } }),
      'number',
    ],
    ['of eleven levels', deep(10), 'levels'],
    ['with 1,001 values', object({ a: { enum: Array.from({ length: 1_001 }, (_, i) => i) } }), 'enumValues'],
  ])('%s', ([, schema, named]) => {
    expect(() => jsonSchema(schema, { isStrict: true })).toThrow(named)
    expect(() => jsonSchema(schema, { isStrict: true })).toThrow(
      expect.objectContaining({ code: 'openlora.schema' }),
    )
  })
})

test('without strictness, properties may be left out and objects may be anything', () => {
  const schema = {
    type: 'object',
    properties: { a: { type: 'integer' }, b: {}, c: { type: 'object' } },
    required: ['b'],
  }
  const matcher = matcherOf(schema, false)
  const validate = ajv.compile(schema)
  for (const text of ['{"b":1}', '{"a":1,"b":[{}]}', '{"b":null,"c":{"x":1}}'])
    expect(accepts(matcher, text)).toBe(true)
  for (const text of ['{}', '{"a":1}', '{"b":1,"d":2}', '{"b":1,}'])
    expect(accepts(matcher, text)).toBe(false)
  for (let seed = 0; seed < 10; seed++) expect(validate(JSON.parse(draw(matcher, seed)))).toBe(true)
})
