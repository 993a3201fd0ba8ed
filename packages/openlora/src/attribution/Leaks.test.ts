import {
  buildInfluenceIndex,
  buildSpanIndex,
  commitSpans,
  encodeInfluenceIndex,
  encodeSpanIndex,
  InfluenceIndex,
  traceSpans,
} from '@openledger/attribution'
import { createRandom, createTokenizer, trainTokenizer } from '@openledger/model'
import { Bytes, type Hex } from '@openledger/primitives'
import { RecordTable } from '@openledger/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import { type AttributionIndex, loadAttributionIndex } from './AttributionIndex.ts'
import { type AttributionDraft, draw, spansOf } from './Attributor.ts'
import * as Evidence from './Evidence.ts'
import { type ShownSpans, showSpans } from './ShownSpans.ts'

/**
 * A stranger to a Datanet whose licence is not open has, of a model that was trained on it: roots and hashes on chain, receipts,
 * evidence, and openings of spans. The files themselves are refused (`packages/api/src/routes/privateTexts.test.ts`). Here the
 * stranger also has the tokenizer, half of the Datanet's kind of text to learn from, and looks for words and gradients.
 */
const random = createRandom(5)
const lexicon = Array.from(
  { length: 160 },
  (_, i) => `${'bcdfghklmn'[i % 10]}${'aeiou'[i % 5]}${'prstvz'[i % 6]}${i}`,
)
const sentence = (): string =>
  Array.from({ length: 24 }, () => lexicon[Math.floor(lexicon.length * random.next() ** 2)]).join(' ')
const secret = Array.from({ length: 24 }, sentence)
const known = Array.from({ length: 24 }, sentence)
const PARAMETERS = 96
const rowOf = () => Float32Array.from({ length: PARAMETERS }, () => random.next() - 0.5)
const rows = secret.map(rowOf)

let tokenizer: ReturnType<typeof createTokenizer>
let index: AttributionIndex
let shown: ShownSpans
let evidence: Uint8Array
let attribution: AttributionDraft
/** All that anyone may read, as text, and every byte string in it. */
let text: string
let bytes: Uint8Array[]
let answerIds: readonly number[]

beforeAll(async () => {
  const specialTokens = ['<|pad|>', '<|bos|>', '<|eos|>']
  tokenizer = createTokenizer(trainTokenizer([...secret, ...known], { vocabularySize: 420, specialTokens }), {
    bos_token: '<|bos|>',
    eos_token: '<|eos|>',
    pad_token: '<|pad|>',
  })
  const records = secret.map((content, i) => {
    const recordId = Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(content)))
    const contributionId: Hex = `0x${(i >> 1).toString(16).padStart(64, '0')}`
    return { recordId, contributionId, clusterId: recordId, text: content, tokens: tokenizer.encode(content) }
  })
  const recordIds = records.map(({ recordId }) => recordId)
  const blocks = [{ name: 'all', size: PARAMETERS, rows: 8, columns: PARAMETERS / 8 }]
  const influence = await buildInfluenceIndex({ blocks, rows, fisher: rows.map(rowOf), recordIds })
  const spans = commitSpans(buildSpanIndex({ documents: records, vocabularySize: tokenizer.vocabularySize }))
  const table = RecordTable.encode({ records })
  const files = new Map([
    ['influence', encodeInfluenceIndex(influence)],
    ['spans', encodeSpanIndex(spans)],
    ['records', table],
  ])
  const attributionRoot = RecordTable.attributionRoot({
    influenceRoot: influence.root,
    spansRoot: spans.root,
    tableHash: Bytes.toHex(Bytes.sha256(table)),
  })
  const reference = { influenceCid: 'influence', spansCid: 'spans', recordsCid: 'records', attributionRoot }
  index = (await loadAttributionIndex(reference, async (cid) => files.get(cid)!)).value
  // an answer that repeats a passage of the secret, between words of its own
  answerIds = tokenizer.encode(`${sentence()} ${secret[3]!.slice(20, 90)} ${sentence()}`)
  const nats = answerIds.map(() => -random.next())
  const logMilliNats = nats.map((value) => Math.round(1e3 * value))
  const trace = traceSpans(index.spans, answerIds)
  const seen: Evidence.Evidence = {
    queryCode: [...InfluenceIndex.queryCode(index.influence, rowOf())],
    liftMilliNats: logMilliNats.map((value) => value + 900),
    logMilliNats,
    spans: spansOf(trace, logMilliNats),
    excludedContributions: [],
  }
  evidence = Evidence.encode(seen)
  const model = {
    adapter: { cid: 'adapter', hash: attributionRoot },
    index: reference,
    policy: { influenceBps: 5_000, spansBps: 5_000 },
    commons: `0x${'c0'.repeat(20)}` as Hex,
  }
  attribution = draw(index, seen, { model, answerIds, text: tokenizer.decode(answerIds) }, tokenizer)
  shown = showSpans(index, seen.spans)
  text = JSON.stringify({ shown, attribution, attributionRoot, evidence: Bytes.toUtf8(evidence) })
  bytes = [
    Bytes.fromUtf8(text),
    ...(text.match(/0x(?:[0-9a-f]{2})+/g) ?? []).map((hex) => Bytes.fromHex(hex as Hex)),
  ]
})

