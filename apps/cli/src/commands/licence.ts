import { BaseError, Bytes, Open } from '@openledger/primitives'
import { signerOf } from '@openledger/sdk'
import type { Command } from 'commander'
import { addressOf } from '../Arguments.ts'
import { green, open } from '../Output.ts'
import { actingOnDatanets, type Session } from '../Session.ts'

const DAY_SECONDS = 86_400

type TermsOptions = {
  readonly price: string
  readonly days: string
  readonly ownerPart: string
  readonly text: string
}

/** Licences of Datanets whose texts are not open: what they cost, who has one, and what contributors earn by them. */
export function addLicenceCommands(program: Command, session: Session): void {
  const acting = () => actingOnDatanets(session)

  program
    .command('licence')
    .description(
      'shows what a Datanet’s licence costs; of an account also until when it holds one, and what it earned',
    )
    .argument('<datanet>', 'id of the Datanet')
    .action(async (datanetId: string) => {
      const { client } = await session.connect()
      const holder = session.isNamed() ? (await session.acting()).account.address : undefined
      const [{ name, licence, isOpen }, { terms, until, owedWei }] = await Promise.all([
        client.datanet(datanetId),
        client.datanetLicence(datanetId, holder),
      ])
      console.log(`${name} is under ${licence}${isOpen ? ': anyone may read it and train on it' : ''}`)
      if (terms === null) console.log('No licence is sold.')
      else
        console.log(
          `A licence costs ${open(terms.priceWei)} for ${terms.durationSeconds / DAY_SECONDS} days; ${terms.ownerBps / 100} % of it goes to the owner, the rest to the contributors. Text: ${terms.termsHash}`,
        )
      if (holder === undefined) return
      console.log(until === null ? 'You hold none.' : `${green('Yours')} until ${timeOf(until)}`)
      console.log(`earned by licences and not claimed: ${open(owedWei)}`)
    })

  program
    .command('buy-licence')
    .description('buys a Datanet’s licence on the terms of this moment, or makes yours longer')
    .argument('<datanet>', 'id of the Datanet')
    .option('--for <address>', 'who is to hold it; you, when left out')
    .action(async (datanetId: string, options: { for?: string }) => {
      const { connection, account, registry, sender } = await acting()
      const { terms } = await connection.client.datanetLicence(datanetId)
      if (terms === null) throw new LicenceNotSoldError(datanetId)
      const holder = options.for === undefined ? account.address : addressOf(options.for)
      const { transactionHash } = await sender.send({
        ...registry,
        functionName: 'buyLicence',
        args: [BigInt(datanetId), terms.version, holder],
        valueWei: BigInt(terms.priceWei),
      })
      const { until } = await connection.client.datanetLicence(datanetId, holder)
      console.log(
        `${green('Bought')} for ${open(terms.priceWei)}, until ${timeOf(until!)}, in ${transactionHash}`,
      )
    })

  program
    .command('sell-licence')
    .description('sets what a licence of your Datanet costs from now on; 0 days ends the sale')
    .argument('<datanet>', 'id of the Datanet')
    .requiredOption('--price <open>', 'OPEN')
    .requiredOption('--days <days>', 'how long one lasts')
    .option('--owner-part <percent>', 'your part of the fee, at most 50', '0')
    .option('--text <text>', 'the licence’s text; its hash goes on chain', '')
    .action(async (datanetId: string, { price, days, ownerPart, text }: TermsOptions) => {
      const { registry, sender } = await acting()
      const { transactionHash } = await sender.send({
        ...registry,
        functionName: 'setLicenceTerms',
        args: [
          BigInt(datanetId),
          Open.parse(price),
          BigInt(Math.round(Number(days) * DAY_SECONDS)),
          Math.round(Number(ownerPart) * 100),
          Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text))),
        ],
      })
      console.log(`${green('On chain')} in ${transactionHash}`)
    })

  program
    .command('grant-licence')
    .description('gives a licence of your Datanet without a fee')
    .argument('<datanet>', 'id of the Datanet')
    .argument('<address>', 'who is to hold it')
    .requiredOption('--days <days>', 'how long from now')
    .action(async (datanetId: string, holder: string, { days }: { days: string }) => {
      const { connection, registry, sender } = await acting()
      const { timestamp } = await connection.l2.getBlock()
      const until = timestamp + BigInt(Math.round(Number(days) * DAY_SECONDS))
      const { transactionHash } = await sender.send({
        ...registry,
        functionName: 'grantLicence',
        args: [BigInt(datanetId), addressOf(holder), until],
      })
      console.log(`${green('Given')} until ${timeOf(Number(until))}, in ${transactionHash}`)
    })

  program
    .command('claim-licence-fees')
    .description('takes what your contributions earned by licences')
    .action(async () => {
      const { connection, account } = await session.acting()
      const { transactionHash, amountWei } = await connection.client.claimLicenceFees(account.address)
      console.log(`${green('Paid out')}: ${open(amountWei)} in ${transactionHash}`)
    })

  program
    .command('withdraw-contribution')
    .description('takes a contribution of yours back, for good; versions that have it stay')
    .argument('<contribution>', 'id of the contribution')
    .action(async (id: string) => {
      const { connection, account } = await session.acting()
      const { title, datanetName } = await connection.client.withdrawContribution(id, signerOf(account))
      console.log(`${green('Taken back')}: no version of ${datanetName} from now on holds ${title}`)
    })
}

const timeOf = (seconds: number): string => new Date(seconds * 1000).toISOString()

export class LicenceNotSoldError extends BaseError {
  constructor(datanetId: string) {
    super({
      code: 'cli.licence_not_sold',
      message: `Expected a Datanet whose licence is sold, but Datanet ${datanetId} sells none. Ask its owner for one.`,
      context: { datanetId },
    })
  }
}
