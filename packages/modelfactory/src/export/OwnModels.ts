import { BaseError, type Hex } from '@openledger/primitives'
import { type Http, ModelCard } from '@openledger/protocol'
import { and, type Blobs, type Database, eq, isNotNull, notInArray, schema } from '@openledger/store'
import { requirePassedGate } from '../Publication.ts'
import type { Runs } from '../Runs.ts'
import type { Exports } from './Exports.ts'

const { trainingRuns } = schema

export type OwnModelsDeps = {
  readonly database: Database
  readonly blobs: Blobs
  readonly runs: Runs
  readonly exports: Exports
  readonly baseDirectory: string
}

/**
 * Makes the archive of a model of its own (a run that trained all weights) for its owner.
 * @returns Undefined where no such run has the name.
 * @throws {NotModelOwnerError} {GateClosedError} {ExportBusyError} {ExportFailedError}
 */
export async function exportWhole(
  { database: { orm }, blobs, runs, exports, baseDirectory }: OwnModelsDeps,
  {
    name,
    format,
    account,
  }: { readonly name: string; readonly format: Http.ExportFormat; readonly account: Hex },
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const [run] = await orm
    .select()
    .from(trainingRuns)
    .where(
      and(
        eq(trainingRuns.modelName, name),
        isNotNull(trainingRuns.weightsCid),
        notInArray(trainingRuns.status, ['failed', 'cancelled']),
      ),
    )
  if (run === undefined) return undefined
  if (run.owner !== account) throw new NotModelOwnerError(name, account)
  requirePassedGate(run)
  return exports.make({
    name,
    format,
    baseDirectory,
    weights: await blobs.get(run.weightsCid!),
    card: ModelCard.writeWhole(await runs.get(run.id)),
  })
}

export class NotModelOwnerError extends BaseError {
  constructor(name: string, account: Hex) {
    super({
      code: 'model.not_owner',
      message: `Expected the owner of ${name}, got ${account}. Where licences are not open, and of a model of its own, only the owner may have the weights.`,
      context: { name, account },
    })
  }
}
