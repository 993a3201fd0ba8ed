import { join } from 'node:path'
import { Open } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import { signerOf } from '@openledger/sdk'
import type { Command } from 'commander'
import { printLines } from '../Lines.ts'
import { dim, open, table } from '../Output.ts'
import type { Session } from '../Session.ts'
import { printShares } from '../Shares.ts'

type TrainOptions = {
  readonly price: string
  readonly epochs?: string
  readonly measure: string
  readonly publish: boolean
  readonly priority: string
  readonly judge?: boolean
  readonly full?: boolean
}
type FullOptions = {
  readonly format: string
  readonly base: string
  readonly epochs?: string
  readonly workers: string
}
type FetchOptions = { readonly revision: string; readonly hub: string; readonly token?: string }
type AskOptions = {
  readonly tokens: string
  readonly key?: string
  readonly save?: string
  readonly passage?: readonly string[]
  readonly merge?: readonly string[]
}
type ExportOptions = { readonly format: string; readonly base: string; readonly own: boolean }
const MERGE = 'models that answer together, the asked one among them'
const BASE_FOLDER = join(import.meta.dirname, '../../../../assets/base')

/** Models: training, what is published, asking. */
export function addModelCommands(program: Command, session: Session): void {
  program
    .command('train')
    .description('fine-tunes a model on the newest version of a Datanet, with its loss as it falls')
    .argument('<name>', 'name of the model')
    .argument('<datanet>', 'id of the Datanet')
    .option('--price <open>', 'OPEN per token', '0.001')
    .option('--epochs <count>', 'times each record is seen; by default as on the page')
    .option('--measure <count>', 'retrainings to measure the agreement of the attribution by', '0')
    .option(
      '--judge',
      "has the server's judge compare its answers with the base's and those of your model before",
    )
    .option('--full', 'trains all weights: a model of its own, which is not published (export-model --own)')
    .option('--no-publish', 'stop when trained')
    .option('--priority <number>', 'among your own waiting runs: -1, 0 or 1', '0')
    .action(async (modelName: string, datanetId: string, options: TrainOptions) => {
      const { price, epochs, measure, publish, priority, judge = false, full = false } = options
      const { connection, account } = await session.acting()
      const { trainAndPublish } = await import('../training.ts')
      await trainAndPublish(connection, account, {
        modelName,
        datanetId,
        priceWei: Open.parse(price),
        config: {
          ...(epochs === undefined ? {} : { epochs: Number(epochs) }),
          agreementRetrainings: Number(measure),
          isJudged: judge,
          ...(full ? { method: 'full', learningRate: Http.FULL_LEARNING_RATE } : {}),
        },
        priority: Number(priority),
        publish: publish && !full,
        onProgress: (line) => console.log(line),
      })
    })

  program
    .command('train-full')
    .description(
      'trains all weights of a small base on the newest version of a Datanet, here on this machine, and writes the model; run again, it goes on',
    )
    .argument('<datanet>', 'id of the Datanet')
    .argument('<folder>', 'where the model is written')
    .option('--format <format>', 'merged (transformers), gguf (llama.cpp) or onnx', 'merged')
    .option('--base <folder>', 'base model on this machine', BASE_FOLDER)
    .option('--epochs <count>', 'times each record is seen; by default as on the page')
    .option('--workers <count>', 'threads that share a step; the model is the same whatever it is', '2')
    .action(async (datanetId: string, directory: string, options: FullOptions) => {
      const { format, base, epochs, workers } = options
      const { trainFullModel } = await import('../fullTraining.ts')
      const files = await trainFullModel(await session.connect(), {
        datanetId,
        directory,
        format,
        baseDirectory: base,
        config: epochs === undefined ? {} : { epochs: Number(epochs) },
        workers: Number(workers),
        onProgress: (line) => console.log(dim(line)),
        readAs: async () => signerOf((await session.acting()).account),
      })
      console.log(`${directory}: ${files.join(', ')}`)
    })

  program
    .command('fetch-base')
    .description('fetches a base model from a hub into a folder that a server takes; run again, it goes on')
    .argument('<model>', 'owner/name on the hub')
    .argument('<folder>')
    .option('--revision <revision>', 'branch, tag or commit', 'main')
    .option('--hub <url>', 'where the hub is', 'https://huggingface.co')
    .option('--token <token>', 'for models that ask for one')
    .action(async (name: string, directory: string, { revision, hub, token }: FetchOptions) => {
      const { fetchBase } = await import('@openledger/modelfactory')
      const { commit, files } = await fetchBase({ url: hub, name, revision, token }, directory, (line) =>
        console.log(dim(line)),
      )
      console.log(`${directory}: ${files.join(', ')} of commit ${commit}`)
    })

  program
    .command('runs')
    .description('lists the newest training runs, or pauses, resumes or cancels one of yours')
    .argument('[verb]', 'pause, resume or cancel')
    .argument('[run]', 'id of the run')
    .action(async (verb?: string, id?: string) => {
      if (verb === undefined) {
        const { client } = await session.connect()
        table([
          ['run', 'model', 'status', 'step', 'loss'],
          ...(await client.trainingRuns()).map((run) => [
            run.id,
            run.modelName,
            run.status,
            `${run.step} of ${run.stepCount}`,
            run.trainingLoss?.toFixed(3) ?? '',
          ]),
        ])
        return
      }
      const { connection, account } = await session.acting()
      const { changeRun } = await import('../training.ts')
      const run = await changeRun(connection, account, verb, id)
      console.log(`${run.modelName}: ${run.status}, step ${run.step} of ${run.stepCount}`)
    })

  program
    .command('retrain')
    .description("trains a published model again from the chain's record and compares the adapters")
    .argument('<model>')
    .option('--base <folder>', 'base model on this machine', BASE_FOLDER)
    .option('--workers <count>', 'threads that share a step; the adapter is the same whatever it is', '2')
    .action(async (model: string, { base, workers }: { base: string; workers: string }) => {
      const { retrain } = await import('../retraining.ts')
      const lines = await retrain(await session.connect(), model, {
        baseDirectory: base,
        workers: Number(workers),
        onProgress: (line) => console.log(dim(line)),
        readAs: async () => signerOf((await session.acting()).account),
      })
      printLines(lines)
    })

  program
    .command('export-model')
    .description(
      'writes a published model for PEFT, transformers (merged), llama.cpp (gguf) or ONNX runtimes',
    )
    .argument('<model>')
    .argument('<folder>')
    .option('--format <format>', 'peft, merged (transformers), gguf (llama.cpp) or onnx', 'peft')
    .option('--base <folder>', 'base model on this machine', BASE_FOLDER)
    .option('--own', 'you own the model: the server makes an archive, whatever the licences', false)
    .action(async (model: string, directory: string, options: ExportOptions) => {
      const { exportModel, exportOwnModel } = await import('../exporting.ts')
      const { format, base, own } = options
      if (own) {
        const { connection, account } = await session.acting()
        console.log(await exportOwnModel(connection, account, model, { directory, format }))
        return
      }
      const connection = await session.connect()
      const files = await exportModel(connection, model, { directory, format, baseDirectory: base })
      console.log(`${directory}: ${files.join(', ')}`)
    })

  program
    .command('models')
    .description('lists the published models')
    .action(async () => {
      const { client } = await session.connect()
      const list = await client.models()
      table([
        ['name', 'loss', 'base loss', 'agreement', 'price per token', 'answers', 'earned'],
        ...list.map((model) => [
          model.name,
          model.testLoss.toFixed(3),
          model.baseTestLoss.toFixed(3),
          model.agreement === null ? 'not measured' : (model.agreement.agreementPpm / 1e6).toFixed(2),
          open(model.outputPriceWei),
          String(model.answerCount),
          open(model.earnedWei),
        ]),
      ])
    })

  program
    .command('quote')
    .description('says what an answer would cost at most, and what must be prepaid for it; costs nothing')
    .argument('<model>')
    .argument('<prompt>')
    .option('--tokens <count>', 'tokens at most', '96')
    .option('--merge <name=weight...>', MERGE)
    .action(
      async (model: string, prompt: string, { tokens, merge }: Pick<AskOptions, 'tokens' | 'merge'>) => {
        const { client } = await session.connect()
        const { parts, maxWei } = await client.quote({
          model,
          prompt,
          max_tokens: Number(tokens),
          adapters: merge?.map(weightedOf),
        })
        const row = (name: string, of: string, count: number, priceWei: string): string[] => [
          name,
          of,
          String(count),
          open(priceWei),
          open(BigInt(count) * BigInt(priceWei)),
        ]
        table([
          ['model', '', 'tokens', 'price per token', 'cost'],
          ...parts.flatMap((part) => [
            row(part.model, 'question', part.inputTokens, part.inputPriceWei),
            row(part.model, 'answer, at most', part.outputTokensMax, part.outputPriceWei),
          ]),
          ['together, at most', '', '', '', open(maxWei)],
        ])
      },
    )

  program
    .command('ask')
    .description('asks a model, pays for the answer, and shows whom it pays')
    .argument('<model>')
    .argument('<prompt>')
    .option('--tokens <count>', 'tokens at most', '96')
    .option('--key <secret>', 'API key', session.apiKey)
    .option('--passage <record...>', 'ids of records to answer from; each is paid for what it does')
    .option('--merge <name=weight...>', MERGE)
    .option('--save <file>', 'keeps question and answer for verify')
    .action(async (model: string, prompt: string, options: AskOptions) => {
      const { tokens, key, save, passage: passages = [], merge } = options
      const connection = await session.connect()
      const { ask, openAccess } = await import('../asking.ts')
      const secret =
        key ?? (await openAccess(connection, (await session.acting('caller')).account, Open.parse('5')))
      const extension = await ask(connection, {
        model,
        prompt,
        maxTokens: Number(tokens),
        passages,
        ...(merge === undefined ? {} : { adapters: merge.map(weightedOf) }),
        secret,
      })
      const { answer, receipt, mergedReceipts = [] } = extension
      if (save !== undefined) await (await import('../auditing.ts')).keep(save, prompt, extension)
      console.log(`${dim(prompt)}${answer}\n`)
      for (const one of [receipt, ...mergedReceipts]) await printShares(connection, one)
    })

  program
    .command('attribute')
    .description('pays for saying which records of a model shaped a text that was made elsewhere')
    .argument('<model>')
    .argument('<prompt>', 'what stood before the text')
    .argument('<text>')
    .option('--key <secret>', 'API key', session.apiKey)
    .option('--save <file>', 'keeps question and answer for verify')
    .action(
      async (model: string, prompt: string, text: string, { key, save }: Omit<AskOptions, 'tokens'>) => {
        const connection = await session.connect()
        const { openAccess } = await import('../asking.ts')
        const secret =
          key ?? (await openAccess(connection, (await session.acting('caller')).account, Open.parse('5')))
        const extension = await connection.client.attribute({ model, prompt, text }, secret)
        if (save !== undefined) await (await import('../auditing.ts')).keep(save, prompt, extension)
        await printShares(connection, extension.receipt)
      },
    )
}

/** Reads `name=weight`; a name may hold more of those signs, a weight none. The server says what is wrong with it. */
function weightedOf(text: string): { name: string; weight: number } {
  const at = text.lastIndexOf('=')
  return at === -1
    ? { name: text, weight: 1 }
    : { name: text.slice(0, at), weight: Number(text.slice(at + 1)) }
}
