import type { ModelFactory, ServedModel } from '@openledger/modelfactory'
import { BaseError } from '@openledger/primitives'
import { type Database, inArray, schema } from '@openledger/store'
import { PublishedModelNotFoundError } from '../completions/Answering.ts'

const { contributions, datanets } = schema

/** Licences whose terms let anyone have the text, and what was made of it. */
const OPEN_LICENCES = new Set([
  'MIT',
  'MIT-0',
  'ISC',
  '0BSD',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  'Unlicense',
  'CC0-1.0',
  'CC-BY-4.0',
  'CC-BY-SA-4.0',
  'MPL-2.0',
  'GPL-2.0-only',
  'GPL-3.0-only',
  'GPL-3.0-or-later',
])

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
  return { model, licences, isOpen: licences.every((licence) => OPEN_LICENCES.has(licence)) }
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
