import { Bytes } from '@openledger/primitives'

/** A record whose duplicates are looked for; give its text or, to compare as a model reads it, its tokens. */
export type DuplicateCandidate = {
  readonly recordId: string
  readonly text?: string
  readonly tokens?: ArrayLike<number>
}

/** What a record is to those registered before it. */
export type DuplicateVerdict = {
  readonly recordId: string
  /** The first record of its cluster; its own id when nothing before it is like it. */
  readonly clusterId: string
  readonly kind: 'original' | 'exact' | 'near'
  /** The earlier record that it is most like; itself for an original. */
  readonly likeRecordId: string
  /** Jaccard similarity of the two records' shingles, in parts per million. */
  readonly similarityPpm: number
}

/** Records at least this similar are duplicates. */
export const SIMILARITY_MIN_PPM = 700_000
/** Tokens in a shingle. */
export const SHINGLE_TOKENS = 5
/** 20 bands of 5 hashes bring records of similarity 0.7 together in 97 of 100 cases. */
const BANDS = 20
const BAND_ROWS = 5
/** The most earlier records in one band bucket that a record is compared with. */
const BUCKET_MAX = 256

/**
 * Groups records with their duplicates, in the order of registration: the first of each cluster is its original.
 *
 * Equal content is found by hash; near-duplicates by MinHash over shingles of five tokens, each candidate confirmed by
 * its exact similarity. A copy of a copy joins the cluster of the original.
 *
 * @see Broder 1997 for MinHash; Lee et al. 2022 for this use of it.
 */
export function clusterRecords(records: readonly DuplicateCandidate[]): DuplicateVerdict[] {
  const exact = new Map<string, DuplicateVerdict>()
  const buckets = new Map<string, number[]>()
  const shinglesOf: Uint32Array[] = []
  const verdicts: DuplicateVerdict[] = []
  for (const [i, record] of records.entries()) {
    const { recordId } = record
    const tokens = tokensOf(record)
    const content = Bytes.toHex(Bytes.keccak256(contentOf(record, tokens)))
    const shingles = shingle(tokens)
    shinglesOf.push(shingles)
    const twin = exact.get(content)
    if (twin !== undefined) {
      const { clusterId } = twin
      verdicts.push({
        recordId,
        clusterId,
        kind: 'exact',
        likeRecordId: twin.recordId,
        similarityPpm: 1_000_000,
      })
      continue
    }
    const keys = bandKeys(shingles)
    const nearest = mostSimilar(shingles, keys, buckets, shinglesOf)
    const verdict: DuplicateVerdict =
      nearest === undefined
        ? {
            recordId,
            clusterId: recordId,
            kind: 'original',
            likeRecordId: recordId,
            similarityPpm: 1_000_000,
          }
        : {
            recordId,
            clusterId: verdicts[nearest.index]!.clusterId,
            kind: 'near',
            likeRecordId: records[nearest.index]!.recordId,
            similarityPpm: nearest.similarityPpm,
          }
    verdicts.push(verdict)
    exact.set(content, verdict)
    for (const key of keys) {
      const bucket = buckets.get(key)
      if (bucket === undefined) buckets.set(key, [i])
      else if (bucket.length < BUCKET_MAX) bucket.push(i)
    }
  }
  return verdicts
}

/** Jaccard similarity of two sets of shingles, in parts per million; sets come sorted. */
export function similarity(a: Uint32Array, b: Uint32Array): number {
  let shared = 0
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) {
      shared++
      i++
      j++
    } else if (a[i]! < b[j]!) i++
    else j++
  }
  const union = a.length + b.length - shared
  return union === 0 ? 1_000_000 : Math.floor((shared * 1_000_000) / union)
}

/** Gives the sorted distinct hashes of all runs of five tokens; of the whole, when it is shorter. */
export function shingle(tokens: ArrayLike<number>): Uint32Array {
  const count = Math.max(1, tokens.length - SHINGLE_TOKENS + 1)
  const hashes = new Set<number>()
  for (let i = 0; i < count; i++) {
    let hash = 0x811c9dc5
    for (let k = i; k < Math.min(i + SHINGLE_TOKENS, tokens.length); k++) hash = mix(hash ^ tokens[k]!)
    hashes.add(hash)
  }
  return Uint32Array.from(hashes).sort()
}

function mostSimilar(
  shingles: Uint32Array,
  keys: readonly string[],
  buckets: ReadonlyMap<string, readonly number[]>,
  shinglesOf: readonly Uint32Array[],
): { index: number; similarityPpm: number } | undefined {
  let best: { index: number; similarityPpm: number } | undefined
  const candidates = new Set(keys.flatMap((key) => buckets.get(key) ?? []))
  for (const index of [...candidates].sort((a, b) => a - b)) {
    const similarityPpm = similarity(shingles, shinglesOf[index]!)
    if (similarityPpm < SIMILARITY_MIN_PPM) continue
    if (best === undefined || similarityPpm > best.similarityPpm) best = { index, similarityPpm }
  }
  return best
}

function bandKeys(shingles: Uint32Array): string[] {
  return Array.from({ length: BANDS }, (_, band) => {
    const minima = Array.from({ length: BAND_ROWS }, (_, row) => {
      const seed = mix(band * BAND_ROWS + row + 1)
      let least = 0xffffffff
      for (const hash of shingles) least = Math.min(least, mix(hash ^ seed))
      return least
    })
    return `${band}:${minima.join(',')}`
  })
}

/** Words, numbers and single signs, each as a hash: what is between them, spaces and line ends, does not count. */
function tokensOf({ text, tokens }: DuplicateCandidate): ArrayLike<number> {
  if (tokens !== undefined) return tokens
  return Array.from((text ?? '').matchAll(/[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu), ([word]) => {
    let hash = 0x811c9dc5
    for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193) >>> 0
    return hash
  })
}

function contentOf({ text }: DuplicateCandidate, tokens: ArrayLike<number>): Uint8Array {
  if (text !== undefined) return Bytes.fromUtf8(text)
  const ids = Uint32Array.from(tokens)
  return new Uint8Array(ids.buffer)
}

/** Mixes 32 bits so that every output bit depends on every input bit (the finalizer of MurmurHash3). */
function mix(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