const holds = (part: Uint8Array): boolean =>
  bytes.some((whole) => {
    for (let at = 0; at + part.length <= whole.length; at++) {
      let k = 0
      while (k < part.length && whole[at + k] === part[k]) k++
      if (k === part.length) return true
    }
    return false
  })
const viewOf = (values: ArrayBufferView) =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
/** Leaves of the text tree that were shown, 52 bytes each: what `SpanCommitment.encodeText` packs. */
const positions = () =>
  shown.spans.flatMap((span) =>
    span.text.flatMap(({ leaves }) => {
      const all = Bytes.fromHex(leaves)
      return Array.from({ length: all.length / 52 }, (_, i) => all.slice(52 * i, 52 * (i + 1)))
    }),
  )

describe('a stranger who tries everything public about a closed model', () => {
  test('has spans to try it on', () => {
    expect(shown.spans.length).toBeGreaterThan(0)
    expect(positions().length).toBeGreaterThan(12)
    // what is public is found
    expect(holds(Bytes.fromHex(attribution.shares[0]!.reasons[0]!.recordId))).toBe(true)
    expect(attribution.shares.flatMap(({ reasons }) => reasons).some(({ kind }) => kind === 'span')).toBe(
      true,
    )
  })

  test('finds no two words of any record, as text or as bytes', () => {
    for (const content of secret) {
      const words = content.split(' ')
      for (let i = 0; i + 1 < words.length; i++) {
        expect(holds(Bytes.fromUtf8(`${words[i]} ${words[i + 1]}`))).toBe(false)
      }
    }
  })

  test('finds no three token ids of any record in a row, in any width or byte order', () => {
    for (const content of secret.slice(0, 6)) {
      const ids = tokenizer.encode(content)
      for (let i = 0; i + 2 < ids.length; i += 2) {
        const run = ids.slice(i, i + 3)
        const wide = viewOf(Uint32Array.from(run))
        for (const part of [viewOf(Uint16Array.from(run)), wide, wide.slice().reverse()]) {
          expect(holds(part)).toBe(false)
        }
        expect(text).not.toContain(run.join(','))
      }
    }
  })

  test('finds no piece of a record’s gradient, as a number or as its code', () => {
    const { codes, dimension } = index.influence
    for (const [i, row] of rows.entries()) {
      expect(holds(viewOf(row.slice(0, 2)))).toBe(false)
      expect(holds(viewOf(codes.slice(i * dimension, i * dimension + 8)))).toBe(false)
    }
  })

  test('gets no word by hashing the vocabulary with anything that was shown as salt', () => {
    const hashes = new Set(bytes.flatMap((whole) => (whole.length < 32 ? [] : chunks(whole, 32))))
    const salts = [new Uint8Array(), new Uint8Array(16)]
    for (const { order } of shown.spans) {
      const leaves = Bytes.fromHex(order.leaves)
      for (let at = 0; at < leaves.length; at += 24) salts.push(leaves.slice(at, at + 16))
    }
    for (const leaf of positions()) salts.push(leaf.slice(0, 16), leaf.slice(0, 32))
    let found = 0
    for (const salt of salts) {
      for (let token = 0; token < tokenizer.vocabularySize; token++) {
        const packed = Uint8Array.of(...salt, 0, 0, token >> 8, token & 0xff)
        if (hashes.has(Bytes.toHex(Bytes.sha256(packed)))) found++
      }
    }
    expect(found).toBe(0)
  })

  test('guesses words that a paid answer repeated from how often they stand there, and no others: nothing else is shown', () => {
    const counts = new Map<number, number>()
    const learned = known.flatMap((content) => [...tokenizer.encode(content)])
    for (const id of learned) counts.set(id, (counts.get(id) ?? 0) + 1)
    const rarity = (id: number) =>
      -Math.log(((counts.get(id) ?? 0) + 1) / (learned.length + tokenizer.vocabularySize))
    const leaves = positions()
    const truth = answerIds.filter((_, t) => traceSpans(index.spans, answerIds).spanOfToken[t] !== -1)
    const right = leaves.filter((leaf, i) => {
      const nats = new DataView(leaf.buffer).getUint32(40) / 1e6
      let best = 0
      for (let id = 0; id < tokenizer.vocabularySize; id++) {
        if (Math.abs(rarity(id) - nats) < Math.abs(rarity(best) - nats)) best = id
      }
      return best === truth[i]
    }).length
    // who knows the kind of text, but not the text, gets fewer than a third; each is of an answer that was given out
    expect(right / leaves.length).toBeLessThan(1 / 3)
    expect(leaves.length).toBe(truth.length)
  })
})

const chunks = (whole: Uint8Array, size: number): string[] =>
  Array.from({ length: whole.length - size + 1 }, (_, at) => Bytes.toHex(whole.subarray(at, at + size)))
