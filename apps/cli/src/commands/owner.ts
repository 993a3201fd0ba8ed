import { CanonicalJson, type Hex, Open } from '@openledger/primitives'
import { datanetsAbi } from '@openledger/protocol/abi/datanets'
import { modelsAbi } from '@openledger/protocol/abi/models'
import { signerOf } from '@openledger/sdk'
import type { Command } from 'commander'
import { addressOf } from '../Arguments.ts'
import type { Connection } from '../Connection.ts'
import { green, open, table } from '../Output.ts'
import { type Session, senderOf } from '../Session.ts'
import { printShares } from '../Shares.ts'

/** What owners decide: of a Datanet, a model, a contribution's rewards. Each is a transaction of the owner's own. */
export function addOwnerCommands(program: Command, session: Session): void {
  program
    .command('create-datanet')
    .description('creates a Datanet that you own, checked by this server')
    .argument('<name>', '2 to 63 of a-z, 0-9, full stop and hyphen')
    .requiredOption('--summary <text>', 'what belongs in it')
    .option('--licence <licence>', 'SPDX identifier of the licence that contributors give', 'MIT')
    .action(async (name: string, { summary, licence }: { summary: string; licence: string }) => {
      const { connection, account } = await session.acting()
      const { client, network } = connection
      const sender = senderOf(connection, account)
      const registry = { address: network.deployment.l2.datanets, abi: datanetsAbi } as const
      const { transactionHash } = await sender.send({
        ...registry,
        functionName: 'createDatanet',
        args: [name, CanonicalJson.hash({ summary }), licence, account.address],
      })
      const datanet = await client.registerDatanet({ transactionHash, summary })
      await sender.send({
        ...registry,
        functionName: 'addValidator',
        args: [BigInt(datanet.id), network.validator],
      })
      console.log(`${green('On chain')}: Datanet ${datanet.id}, ${datanet.name}, in ${transactionHash}`)
    })

  program
    .command('beneficiary')
    .description('hands the future rewards of a contribution to another address')
    .argument('<contribution>', 'id of the contribution')
    .argument('<address>', 'who is paid from now on')
    .action(async (contributionId: string, to: string) => {
      const { connection, account } = await session.acting()
      const { title, beneficiary } = await connection.client.changeBeneficiary(
        contributionId,
        addressOf(to),
        signerOf(account),
      )
      console.log(`${green('Handed over')}: ${title} pays ${beneficiary} from now on`)
    })

  /** One function of `Models` on one model, named as people name it. */
  const onModel = async (
    modelName: string,
    call: (
      modelId: bigint,
    ) =>
      | { functionName: 'setPrices'; args: [bigint, bigint, bigint] }
      | { functionName: 'transferModel'; args: [bigint, Hex] }
      | { functionName: 'retire'; args: [bigint] },
  ): Promise<void> => {
    const { connection, account } = await session.acting()
    const { transactionHash } = await senderOf(connection, account).send({
      address: connection.network.deployment.l2.models,
      abi: modelsAbi,
      ...call(await modelIdOf(connection, modelName)),
    })
    console.log(`${green('On chain')} in ${transactionHash}`)
  }

  program
    .command('prices')
    .description('sets what a token costs at a model of yours')
    .argument('<model>')
    .argument('<input>', 'OPEN per token of the prompt')
    .argument('<output>', 'OPEN per token of the answer')
    .action((model: string, input: string, output: string) =>
      onModel(model, (id) => ({
        functionName: 'setPrices',
        args: [id, Open.parse(input), Open.parse(output)],
      })),
    )

  program
    .command('transfer-model')
    .description('gives a model of yours, and what it earns its owner, to another address')
    .argument('<model>')
    .argument('<address>')
    .action((model: string, to: string) =>
      onModel(model, (id) => ({ functionName: 'transferModel', args: [id, addressOf(to)] })),
    )

  program
    .command('keep')
    .description('pays for keeping a model of yours in memory, or lists what is kept and what it costs')
    .argument('[model]')
    .option('--hours <count>', 'how long; what is kept already stays for that much longer', '24')
    .option('--key <secret>', 'API key of the owner', session.apiKey)
    .action(async (model: string | undefined, { hours, key }: { hours: string; key?: string }) => {
      if (model === undefined) {
        const { priceWei, pins } = await (await session.connect()).client.pins()
        console.log(`${open(priceWei)} for a MiB and an hour`)
        table([
          ['model', 'until', 'MiB', 'receipt'],
          ...pins.map((pin) => [
            pin.modelName,
            new Date(pin.untilSeconds * 1_000).toISOString(),
            (pin.sizeBytes / 2 ** 20).toFixed(2),
            String(pin.receiptSequence),
          ]),
        ])
        return
      }
      const { connection, account } = await session.acting()
      const { openAccess } = await import('../asking.ts')
      const secret = key ?? (await openAccess(connection, account, Open.parse('5')))
      await printShares(connection, await connection.client.pin(model, Number(hours), secret))
    })

  program
    .command('retire')
    .description('takes a model of yours out of service for good')
    .argument('<model>')
    .action((model: string) => onModel(model, (id) => ({ functionName: 'retire', args: [id] })))
}

/** Models are numbers on chain and names everywhere else. */
export const modelIdOf = async ({ client }: Connection, name: string): Promise<bigint> =>
  BigInt((await client.model(name)).id)
