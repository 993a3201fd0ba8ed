import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { BaseError, Open } from '@openledger/primitives'
import { signerOf } from '@openledger/sdk'
import { Command } from 'commander'
import { accountOf, connect } from './Connection.ts'
import { bold, dim, green, open, percent, table } from './Output.ts'

/** The command line: all that the page can do, and what an auditor needs. It reads the environment; nothing below it does. */
const program = new Command('openledger')
  .description('AI models that pay the people whose data shaped each answer.')
  .option('--url <url>', 'where the server is', process.env['OPENLEDGER_URL'] ?? 'http://127.0.0.1:8080')
  .option('--as <role>', 'act as a development account: caller, builder, contributor-0, ...')
  .option('--verbose', 'show the whole chain of causes when something fails')
  .showHelpAfterError()

const options = () => program.opts<{ url: string; as?: string; verbose?: boolean }>()
/** Connects and chooses the acting account. */
async function acting(role = options().as) {
  const connection = await connect(options().url)
  return { connection, account: accountOf(connection, process.env['OPENLEDGER_PRIVATE_KEY'], role) }
}

program
  .command('status')
  .description('what runs, and whether the money adds up')
  .action(async () => {
    const { network, client } = await connect(options().url)
    const seed = await client.seed()
    table([
      ['what', 'value'],
      [
        'network',
        `${network.name} (chain ${network.deployment.l2ChainId}, L1 ${network.deployment.l1ChainId})`,
      ],
      ['L2 RPC', network.l2RpcUrl],
      [
        'blocks',
        `unsafe ${network.heads.unsafe}, safe ${network.heads.safe}, finalized ${network.heads.finalized}`,
      ],
      ['locked on L1', `${Open.format(BigInt(network.supply.lockedOnL1Wei))} OPEN`],
      ['exists on L2', `${Open.format(BigInt(network.supply.onL2Wei))} OPEN`],
      ['base model', `${network.base.name}, ${(network.base.parameters / 1e6).toFixed(1)} M parameters`],
      [
        'first start',
        seed.done ? 'complete' : seed.steps.map((step) => `${step.title}: ${step.state}`).join('; '),
      ],
    ])
  })

program
  .command('datanets')
  .description('lists the Datanets')
  .action(async () => {
    const { client } = await connect(options().url)
    const list = await client.datanets()
    table([
      ['id', 'name', 'version', 'records', 'contributors', 'earned'],
      ...list.map((datanet) => [
        datanet.id,
        datanet.name,
        String(datanet.version),
        String(datanet.recordCount),
        String(datanet.contributorCount),
        open(datanet.earnedWei),
      ]),
    ])
  })

program
  .command('contribute')
  .description('signs text files into a Datanet')
  .argument('<datanet>', 'id of the Datanet')
  .argument('<files...>', 'UTF-8 text files')
  .requiredOption('--title <title>', 'a name others will recognise')
  .option('--licence <licence>', 'SPDX identifier', 'MIT')
  .action(
    async (datanetId: string, paths: string[], { title, licence }: { title: string; licence: string }) => {
      const { connection, account } = await acting()
      const files = await Promise.all(
        paths.map(async (path) => ({ name: basename(path), text: await readText(path) })),
      )
      const contribution = await connection.client.contribute(
        { datanetId, licence, files, title },
        signerOf(account),
      )
      console.log(
        `${green('On chain')}: ${contribution.recordCount} records, contribution ${contribution.id}`,
      )
      console.log(`transaction ${contribution.transactionHash}`)
    },
  )

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
      const { connection, account } = await acting()
      const { trainAndPublish } = await import('./training.ts')
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
    const { client } = await connect(options().url)
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
  .option('--key <secret>', 'API key', process.env['OPENLEDGER_API_KEY'])
  .action(async (model: string, prompt: string, { tokens, key }: { tokens: string; key?: string }) => {
    const connection = await connect(options().url)
    const { ask, openAccess } = await import('./asking.ts')
    const secret =
      key ?? (await openAccess(connection, (await acting(options().as ?? 'caller')).account, Open.parse('5')))
    const { answer, receipt } = await ask(connection, { model, prompt, maxTokens: Number(tokens), secret })
    console.log(`${dim(prompt)}${answer}\n`)
    await printShares(connection, receipt)
  })

program
  .command('receipt')
  .description('shows a receipt and why it pays whom')
  .argument('<sequence>')
  .action(async (sequence: string) => {
    const connection = await connect(options().url)
    await printShares(connection, await connection.client.receipt(Number(sequence)))
  })

