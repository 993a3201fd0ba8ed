import { BaseError } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import { signerOf, trainingEvents } from '@openledger/sdk'
import type { LocalAccount } from 'viem/accounts'
import type { Connection } from './Connection.ts'

export type TrainingRequest = {
  readonly modelName: string
  readonly datanetId: string
  readonly priceWei: bigint
  readonly config: Partial<Http.TrainingConfig>
  /** Among the account's own waiting runs: -1, 0 or 1. */
  readonly priority?: number
  readonly publish: boolean
  readonly onProgress: (line: string) => void
}

/**
 * Trains on the newest version of a Datanet, reporting the loss as it falls, and publishes what comes of it.
 * @returns The model, or undefined when it was only to be trained.
 * @throws {Error} with the run's own words when it fails.
 */
export async function trainAndPublish(
  { client, url }: Connection,
  account: LocalAccount,
  { modelName, datanetId, priceWei, config, priority = 0, publish, onProgress }: TrainingRequest,
): Promise<Http.Model | undefined> {
  const signer = signerOf(account)
  const datanet = await client.datanet(datanetId)
  const price = priceWei.toString()
  const run = await client.createTrainingRun(
    {
      modelName,
      datanets: [{ datanetId, version: datanet.version }],
      config: { ...config },
      inputPriceWei: price,
      outputPriceWei: price,
      influenceBps: 5_000,
      priority,
    },
    signer,
  )
  onProgress(`run ${run.id} on ${datanet.name}, version ${datanet.version} (${datanet.recordCount} records)`)
  const trained = await follow(client, url, run, onProgress)
  for (const line of judgedLines(trained.evaluation?.judged ?? null)) onProgress(line)
  if (!publish || trained.status !== 'trained') return undefined
  const model = await client.publish(run.id, signer)
  onProgress(`published as ${model.name} in ${model.transactionHash}`)
  return model
}

/** What a judge chose between the model's answers and others', a line for each of them. */
export function judgedLines(judged: Http.Evaluation['judged']): string[] {
  if (judged === null) return []
  if (judged.failure !== null) return [`no judge compared its answers: ${judged.failure}`]
  return judged.rounds.map(
    ({ against, prompts, wins, ties, losses, scorePpm, lowPpm, highPpm }) =>
      `${judged.judge} on ${prompts} prompts against ${against}: ${wins} won, ${ties} tied, ${losses} lost; score ${part(scorePpm)} % (95 %: ${part(lowPpm)} to ${part(highPpm)})`,
  )
}

const part = (ppm: number): string => (ppm / 1e4).toFixed(1)

/** Pauses, resumes or cancels a run of the account. @throws {RunVerbError} */
export async function changeRun(
  { client }: Connection,
  account: LocalAccount,
  verb: string,
  id: string | undefined,
): Promise<Http.TrainingRun> {
  if (id === undefined || (verb !== 'pause' && verb !== 'resume' && verb !== 'cancel'))
    throw new RunVerbError(verb, id)
  return client.changeTrainingRun(verb, id, signerOf(account))
}

/** About how often a run says how far it is. */
const PROGRESS_LINES = 20

/** Follows a run to its end, over a dropped connection or a restarted server if need be. */
async function follow(
  client: Connection['client'],
  url: string,
  run: Http.TrainingRun,
  onProgress: (line: string) => void,
): Promise<Http.TrainingRun> {
  let shown = 0
  let { stepCount } = run
  let isIndexing = false
  for (;;) {
    try {
      for await (const event of trainingEvents(url, run.id)) {
        if (!('tokensPerSecond' in event)) {
          if (event.status === 'indexing' && !isIndexing)
            onProgress('computing what every record contributed')
          isIndexing = event.status === 'indexing'
          continue
        }
        // known once it has read its records
        if (stepCount === 0) ({ stepCount } = await client.trainingRun(run.id))
        const isDue = event.step - shown >= stepCount / PROGRESS_LINES || event.step === stepCount
        if (event.step <= shown || !isDue) continue
        shown = event.step
        const validation =
          event.validationLoss === null ? '' : `, on validation records ${event.validationLoss.toFixed(3)}`
        onProgress(
          `step ${event.step} of ${stepCount}: loss ${event.trainingLoss.toFixed(3)}${validation} (${Math.round(event.tokensPerSecond)} tokens/s)`,
        )
      }
      const now = await client.trainingRun(run.id)
      if (now.status === 'failed' || now.status === 'cancelled') throw new RunEndedError(now)
      if (now.status === 'trained' || now.status === 'published') return now
    } catch (error) {
      if (error instanceof RunEndedError) throw error
      onProgress('the server is away; asking again')
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  }
}

class RunEndedError extends Error {
  constructor(run: Http.TrainingRun) {
    super(`Expected run ${run.id} to finish, but it ${run.status}: ${run.failure ?? 'no reason was given'}`)
  }
}

class RunVerbError extends BaseError {
  constructor(verb: string, id: string | undefined) {
    super({
      code: 'run.verb',
      message: `Expected pause, resume or cancel and the id of a run, got ${JSON.stringify(verb)} and ${id ?? 'no id'}. runs lists them.`,
      context: { verb },
    })
  }
}
