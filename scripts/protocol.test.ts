import { describe, expect, test } from 'vitest'
import {
  attribute,
  buildSpanIndex,
  ContextPool,
  copiedParts,
  traceSpans,
} from '../packages/attribution/src/index.ts'

/**
 * The payout rule written again from the text of `docs/protocol.md` alone, slowly and without the code's data structures,
 * over small random corpora: the document is precise enough only as long as the two agree.
 */

type Document = {
  readonly recordId: string
  readonly contributionId: string
  readonly clusterId: string
  readonly tokens: readonly number[]
}
/** A token's place: document and offset. */
type Place = readonly [document: number, offset: number]
type Line = { readonly to: number; readonly units: bigint }

type Case = {
  readonly vocabulary: number
  readonly documents: readonly Document[]
  readonly answer: readonly number[]
  readonly logProbabilities: readonly number[]
  readonly lift: readonly number[]
  readonly scores: readonly number[]
  readonly influenceBps: number
  readonly agreementPpm: number
  readonly payer: string
  /** Documents that stood in the prompt. */
  readonly passages: readonly number[]
  /** Log-likelihood of the answer with only these clusters of passages, in thousandths of a nat. */
  readonly worth: (clusterIds: readonly string[]) => number
}

const COPY_TOKENS = 24
const UNITS = 10n ** 12n

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const sumWei = (values: readonly bigint[]): bigint => values.reduce((total, value) => total + value, 0n)

/** "Exact split". */
function splitExactly(amount: bigint, weights: readonly bigint[]): bigint[] {
  const total = sumWei(weights)
  const parts = weights.map((weight) => (amount * weight) / total)
  const rest = Number(amount - sumWei(parts))
  const order = weights
    .map((weight, i) => ({ i, remainder: (amount * weight) % total }))
    .sort((a, b) => (a.remainder === b.remainder ? a.i - b.i : a.remainder < b.remainder ? 1 : -1))
  for (const { i } of order.slice(0, rest)) parts[i]! += 1n
  return parts
}

/** A corpus with copies and duplicates, an answer that repeats some of it, and numbers of a model that does not exist. */
function randomCase(seed: number): Case {
  let state = seed
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const below = (count: number): number => Math.floor(random() * count)
  const vocabulary = 40
  const documents: Document[] = []
  for (let i = 0; i < 30; i++) {
    const tokens: number[] = []
    while (tokens.length < 60) {
      const source = documents.length > 0 && random() < 0.12 ? documents[below(documents.length)] : undefined
      const from = below(30)
      if (source === undefined) tokens.push(Math.floor(random() ** 2 * vocabulary))
      else tokens.push(...source.tokens.slice(from, from + 10 + below(30)))
    }
    const twin = documents.length > 0 && random() < 0.1 ? documents[below(documents.length)] : undefined
    const clusterId = twin?.clusterId ?? `record-${i}`
    documents.push({ recordId: `record-${i}`, contributionId: `c${Math.floor(i / 3)}`, clusterId, tokens })
  }
  const answer: number[] = []
  while (answer.length < 120) {
    const from = below(40)
    answer.push(...documents[below(30)]!.tokens.slice(from, from + 4 + below(20)), below(vocabulary))
  }
  const scores = documents.map(() => Math.round((random() + random() - 1) * 1e6))
  for (let i = 0; i < 4; i++) scores[below(30)] = Math.round(6e6 * random())
  // none, up to six, and more
  const passages = Array.from({ length: [0, 3, 6, 9][seed % 4]! }, () => below(30))
  const pulls = new Map(documents.map(({ clusterId }) => [clusterId, random() - 0.3]))
  const worth = (clusterIds: readonly string[]): number => {
    const pulled = sum(clusterIds.map((clusterId) => pulls.get(clusterId)!))
    return Math.round(1_000 * (pulled + 0.3 * Math.sin(9 * pulled)) - 60_000)
  }
  return {
    passages,
    worth,
    vocabulary,
    documents,
    answer,
    scores,
    payer: 'c2',
    logProbabilities: answer.map(() => -5 * random()),
    lift: answer.map(() => 3 * random() - 1),
    influenceBps: 1_000 * below(11),
    // measured in every other case
    agreementPpm: below(2) * below(1_000_001),
  }
}

