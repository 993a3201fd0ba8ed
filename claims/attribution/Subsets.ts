import { createRandom } from '@openledger/model'
import type { Retraining } from './Bank.ts'

/** Draws sets of records to leave out, and keeps start and order: what did these records do to this very model? */
export function dropSubsets(
  recordCount: number,
  { count, part, seed }: { count: number; part: number; seed: number },
): Retraining[] {
  const size = Math.round(recordCount * part)
  return Array.from({ length: count }, (_, i) => ({
    name: `drop ${part} ${i}`,
    seed,
    leftOut: chosen(recordCount, size, 1_000 + i),
  }))
}

/** Draws halves of the records, each trained from several other starts and in other orders: what do records do to such models? */
export function halfSubsets(
  recordCount: number,
  { count, seeds }: { count: number; seeds: readonly number[] },
): Retraining[] {
  return Array.from({ length: count }, (_, i) => i).flatMap((i) =>
    seeds.map((seed) => ({
      name: `half ${i} seed ${seed}`,
      seed,
      leftOut: chosen(recordCount, recordCount >> 1, 5_000 + i),
    })),
  )
}

/** Leaves out all records of one author at a time, and keeps start and order. */
export function authorSubsets(
  authorOf: readonly number[],
  { count, seed }: { count: number; seed: number },
): Retraining[] {
  return Array.from({ length: count }, (_, author) => ({
    name: `author ${author}`,
    seed,
    leftOut: authorOf.flatMap((other, record) => (other === author ? [record] : [])),
  }))
}

const chosen = (recordCount: number, size: number, seed: number): number[] =>
  createRandom(seed)
    .shuffle(Array.from({ length: recordCount }, (_, i) => i))
    .slice(0, size)
    .sort((a, b) => a - b)
