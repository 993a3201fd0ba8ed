import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CheckpointFolder } from '@openledger/model'
import { type TrainingCheckpoint, TrainingState, trainFull, wholeModelFiles } from '@openledger/modelfactory'
import { BaseError } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import type { Signer } from '@openledger/sdk'
import type { Connection } from './Connection.ts'
import { RecordsRootError, recordsOfVersion } from './versionRecords.ts'

export type FullTrainingRequest = {
  readonly datanetId: string
  /** Where the model is written, and until then what a training that was stopped goes on from. */
  readonly directory: string
  readonly format: string
  /** Folder of the base model, here on this machine. */
  readonly baseDirectory: string
  readonly config: Partial<Http.TrainingConfig>
  readonly workers: number
  readonly onProgress: (line: string) => void
  /** Gives who may read records whose licence is not open; asked only where there are such. */
  readonly readAs: () => Promise<Signer>
}

/** Training is stopped and taken up by the file that holds its state. */
const STATE_FILE = 'training.state'

/**
 * Trains all weights of a small base on the newest version of a Datanet, on this machine, and writes the model as others read it.
 *
 * The records are hashed up to the version's root on chain. What comes of it is not published: a server serves it as its base. A run of the queue with the
 * same settings ends with the same weights.
 * @returns The folder's files.
 * @throws {FullFormatError} {RecordsRootError} {TextWithheldError}
 */
export async function trainFullModel(
  connection: Connection,
  request: FullTrainingRequest,
): Promise<string[]> {
  const { datanetId, directory, baseDirectory, config: wanted, workers, onProgress, readAs } = request
  const format = formatOf(request.format)
  const { version, name } = await connection.client.datanet(datanetId)
  const found = await recordsOfVersion(connection, { datanetId, version, readAs })
  if (found.root !== found.rootOnChain.toLowerCase()) throw new RecordsRootError(datanetId, version, found)
  const { records } = found
  const checkpoint = await CheckpointFolder.read(baseDirectory)
  const tokenizer = await CheckpointFolder.readTokenizer(baseDirectory)
  const config = Http.trainingConfigSchema.parse({
    method: 'full',
    learningRate: Http.FULL_LEARNING_RATE,
    ...wanted,
  })
  await mkdir(directory, { recursive: true })
  const statePath = join(directory, STATE_FILE)
  const resume = await readState(statePath)
  onProgress(
    `all ${countOf(checkpoint.weights)} weights on ${name}, version ${version} (${records.length} records)${resume === undefined ? '' : `, from step ${resume.step}`}`,
  )
  const result = await trainFull(
    { checkpoint, tokenizer, records, config, workers, ...(resume === undefined ? {} : { resume }) },
    {
      onStart: async () => {},
      async onMetric({ step, stepCount, trainingLoss, validationLoss }) {
        if (validationLoss !== null)
          onProgress(
            `step ${step} of ${stepCount}: loss ${trainingLoss.toFixed(3)}, on validation records ${validationLoss.toFixed(3)}`,
          )
      },
      onCheckpoint: (state) => writeState(statePath, state),
      nowMs: () => performance.now(),
      signal: new AbortController().signal,
    },
  )
  onProgress(`weights ${result.checkpoint.baseHash}`)
  const perplexity = (loss: number): string => Math.exp(loss).toFixed(2)
  const measured = `perplexity on ${result.test.length} test records ${perplexity(result.testLoss)}, the base's ${perplexity(result.baseTestLoss)}`
  onProgress(measured)
  const files = await wholeModelFiles(
    {
      name: 'model',
      baseDirectory,
      config: checkpoint.config,
      weights: result.checkpoint.weights,
      card: [
        `# ${name}, version ${version}`,
        '',
        `All weights of the base ${checkpoint.baseHash} trained on ${result.training.length} records of Datanet ${datanetId}, version ${version}, of OpenLedger at chain ${connection.network.deployment.l2ChainId}: ${result.stepCount} steps, learning rate ${config.learningRate}, seed ${config.seed}; ${measured}.`,
        '',
        'No answer of it is attributed to those records: it is a base of its own. It is not published on chain.',
        '',
      ].join('\n'),
    },
    format,
  )
  for (const [file, bytes] of files) {
    const path = join(directory, file)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, bytes)
  }
  await rm(statePath, { force: true })
  return [...files.keys()]
}

/** The file appears whole or not at all. */
async function writeState(path: string, state: TrainingCheckpoint): Promise<void> {
  await writeFile(`${path}.part`, TrainingState.encode(state))
  await rename(`${path}.part`, path)
}

async function readState(path: string): Promise<TrainingCheckpoint | undefined> {
  const bytes = await readFile(path).catch(() => undefined)
  return bytes && TrainingState.decode(Uint8Array.from(bytes))
}

const countOf = (weights: ReadonlyMap<string, Float32Array>): number =>
  [...weights.values()].reduce((sum, { length }) => sum + length, 0)

function formatOf(word: string): Exclude<Http.ExportFormat, 'peft'> {
  const format = Http.exportFormatSchema.safeParse(word)
  if (!format.success || format.data === 'peft') throw new FullFormatError(word)
  return format.data
}

export class FullFormatError extends BaseError {
  constructor(format: string) {
    super({
      code: 'cli.full_format',
      message: `Expected merged, gguf or onnx, got ${JSON.stringify(format)}. A model with all weights trained is no adapter.`,
      context: { format },
    })
  }
}