/** What the code under test says, as one line. */
function coded({
  documents,
  vocabulary,
  answer,
  scores,
  influenceBps,
  agreementPpm,
  payer,
  passages,
  worth,
  ...numbers
}: Case): string {
  const clusterIds = passages.map((i) => documents[i]!.clusterId)
  const { players, coalitions } = ContextPool.plan(clusterIds)
  const clusterOf = (player: number): string => clusterIds[players[player]![0]!]!
  const index = buildSpanIndex({ documents, vocabularySize: vocabulary })
  const copied = copiedParts(index)
  const { entries, commonsPpm } = attribute({
    ...numbers,
    policy: {
      influenceBps,
      spansBps: 10_000 - influenceBps,
      ...(agreementPpm === 0 ? {} : { agreementPpm }),
    },
    spans: traceSpans(index, answer),
    influence: { recordIds: documents.map(({ recordId }) => recordId), scores },
    excluded: [payer],
    ...(passages.length === 0
      ? {}
      : {
          context: {
            recordIds: passages.map((i) => documents[i]!.recordId),
            milliNats: coalitions.map((coalition) => worth(coalition.map(clusterOf))),
          },
        }),
    records: documents.map(({ recordId, contributionId, clusterId }, arrival) => ({
      recordId,
      contributionId,
      clusterId,
      arrival,
      copied: copied[arrival]!,
      contributor: contributionId,
      beneficiary: contributionId,
    })),
  })
  return [
    ...entries.map(({ contributionId, sharePpm }) => `${contributionId} ${sharePpm}`),
    `commons ${commonsPpm}`,
  ].join(', ')
}

/** What the document says. */
function written(given: Case): string {
  const { documents, lift, influenceBps, agreementPpm, payer } = given
  const corpus = createCorpus(given)
  // step 2
  const milli = lift.map((nats) => Math.round(1_000 * nats))
  const net = sum(milli)
  const moved = (UNITS * BigInt(influenceBps)) / 10_000n
  const context = contextLines(given, corpus, { moved, net })
  const influencePool = moved - context.pool
  const likely = net > 0 ? (influencePool * BigInt(net)) / BigInt(sum(milli.map(Math.abs))) : 0n
  const influencePaid = agreementPpm === 0 ? likely : (likely * BigInt(agreementPpm) ** 2n) / 10n ** 12n
  const lines = [
    ...influenceLines(given, corpus, influencePaid),
    ...spanLines(given, corpus, UNITS - moved),
    ...context.lines,
  ]
  // step 11
  const kept = lines.filter(({ to }) => documents[to]!.contributionId !== payer)
  // step 12
  const sums = new Map<string, { units: bigint; first: number }>()
  for (const { to, units } of kept) {
    const id = documents[to]!.contributionId
    const known = sums.get(id) ?? { units: 0n, first: to }
    sums.set(id, { units: known.units + units, first: Math.min(known.first, to) })
  }
  const ordered = [...sums]
    .filter(([, { units }]) => units > 0n)
    .sort(([, a], [, b]) => (a.units === b.units ? a.first - b.first : a.units < b.units ? 1 : -1))
  const units = ordered.map(([, entry]) => entry.units)
  const shares = splitExactly(1_000_000n, [...units, UNITS - sumWei(units)])
  return [...ordered.map(([id], i) => `${id} ${shares[i]}`), `commons ${shares.at(-1)}`].join(', ')
}

/** Steps 2 and 10: the passages' pool and who is paid of it. */
function contextLines(
  { documents, passages, worth }: Case,
  { payee }: ReturnType<typeof createCorpus>,
  { moved, net }: { moved: bigint; net: number },
): { pool: bigint; lines: { to: number; units: bigint }[] } {
  const players = [...new Set(passages.map((i) => documents[i]!.clusterId))]
  const factorial = (n: number): bigint => (n === 0 ? 1n : BigInt(n) * factorial(n - 1))
  const without = (player: string) => players.filter((other) => other !== player)
  const added = (player: string, to: readonly string[]) =>
    BigInt(worth([...to, player].sort()) - worth([...to].sort()))
  const setsOf = (list: readonly string[]): string[][] =>
    Array.from({ length: 2 ** list.length }, (_, mask) => list.filter((_, i) => (mask >> i) & 1))
  const isExact = players.length <= 6
  const values = players.map((player) =>
    isExact
      ? sumWei(
          setsOf(without(player)).map(
            (set) => factorial(set.length) * factorial(players.length - 1 - set.length) * added(player, set),
          ),
        )
      : added(player, []) + added(player, without(player)),
  )
  const scale = isExact ? factorial(players.length) : 2n
  const theirs = worth([...players].sort()) - worth([])
  if (theirs <= 0) return { pool: 0n, lines: [] }
  const pool = (moved * BigInt(theirs)) / BigInt(theirs + Math.max(0, net))
  const positive = values.map((value) => (value > 0n ? value : 0n))
  const gross = sumWei(positive)
  if (gross === 0n) return { pool, lines: [] }
  const due = scale * BigInt(theirs)
  const parts = splitExactly(due < gross ? (pool * due) / gross : pool, positive)
  const first = (player: string) => payee(documents.findIndex(({ clusterId }) => clusterId === player))
  return { pool, lines: players.map((player, k) => ({ to: first(player), units: parts[k]! })) }
}

