import { createRandom } from '@openledger/model'
import { Bytes, type Hex } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'

/** A record to train on, as its Datanet version holds it. */
export type TrainingRecord = {
  readonly recordId: Hex
  readonly contributionId: Hex
  readonly clusterId: Hex
  readonly text: string
}

/** Joins the records of several versions in their order; what more than one holds is taken once. */
export function joinRecords(versions: readonly (readonly TrainingRecord[])[]): TrainingRecord[] {
  const seen = new Map<Hex, TrainingRecord>()
  for (const record of versions.flat()) if (!seen.has(record.recordId)) seen.set(record.recordId, record)
  return [...seen.values()]
}

/** Every twentieth cluster of records is kept out of training, to see what was learned rather than remembered. */
const HELD_OUT_IN = 20n

/**
 * Parts records into those to train on and those to measure on.
 *
 * The hash of a record's cluster decides, so near duplicates never straddle and a record stays on its side in every
 * version. A set too small to spare any is measured on itself, and says so by returning the same records.
 */
export function partRecords(records: readonly TrainingRecord[]): {
  readonly training: readonly TrainingRecord[]
  readonly heldOut: readonly TrainingRecord[]
} {
  const isHeldOut = ({ clusterId }: TrainingRecord) =>
    Bytes.toUint(Bytes.fromHex(clusterId).subarray(24)) % HELD_OUT_IN === 0n
  const heldOut = records.filter(isHeldOut)
  const training = records.filter((record) => !isHeldOut(record))
  return heldOut.length === 0 || training.length === 0
    ? { training: records, heldOut: records }
    : { training, heldOut }
}

/**
 * Orders the sequences of every epoch: a fresh shuffle each, decided by the seed alone, cut into batches.
 * @param sequenceCount - How many sequences one epoch has.
 * @returns Indices of sequences, step by step over all epochs.
 */
export function planBatches(
  sequenceCount: number,
  { epochs, batchSize, seed }: Pick<Http.TrainingConfig, 'epochs' | 'batchSize' | 'seed'>,
): number[][] {
  const random = createRandom(seed)
  const batches: number[][] = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = Array.from({ length: sequenceCount }, (_, index) => index)
    for (let last = order.length - 1; last > 0; last--) {
      const other = Math.floor(random.next() * (last + 1))
      ;[order[last], order[other]] = [order[other]!, order[last]!]
    }
    for (let start = 0; start < order.length; start += batchSize)
      batches.push(order.slice(start, start + batchSize))
  }
  return batches
}
