import type { ModelFactory, ServedModel } from '@openledger/modelfactory'
import { BaseError } from '@openledger/primitives'
import { Licence } from '@openledger/protocol'
import { type Database, inArray, schema } from '@openledger/store'
import { PublishedModelNotFoundError } from '../completions/Answering.ts'

const { contributions, datanets } = schema

export type LicensedModel = {
  readonly model: ServedModel
  /** Of all that it was trained on, sorted. */
  readonly licences: readonly string[]
  /** Whether all of them let anyone have it. */
  readonly isOpen: boolean
}

/** Finds a published model with the licences of what it was trained on. @throws {PublishedModelNotFoundError} */
export async function findLicensed(
  {
    database,
    modelFactory,
  }: { readonly database: Database; readonly modelFactory: Pick<ModelFactory, 'serving'> },
  name: string,
): Promise<LicensedModel> {
  const model = await modelFactory.serving(name)
  if (model === undefined) throw new PublishedModelNotFoundError(name)
  const ids = [...model.datanetIds]
  const [ofDatanets, ofContributions] = await Promise.all([
    database.orm.select({ licence: datanets.licence }).from(datanets).where(inArray(datanets.id, ids)),
    database.orm
      .selectDistinct({ licence: contributions.licence })
      .from(contributions)
      .where(inArray(contributions.datanetId, ids)),
  ])
  const licences = [...new Set([...ofDatanets, ...ofContributions].map(({ licence }) => licence))].sort()
  return { model, licences, isOpen: Licence.areOpen(...licences) }
}

export class FilesForbiddenError extends BaseError {
  constructor(name: string, licences: readonly string[]) {
    super({
      code: 'model.files_forbidden',
      message: `Expected open licences on all that ${name} was trained on, but they are ${licences.join(', ')}. Its indexes hold the text, and its owner alone may have the weights; ask the Datanet's owner.`,
      context: { name, licences: [...licences] },
    })
  }
}