/** Counts, owners and origins of a corpus: steps 5 (whose record it is) and 8. */
function createCorpus({ documents, vocabulary }: Case) {
  const payee = (i: number): number =>
    documents.findIndex(({ clusterId }) => clusterId === documents[i]!.clusterId)
  const owner = documents.map((_, i) => documents[payee(i)]!.contributionId)
  const contributionCount = new Set(documents.map(({ contributionId }) => contributionId)).size
  const contributionsMax = Math.max(3, Math.floor(contributionCount / 10))
  const places: Place[] = documents.flatMap(({ tokens }, i) => tokens.map((_, at): Place => [i, at]))
  const find = (run: readonly number[]): Place[] =>
    places.filter(([i, at]) => run.every((token, k) => documents[i]!.tokens[at + k] === token))

  const origins = documents.map(({ tokens }) => tokens.map((): Place | undefined => undefined))
  const runs = new Map<string, Place[]>()
  for (const [i, at] of places) {
    const run = documents[i]!.tokens.slice(at, at + COPY_TOKENS)
    if (run.length === COPY_TOKENS) runs.set(run.join(), [...(runs.get(run.join()) ?? []), [i, at]])
  }
  const isEarlier = (a: Place, b: Place): boolean => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1])
  for (const holders of runs.values()) {
    if (new Set(holders.map(([i]) => owner[i])).size > contributionsMax) continue
    const [first, from] = holders[0]!
    for (const [i, at] of holders.filter((holder) => owner[holder[0]] !== owner[first])) {
      for (let k = 0; k < COPY_TOKENS; k++) {
        const known = origins[i]![at + k]
        const place: Place = [first, from + k]
        if (known === undefined || isEarlier(place, known)) origins[i]![at + k] = place
      }
    }
  }
  const isOwn = ([i, at]: Place): boolean => payee(i) === i && origins[i]![at] === undefined
  const count = (run: readonly number[]): number => find(run).length
  const countOwn = (run: readonly number[]): number => find(run).filter(isOwn).length
  const tokenCount = places.filter(isOwn).length
  return {
    payee,
    owner,
    contributionsMax,
    find,
    count,
    countOwn,
    tokenCount,
    /** The document that says first what stands at a place. */
    says: (i: number, at: number): number => origins[i]![at]?.[0] ?? i,
    followers: (token: number): number =>
      new Set(find([token]).map(([i, at]) => documents[i]!.tokens[at + 1] ?? vocabulary)).size,
    unigram: (token: number): number => (countOwn([token]) + 1) / (tokenCount + vocabulary),
    copies: documents.map(({ tokens }, i) => {
      const from = new Map<number, number>()
      for (const origin of origins[i]!)
        if (origin !== undefined) from.set(origin[0], (from.get(origin[0]) ?? 0) + 1)
      return [...from]
        .sort(([a], [b]) => a - b)
        .map(([source, copied]) => ({ source, ppm: Math.floor((1e6 * copied) / tokens.length) }))
        .filter(({ ppm }) => ppm > 0)
    }),
  }
}

type Corpus = ReturnType<typeof createCorpus>

/** Steps 4 and 5. */
function influenceLines({ documents, scores }: Case, { payee, copies }: Corpus, units: bigint): Line[] {
  const rows = documents.flatMap((_, i) => (payee(i) === i ? [i] : []))
  const lowerMedian = (values: readonly number[]): number =>
    [...values].sort((a, b) => a - b)[(values.length - 1) >> 1]!
  const median = lowerMedian(rows.map((i) => scores[i]!))
  const mad = lowerMedian(rows.map((i) => Math.abs(scores[i]! - median)))
  if (mad === 0) return []
  const microZ = (i: number): number =>
    Number((BigInt(scores[i]! - median) * 10n ** 10n) / (14_826n * BigInt(mad)))
  const standing = rows
    .filter((i) => microZ(i) > 3_000_000)
    .sort((a, b) => scores[b]! - scores[a]! || a - b)
    .slice(0, 1_024)
  if (standing.length === 0 || units === 0n) return []
  const parts = splitExactly(
    units,
    standing.map((i) => BigInt(microZ(i) - 3_000_000)),
  )
  return standing.flatMap((i, row): Line[] => {
    const sources = copies[i]!
    if (sources.length === 0) return [{ to: payee(i), units: parts[row]! }]
    const copied = sum(sources.map(({ ppm }) => ppm))
    const left = Number((BigInt(microZ(i)) * BigInt(Math.max(0, 1_000_000 - 2 * copied))) / 1_000_000n)
    const kept = Math.max(0, left - 3_000_000)
    const [own, owed] = splitExactly(parts[row]!, [BigInt(kept), BigInt(microZ(i) - 3_000_000 - kept)])
    const owedParts = splitExactly(
      owed!,
      sources.map(({ ppm }) => BigInt(ppm)),
    )
    return [
      { to: payee(i), units: own! },
      ...sources.map(({ source }, k) => ({ to: payee(source), units: owedParts[k]! })),
    ]
  })
}