program
  .command('verify')
  .description(
    'recomputes what a receipt claims, from the chain and the receipt alone, and names the line that differs',
  )
  .argument('<sequence>')
  .action(async (sequence: string) => {
    const { verifyReceipt } = await import('./verifying.ts')
    const connection = await connect(options().url)
    const lines = await verifyReceipt(connection, await connection.client.receipt(Number(sequence)))
    for (const line of lines)
      console.log(
        `${line.holds ? green('holds ') : 'DIFFERS'} ${line.claim}${line.holds ? '' : `: ${line.difference}`}`,
      )
    if (lines.some((line) => !line.holds)) process.exitCode = 1
  })

program
  .command('earnings')
  .description('what an account earned and why')
  .argument('[address]')
  .action(async (address?: string) => {
    const connection = await connect(options().url)
    const { payouts, ...totals } = await connection.client.earnings(
      address ?? (await acting()).account.address,
    )
    console.log(
      `credited ${open(totals.creditedWei)}, claimable ${open(totals.claimableWei)}, claimed ${open(totals.claimedWei)}`,
    )
    table([
      ['receipt', 'model', 'contribution', 'share', 'amount'],
      ...payouts.map((payout) => [
        String(payout.receiptSequence),
        payout.modelName,
        payout.contributionTitle,
        percent(payout.sharePpm),
        open(payout.amountWei),
      ]),
    ])
  })

program
  .command('claim')
  .description('claims everything earned so far onto L2')
  .argument('[address]')
  .action(async (address?: string) => {
    const connection = await connect(options().url)
    const claimed = await connection.client.claim(address ?? (await acting()).account.address)
    console.log(`${green('Claimed')} ${open(claimed.amountWei)} in ${claimed.transactionHash}`)
  })

program
  .command('withdraw')
  .description('takes OPEN from L2 to L1, with a proof against an output root')
  .argument('<amount>', 'OPEN')
  .action(async (amount: string) => {
    const { connection, account } = await acting()
    const { withdrawToL1 } = await import('./bridging.ts')
    await withdrawToL1(connection, account, Open.parse(amount), (line) => console.log(line))
  })

program
  .command('tour')
  .description('goes once round the loop on the running system and says what happens')
  .action(async () => {
    const { tour } = await import('./tour.ts')
    await tour(options().url)
  })

async function printShares(
  connection: Awaited<ReturnType<typeof connect>>,
  receipt: Awaited<ReturnType<typeof connection.client.receipt>>,
): Promise<void> {
  const titles = new Map(
    (await connection.client.contributions()).map((contribution) => [contribution.id, contribution.title]),
  )
  console.log(
    `${bold(`Receipt ${receipt.sequence}`)}: fee ${open(receipt.feeWei)} = contributors ${open(receipt.contributorsWei)} + owner ${open(receipt.ownerWei)} + stakers ${open(receipt.stakersWei)} + platform ${open(receipt.platformWei)}`,
  )
  const { shares, commons } = receipt.attribution
  table([
    ['paid to', 'share', 'amount', 'because'],
    ...[...shares]
      .sort((a, b) => b.sharePpm - a.sharePpm)
      .map((share) => {
        const influence = share.reasons.filter((reason) => reason.kind === 'influence').length
        const spans = share.reasons.length - influence
        return [
          titles.get(share.contributionId) ?? share.contributionId,
          percent(share.sharePpm),
          open(share.amountWei),
          [
            influence > 0 ? `${influence} records moved the answer` : '',
            spans > 0 ? `${spans} passages word for word` : '',
          ]
            .filter((part) => part !== '')
            .join(', '),
        ]
      }),
    ['the commons', percent(commons.sharePpm), open(commons.amountWei), commons.reason],
  ])
  console.log(
    dim(
      receipt.settlementTransaction === null
        ? 'not settled yet'
        : `settled in ${receipt.settlementTransaction}`,
    ),
  )
}

async function readText(path: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
  } catch (cause) {
    throw new BaseError({
      code: 'cli.not_text',
      message: `Expected ${path} to be a readable file of UTF-8 text. Nothing was sent.`,
      context: { path },
      cause,
    })
  }
}

try {
  await program.parseAsync()
} catch (error) {
  const { message } = error as Error
  console.error(`openledger: ${error instanceof BaseError ? message : (error as Error).stack}`)
  if (options().verbose) console.error(error)
  process.exitCode = 1
}
