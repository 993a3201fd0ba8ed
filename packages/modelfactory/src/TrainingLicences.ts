import { BaseError, type Hex } from '@openledger/primitives'
import { Licence } from '@openledger/protocol'
import { and, type Database, eq, inArray, schema } from '@openledger/store'

const { contributions, datanets } = schema

/**
 * Refuses to train on texts whose licence is not open for who has none: theirs must be all of them, or they must hold the
 * Datanet's licence, own it or judge for it.
 * @param mayTrain - Asks the chain. @throws {LicenceRequiredError}
 */
export async function requireLicences(
  {
    database: { orm },
    mayTrain,
  }: {
    readonly database: Database
    readonly mayTrain: (account: Hex, datanetId: bigint) => Promise<boolean>
  },
  versions: readonly { readonly datanetId: string }[],
  account: Hex,
): Promise<void> {
  for (const datanetId of new Set(versions.map((each) => BigInt(each.datanetId)))) {
    const terms = await orm
      .selectDistinct({
        licence: contributions.licence,
        datanetLicence: datanets.licence,
        contributor: contributions.contributor,
      })
      .from(contributions)
      .innerJoin(datanets, eq(datanets.id, contributions.datanetId))
      .where(
        and(
          eq(contributions.datanetId, datanetId),
          inArray(contributions.status, ['versioned', 'withdrawing', 'withdrawn']),
        ),
      )
    const closed = terms.filter(
      ({ licence, datanetLicence, contributor }) =>
        contributor !== account && !Licence.areOpen(licence, datanetLicence),
    )
    if (closed.length === 0 || (await mayTrain(account, datanetId))) continue
    const licences = closed.map(({ licence, datanetLicence }) =>
      Licence.areOpen(datanetLicence) ? licence : datanetLicence,
    )
    throw new LicenceRequiredError(datanetId, [...new Set(licences)].sort(), account)
  }
}

export class LicenceRequiredError extends BaseError {
  constructor(datanetId: bigint, licences: readonly string[], account: Hex) {
    super({
      code: 'datanet.licence_required',
      message: `Expected a holder of the licence of Datanet ${datanetId}, whose texts are under ${licences.join(', ')}, got ${account}. Buy one (openledger buy-licence ${datanetId}), or ask its owner; nothing was started.`,
      context: { datanetId: datanetId.toString(), licences: [...licences], account },
    })
  }
}
