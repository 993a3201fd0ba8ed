import { describe, expect, test } from 'vitest'
import * as InfluenceIndex from '../influence/InfluenceIndex.ts'
import * as SpanIndex from '../spans/SpanIndex.ts'
import { trace } from '../spans/SpanTrace.ts'
import { clusterRecords } from './Duplicates.ts'
import { copiedParts } from './Lineage.ts'
import { attribute } from './Payout.ts'
import type { PayoutRecord } from './PayoutRecord.ts'

/**
 * A small world to attack: contributors write in topics of their own over a common language, gradients are means of
 * token-pair features, and answers repeat and continue what contributors wrote.
 */
const VOCABULARY = 600
const CONTRIBUTORS = 16
const RECORDS_EACH = 10
const RECORD_TOKENS = 120
const TOPIC_TOKENS = 80
const blocks = Array.from({ length: 4 }, (_, i) => ({ name: `block ${i}`, size: 256 }))

type Written = { readonly name: string; readonly tokens: readonly number[] }

const stream = (seed: number) => {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0
  return (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Half common words, half words of the topic, where each word suggests the next. */
function write(topic: number, seed: number, count: number): number[] {
  const random = stream(1000 * topic + seed)
  const tokens: number[] = []
  for (let word = Math.floor(random() * TOPIC_TOKENS); tokens.length < count; ) {
    if (random() < 0.5) tokens.push(Math.floor(100 * random() ** 2))
    else {
      word = random() < 0.6 ? (word * 7 + 3) % TOPIC_TOKENS : Math.floor(random() * TOPIC_TOKENS)
      tokens.push(100 + ((topic * 31 + word * 5) % 500))
    }
  }
  return tokens
}

const noise = (seed: number, count: number): number[] => {
  const random = stream(seed)
  return Array.from({ length: count }, () => Math.floor(random() * VOCABULARY))
}

function gradient(tokens: readonly number[]): Float32Array {
  const sum = new Float32Array(1024)
  for (let t = 1; t < tokens.length; t++) {
    const random = stream(tokens[t - 1]! * VOCABULARY + tokens[t]!)
    for (let k = 0; k < 6; k++) sum[Math.floor(random() * 1024)]! += (random() - 0.5) / tokens.length
    const single = stream(1e6 + tokens[t]!)
    for (let k = 0; k < 6; k++) sum[Math.floor(single() * 1024)]! += (single() - 0.5) / tokens.length
    for (let k = 0; k < 8; k++) sum[k * 100]! += (0.2 + 0.1 * single()) / tokens.length
  }
  return sum
}

const honest: Written[] = Array.from({ length: CONTRIBUTORS * RECORDS_EACH }, (_, i) => {
  const topic = Math.floor(i / RECORDS_EACH)
  return { name: `writer ${topic}`, tokens: write(topic, i, RECORD_TOKENS) }
})
const fisher = Array.from({ length: 200 }, (_, i) => gradient(write(i % CONTRIBUTORS, 5_000 + i, 60)))
const answers = Array.from({ length: 32 }, (_, i) => {
  const topic = i % CONTRIBUTORS
  const source = honest[topic * RECORDS_EACH + (i % RECORDS_EACH)]!.tokens
  return [...write(topic, 9_000 + i, 40), ...source.slice(20, 50), ...write(topic, 9_100 + i, 30)]
})

/** Pays all answers and gives each name's part of everything that was to be earned. */
async function pay(
  written: readonly Written[],
  excluded: readonly string[] = [],
): Promise<Map<string, number>> {
  const names = written.map((_, i) => `r${i}`)
  const clusters = clusterRecords(written.map(({ tokens }, i) => ({ recordId: names[i]!, tokens })))
  const spanIndex = SpanIndex.build({
    documents: written.map(({ name, tokens }, i) => ({
      recordId: names[i]!,
      contributionId: name,
      tokens,
      clusterId: clusters[i]!.clusterId,
    })),
    vocabularySize: VOCABULARY,
  })
  const rows = written.map(({ tokens }) => gradient(tokens))
  const influenceIndex = await InfluenceIndex.build({ blocks, rows, fisher, recordIds: names })
  const copied = copiedParts(spanIndex, influenceIndex)
  const records = written.map(
    ({ name }, i): PayoutRecord => ({
      recordId: names[i]!,
      contributionId: name,
      contributor: name,
      beneficiary: name,
      arrival: i,
      clusterId: clusters[i]!.clusterId,
      copied: copied[i]!,
    }),
  )
  const totals = new Map<string, number>()
  for (const answer of answers) {
    const { statement } = attribute({
      policy: { influenceBps: 6_000, spansBps: 4_000 },
      records,
      lift: answer.map(() => 1),
      influence: { recordIds: names, scores: InfluenceIndex.score(influenceIndex, gradient(answer)) },
      spans: trace(spanIndex, answer),
      excluded,
    })
    for (const { beneficiary, units } of statement.entries) {
      totals.set(beneficiary, (totals.get(beneficiary) ?? 0) + units / 1e12 / answers.length)
    }
  }
  return totals
}

const sumOf = (totals: ReadonlyMap<string, number>, isIncluded: (name: string) => boolean): number =>
  [...totals].reduce((sum, [name, part]) => sum + (isIncluded(name) ? part : 0), 0)

const before = await pay(honest)
const average = sumOf(before, () => true) / CONTRIBUTORS
const attacker = 'writer 0'
const victim = 'writer 1'
const ofVictim = honest.filter(({ name }) => name === victim)
const isAttacker = (name: string): boolean => name === attacker || name.startsWith('alias')

/** Says what an attack changes: the attacker's earnings, and everyone else's, as multiples of before. */
async function attack(name: string, added: readonly Written[], from: readonly Written[] = honest) {
  const after = await pay([...from, ...added])
  const gain = sumOf(after, isAttacker) / sumOf(before, isAttacker)
  const others = sumOf(after, (who) => !isAttacker(who)) / sumOf(before, (who) => !isAttacker(who))
  console.log(`${name}: attacker ${gain.toFixed(3)} times, others ${others.toFixed(3)} times`)
  return { gain, others }
}

describe('the honest world', () => {
  test('pays the writer whose topic and passage an answer has', () => {
    console.log(`paid to writers: ${sumOf(before, () => true).toFixed(3)} of everything`)
    expect(sumOf(before, () => true)).toBeGreaterThan(0.5)
    expect(before.size).toBe(CONTRIBUTORS)
    expect(before.get(victim)! / average).toBeGreaterThan(0.6)
  })

  test('pays noise next to nothing, on the average of several draws', async () => {
    const draws: number[] = []
    for (const seed of [0, 100, 200, 300]) {
      const records = Array.from({ length: RECORDS_EACH }, (_, i) => ({
        name: 'noise',
        tokens: noise(seed + i, RECORD_TOKENS),
      }))
      draws.push(((await pay([...honest, ...records])).get('noise') ?? 0) / average)
    }
    const part = draws.reduce((sum, draw) => sum + draw, 0) / draws.length
    console.log(`noise: ${part.toFixed(4)} of an average share`)
    expect(part).toBeLessThan(0.02)
  })
})

/** Own words in the victim's topic and in the attacker's, after passages of the victim or without them. */
const continued = (seed: number, passageTokens: number): Written[] =>
  ofVictim.map(({ tokens }, i) => ({
    name: attacker,
    tokens: [...tokens.slice(15, 15 + passageTokens), ...write(1, seed + i, 30), ...write(0, 7_000 + i, 50)],
  }))

describe('an attacker gains at most a tenth', () => {
  test('by registering exact copies', async () => {
    const { gain, others } = await attack(
      'exact copies',
      ofVictim.map(({ tokens }) => ({ name: attacker, tokens })),
    )
    expect(gain).toBeLessThan(1.02)
    expect(others).toBeGreaterThan(0.98)
  })

  test('by registering edited copies', async () => {
    const { gain, others } = await attack(
      'edited copies',
      ofVictim.map(({ tokens }, i) => ({
        name: attacker,
        tokens: tokens.map((token, k) => (k % 40 === 7 + i ? noise(k, 1)[0]! : token)),
      })),
    )
    expect(gain).toBeLessThan(1.1)
    expect(others).toBeGreaterThan(0.98)
  })

  test('by copying under many names', async () => {
    const { gain, others } = await attack(
      'copies under ten names',
      ofVictim.flatMap(({ tokens }) =>
        Array.from({ length: 10 }, (_, k) => ({ name: `alias ${k}`, tokens })),
      ),
    )
    expect(gain).toBeLessThan(1.1)
    expect(others).toBeGreaterThan(0.98)
  })

  test('by splitting own records over many names', async () => {
    const { gain, others } = await attack(
      'own records under ten names',
      [],
      honest.map((record, i) => (record.name === attacker ? { ...record, name: `alias ${i}` } : record)),
    )
    expect(gain).toBeGreaterThan(0.98)
    expect(gain).toBeLessThan(1.02)
    expect(others).toBeGreaterThan(0.98)
  })

  test('by padding copies with noise until they are no duplicates', async () => {
    const { gain, others } = await attack(
      'copies padded to twice the length',
      ofVictim.map(({ tokens }, i) => ({
        name: attacker,
        tokens: [...noise(50 + i, RECORD_TOKENS), ...tokens],
      })),
    )
    expect(gain).toBeLessThan(1.1)
    expect(others).toBeGreaterThan(0.95)
  })

  test('by changing a word in ten, so that no long run is left', async () => {
    const { gain, others } = await attack(
      'a word in ten changed',
      ofVictim.map(({ tokens }, i) => ({
        name: attacker,
        tokens: tokens.map((token, k) => (k % 10 === 3 ? noise(100 * i + k, 1)[0]! : token)),
      })),
    )
    expect(gain).toBeLessThan(1.1)
    expect(others).toBeGreaterThan(0.95)
  })

  test.each([30, 40, 60])(
    'by stitching passages of %i tokens of several writers together',
    async (length) => {
      const { gain, others } = await attack(
        `stitched passages of ${length}`,
        Array.from({ length: RECORDS_EACH }, (_, i) => ({
          name: attacker,
          tokens: [1, 5, 9].flatMap((k) => honest[k * RECORDS_EACH + i]!.tokens.slice(15, 15 + length)),
        })),
      )
      expect(gain).toBeLessThan(1.1)
      expect(others).toBeGreaterThan(0.95)
    },
  )

  test("by continuing others' passages in their topic, so that the longer match is his", async () => {
    const { gain: ownWords } = await attack('own words alone', continued(6_000, 0))
    const { gain, others } = await attack('own words after passages', continued(6_000, 40))
    expect(gain / ownWords).toBeLessThan(1.1)
    expect(others).toBeGreaterThan(0.95)
  })

  test('by foreseeing the words of answers and putting them after passages of others', async () => {
    const { gain, others } = await attack('answers foreseen', continued(9_100, 40))
    expect(gain).toBeLessThan(1.1)
    expect(others).toBeGreaterThan(0.95)
  })

  test('by records that are loud instead of useful', async () => {
    const { gain, others } = await attack(
      'outliers',
      Array.from({ length: RECORDS_EACH }, (_, i) => ({
        name: attacker,
        tokens: Array.from({ length: RECORD_TOKENS }, (_, k) => 100 + ((k * (i + 1)) % 3)),
      })),
    )
    expect(gain).toBeLessThan(1.1)
    expect(others).toBeGreaterThan(0.98)
  })

  test('by asking for answers to own data, which earn nothing', async () => {
    const after = await pay(honest, [attacker])
    expect(after.get(attacker)).toBeUndefined()
    for (const [name, part] of after) expect(part).toBe(before.get(name))
  })
})
