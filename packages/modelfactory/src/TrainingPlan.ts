import { clusterRecords } from '@openledger/attribution'
import { createRandom } from '@openledger/model'
import { Bytes, type Hex } from '@openledger/primitives'
import { type Http, RecordForm } from '@openledger/protocol'

/** A record to train on, as its Datanet version holds it. */
export type TrainingRecord = {
  readonly recordId: Hex
  readonly contributionId: Hex
  readonly clusterId: Hex
  readonly text: string
  /** Ranges of characters of `RecordForm.plainText` that repeat answers: they are neither learned nor paid. */
  readonly echoes?: readonly (readonly [start: number, end: number])[]
  /** How often an epoch sees it; 1 where nothing is said. */
  readonly weight?: number
  /** Whether anyone may have the text; a judge is shown no other. */
  readonly isOpen?: boolean
}

/**
 * Joins the records of several versions in their order; what more than one holds is taken once, from the first.
 * @param mixture - How often an epoch sees each record of each version.
 */
export function joinRecords(
  versions: readonly (readonly TrainingRecord[])[],
  mixture: readonly number[] = [],
): TrainingRecord[] {
  const seen = new Map<Hex, TrainingRecord>()
  for (const [i, records] of versions.entries()) {
    const weight = mixture[i] ?? 1
    for (const record of records)
      if (!seen.has(record.recordId)) seen.set(record.recordId, weight === 1 ? record : { ...record, weight })
  }
  return [...seen.values()]
}

/** Of so many lineages of records one is not learned; every other of those is for validation, the rest for the test. */
const HELD_OUT_IN = 20n

/** Who takes part in what: no lineage is on two sides. */
export type Parted = {
  /** Learned. */
  readonly training: readonly TrainingRecord[]
  /** Not learned, but asked during the training when to stop and which adapter is best. */
  readonly validation: readonly TrainingRecord[]
  /** Decides nothing: measured for what the run publishes. */
  readonly test: readonly TrainingRecord[]
}

/**
 * Parts records into those to learn, those to validate on and those to test with.
 *
 * The hash of a record's lineage decides, so near duplicates never straddle, in whatever Datanets they are, and a record stays
 * on its side in every version. A set too small for two sides beside training has all that is not learned on both, and one
 * too small to spare any is measured on itself; the sides then are the same list.
 */
export function partRecords(records: readonly TrainingRecord[]): Parted {
  const numbers = lineagesOf(records).map((lineage) => Bytes.toUint(Bytes.fromHex(lineage).subarray(24)))
  const where = (isOn: (number: bigint) => boolean) => records.filter((_, i) => isOn(numbers[i]!))
  const training = where((number) => number % HELD_OUT_IN !== 0n)
  if (training.length === 0 || training.length === records.length)
    return { training: records, validation: records, test: records }
  const validation = where((number) => number % (2n * HELD_OUT_IN) === 0n)
  const test = where((number) => number % (2n * HELD_OUT_IN) === HELD_OUT_IN)
  if (validation.length > 0 && test.length > 0) return { training, validation, test }
  const heldOut = validation.length > 0 ? validation : test
  return { training, validation: heldOut, test: heldOut }
}

/**
 * Names for each record the lineage that it belongs to: records that are near duplicates of each other, in whatever Datanet,
 * have one name, that of the first of them.
 *
 * Computed from the texts, so that who trains again needs to believe nobody; what validation found besides is kept.
 */
export function lineagesOf(records: readonly TrainingRecord[]): Hex[] {
  const parents = records.map((_, i) => i)
  const rootOf = (i: number): number => {
    let at = i
    while (parents[at] !== at) at = parents[at]!
    parents[i] = at
    return at
  }
  const join = (a: number, b: number): void => {
    const [first, second] = [rootOf(a), rootOf(b)].sort((x, y) => x - y) as [number, number]
    parents[second] = first
  }
  const byCluster = new Map<string, number>()
  const candidates = records.map(({ text }, i) => ({ recordId: String(i), text: RecordForm.plainText(text) }))
  for (const [i, { clusterId }] of clusterRecords(candidates).entries()) join(i, Number(clusterId))
  for (const [i, { clusterId, recordId }] of records.entries()) {
    for (const name of [clusterId, recordId]) {
      const known = byCluster.get(name)
      if (known === undefined) byCluster.set(name, i)
      else join(i, known)
    }
  }
  return records.map((_, i) => records[rootOf(i)]!.clusterId)
}

/**
 * Orders the sequences of every epoch: a fresh shuffle each, decided by the seed alone, cut into batches.
 * @param weights - How often an epoch sees each sequence; what is left of a whole number is drawn by chance.
 * @returns Indices of sequences, step by step over all epochs.
 */
export function planBatches(
  weights: readonly number[],
  { epochs, batchSize, seed }: Pick<Http.TrainingConfig, 'epochs' | 'batchSize' | 'seed'>,
): number[][] {
  const random = createRandom(seed)
  const batches: number[][] = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = weights.flatMap((weight, index) => {
      const whole = Math.floor(weight)
      const isOnceMore = weight > whole && random.next() < weight - whole
      return new Array<number>(whole + (isOnceMore ? 1 : 0)).fill(index)
    })
    for (let last = order.length - 1; last > 0; last--) {
      const other = Math.floor(random.next() * (last + 1))
      ;[order[last], order[other]] = [order[other]!, order[last]!]
    }
    for (let start = 0; start < order.length; start += batchSize)
      batches.push(order.slice(start, start + batchSize))
  }
  return batches
}
