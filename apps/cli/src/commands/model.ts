import { Open } from '@openledger/primitives'
import type { Command } from 'commander'
import { dim, open, table } from '../Output.ts'
import type { Session } from '../Session.ts'
import { printShares } from '../Shares.ts'

/** Models: training, what is published, asking. */
export function addModelCommands(program: Command, session: Session): void {
  program
    .command('train')
    .description('fine-tunes a model on the newest version of a Datanet, with its loss as it falls')
    .argument('<name>', 'name of the model')
    .argument('<datanet>', 'id of the Datanet')
    .option('--price <open>', 'OPEN per token', '0.001')
    .option('--epochs <count>', 'times each record is seen', '4')
    .option('--no-publish', 'stop when trained')
    .action(
      async (
        modelName: string,
        datanetId: string,
        { price, epochs, publish }: { price: string; epochs: string; publish: boolean },
      ) => {
        const { connection, account } = await session.acting()
        const { trainAndPublish } = await import('../training.ts')
        await trainAndPublish(connection, account, {
          modelName,
          datanetId,
          priceWei: Open.parse(price),
          config: { epochs: Number(epochs) },
          publish,
          onProgress: (line) => console.log(line),
        })
      },
    )

  program
    .command('models')
    .description('lists the published models')
    .action(async () => {
      const { client } = await session.connect()
      const list = await client.models()
      table([
        ['name', 'loss', 'base loss', 'price per token', 'answers', 'earned'],
        ...list.map((model) => [
          model.name,
          model.validationLoss.toFixed(3),
          model.baseValidationLoss.toFixed(3),
          open(model.outputPriceWei),
          String(model.answerCount),
          open(model.earnedWei),
        ]),
      ])
    })

  program
    .command('ask')
    .description('asks a model, pays for the answer, and shows whom it pays')
    .argument('<model>')
    .argument('<prompt>')
    .option('--tokens <count>', 'tokens at most', '96')
    .option('--key <secret>', 'API key', session.apiKey)
    .action(async (model: string, prompt: string, { tokens, key }: { tokens: string; key?: string }) => {
      const connection = await session.connect()
      const { ask, openAccess } = await import('../asking.ts')
      const secret =
        key ?? (await openAccess(connection, (await session.acting('caller')).account, Open.parse('5')))
      const { answer, receipt } = await ask(connection, { model, prompt, maxTokens: Number(tokens), secret })
      console.log(`${dim(prompt)}${answer}\n`)
      await printShares(connection, receipt)
    })
}