const microNats = (probability: number): number => Math.round(-Math.log(probability) * 1e6)

type Span = { start: number; end: number; surprisal: number; places: Place[] }

/** Step 6. */
function findSpans(
  { answer }: Case,
  { find, count, countOwn, followers, unigram, tokenCount }: Corpus,
): Span[] {
  const spans: Span[] = []
  let endMax = 0
  for (let start = 0; start < answer.length; start++) {
    let end = start
    while (end < answer.length && count(answer.slice(start, end + 1)) > 0) end++
    if (end === start || end <= endMax) continue
    endMax = end
    let surprisal = microNats(unigram(answer[start]!))
    for (let t = start + 1; t < end; t++) {
      const [a, b] = [answer[t - 1]!, answer[t]!]
      const countOfA = Math.max(1, countOwn([a]))
      const seen = Math.max(0, countOwn([a, b]) - 1) / countOfA
      surprisal += microNats(seen + (followers(a) / countOfA) * unigram(b))
    }
    if (surprisal > microNats(0.01 / tokenCount))
      spans.push({ start, end, surprisal, places: find(answer.slice(start, end)) })
  }
  return spans
}

/** Steps 7 and 9. */
function spanLines(given: Case, corpus: Corpus, units: bigint): Line[] {
  const { answer, logProbabilities } = given
  const { says, owner, contributionsMax, payee, unigram } = corpus
  const spans = findSpans(given, corpus)
  const weights = answer.map((token, t) =>
    Math.max(0, Math.round(1_000 * logProbabilities[t]!) + Math.round(microNats(unigram(token)) / 1_000)),
  )
  const spanOf = answer.map(
    (_, t) =>
      spans
        .filter(({ start, end }) => start <= t && t < end)
        .sort(
          (a, b) => b.end - b.start - (a.end - a.start) || b.surprisal - a.surprisal || a.start - b.start,
        )[0],
  )
  // neighbouring tokens paid through one span to the same records are one run
  const runs: { span: Span; key: string; payees: number[]; end: number; weight: number }[] = []
  for (const [t, span] of spanOf.entries()) {
    if (span === undefined) continue
    const contributions = new Set(span.places.map(([i, at]) => owner[says(i, at)]))
    if (contributions.size > contributionsMax) continue
    const first = [...new Set(span.places.map(([i, at]) => says(i, at + t - span.start)))].sort(
      (a, b) => a - b,
    )
    const payees = [...new Set(first.map(payee))].sort((a, b) => a - b)
    const last = runs.at(-1)
    if (last?.span === span && last.end === t && last.key === first.join()) {
      last.end++
      last.weight += weights[t]!
    } else runs.push({ span, key: first.join(), payees, end: t + 1, weight: weights[t]! })
  }
  // paid in the order of spans, then of tokens
  const paid = runs
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => a.span.start - b.span.start || a.end - b.end)
  if (paid.length === 0 || units === 0n) return []
  const rest = sum(weights) - sum(paid.map(({ weight }) => weight))
  const parts = splitExactly(units, [...paid.map(({ weight }) => BigInt(weight)), BigInt(rest)])
  return paid.flatMap(({ payees }, i) =>
    splitExactly(
      parts[i]!,
      payees.map(() => 1n),
    ).map((part, k) => ({ to: payees[k]!, units: part })),
  )
}

describe('the payout rule as docs/protocol.md tells it', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('pays what the code pays, corpus %i', (seed) => {
    const given = randomCase(seed)
    expect(written(given)).toBe(coded(given))
  })

  test('is put to the test: answers pay several contributions, copies and the commons', () => {
    const cases = [1, 2, 3, 4, 5, 6, 7, 8].map(randomCase)
    expect(cases.every((given) => coded(given).split(', ').length > 3)).toBe(true)
    expect(cases.every((given) => createCorpus(given).copies.some((copies) => copies.length > 0))).toBe(true)
  })
})
