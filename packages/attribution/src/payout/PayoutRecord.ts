import { BaseError } from '@openledger/primitives'

/** What the payout rule must know of a record. */
export type PayoutRecord = {
  readonly recordId: string
  readonly contributionId: string
  /** Who registered it. */
  readonly contributor: string
  /** Who is paid for it now. */
  readonly beneficiary: string
  /** Names the cluster of duplicates that the record is in; a record without duplicates names itself. */
  readonly clusterId: string
  /** Place in the order of registration; equal places go by the order of the list. */
  readonly arrival: number
  /** Parts of the record that were copied from earlier contributions, in parts per million of its tokens. */
  readonly copied?: readonly { readonly recordId: string; readonly ppm: number }[]
}

/** Finds records, and the record that is paid for each cluster of duplicates: the one registered first. */
export type Registry = {
  readonly recordOf: (recordId: string) => PayoutRecord
  readonly payeeOf: (recordId: string) => PayoutRecord
  /** Orders records as they were registered. */
  readonly compare: (a: PayoutRecord, b: PayoutRecord) => number
}

/** @throws {UnknownRecordError} from its functions, for a record that is not in the list. */
export function createRegistry(records: readonly PayoutRecord[]): Registry {
  const places = new Map<string, number>()
  const known = new Map<string, PayoutRecord>()
  const ordered = records
    .map((record, i) => ({ record, i }))
    .sort((a, b) => a.record.arrival - b.record.arrival || a.i - b.i)
  const payees = new Map<string, PayoutRecord>()
  for (const [place, { record }] of ordered.entries()) {
    if (known.has(record.recordId)) continue
    known.set(record.recordId, record)
    places.set(record.recordId, place)
    if (!payees.has(record.clusterId)) payees.set(record.clusterId, record)
  }
  const recordOf = (recordId: string): PayoutRecord => {
    const record = known.get(recordId)
    if (record === undefined) throw new UnknownRecordError(recordId)
    return record
  }
  return {
    recordOf,
    payeeOf: (recordId) => payees.get(recordOf(recordId).clusterId)!,
    compare: (a, b) => places.get(a.recordId)! - places.get(b.recordId)!,
  }
}

export class UnknownRecordError extends BaseError {
  constructor(recordId: string) {
    super({
      code: 'attribution.unknown_record',
      message: `Expected every scored or matched record among the records to pay, but ${recordId} is not; pass the records of the version that the index was built of.`,
      context: { recordId },
    })
  }
}
