import { CheckpointFolder } from '@openledger/model'
import { configHashOf, joinRecords, type TrainingRecord, trainAdapter } from '@openledger/modelfactory'
import { buildIndexes } from '@openledger/modelfactory/AttributionIndexes'
import { Abi } from '@openledger/protocol'
import type { Signer } from '@openledger/sdk'
import type { Connection } from './Connection.ts'
import type { Line } from './verifying.ts'
import { recordsOfVersion } from './versionRecords.ts'

export type RetrainOptions = {
  /** Folder of the base model, here on this machine. */
  readonly baseDirectory: string
  readonly workers: number
  readonly onProgress: (line: string) => void
  /** Gives who may read records whose licence is not open; asked only where there are such. */
  readonly readAs: () => Promise<Signer>
}

/**
 * Trains a published model again, from what the chain has of it, makes its attribution indexes again, and compares adapter and
 * indexes with those on chain.
 *
 * The server is believed in nothing: records are hashed up to the roots of the Datanet versions that the chain names, the
 * base and the configuration up to their hashes.
 *
 * @returns One line for each thing compared; training starts only when all that goes into it agrees.
 */
export async function retrain(
  connection: Connection,
  name: string,
  { baseDirectory, workers, onProgress, readAs }: RetrainOptions,
): Promise<Line[]> {
  const { client, l2, network } = connection
  const lines: Line[] = []
  const check = (claim: string, expected: unknown, got: unknown): void => {
    const holds = String(expected).toLowerCase() === String(got).toLowerCase()
    lines.push({ claim, holds, difference: `the chain has ${expected}, here it is ${got}` })
  }
  const model = await client.model(name)
  const onChain = await l2.readContract({
    address: network.deployment.l2.models,
    abi: Abi.modelsAbi,
    functionName: 'get',
    args: [BigInt(model.id)],
  })
  const { config } = await client.trainingRun(model.trainingRunId)
  check('the configuration is the one on record', onChain.configHash, configHashOf(config))

  const checkpoint = await CheckpointFolder.read(baseDirectory)
  check('the base model is the one on record', onChain.baseHash, checkpoint.baseHash)

  const versions: (readonly TrainingRecord[])[] = []
  for (const [i, datanetId] of onChain.datanetIds.entries()) {
    const version = onChain.datanetVersions[i]!
    const { records, root, rootOnChain } = await recordsOfVersion(connection, {
      datanetId: datanetId.toString(),
      version,
      readAs,
    })
    check(`the records are those of Datanet ${datanetId}, version ${version}`, rootOnChain, root)
    versions.push(records)
  }
  if (lines.some(({ holds }) => !holds)) return lines

  const tokenizer = await CheckpointFolder.readTokenizer(baseDirectory)
  const { signal } = new AbortController()
  const { adapter, training } = await trainAdapter(
    { checkpoint, tokenizer, records: joinRecords(versions, config.mixture), config, workers },
    {
      onStart: async ({ stepCount }) => onProgress(`${stepCount} steps`),
      onMetric: async ({ step, stepCount, trainingLoss }) =>
        onProgress(`step ${step} of ${stepCount}: loss ${trainingLoss.toFixed(3)}`),
      onCheckpoint: async () => undefined,
      nowMs: Date.now,
      signal,
    },
  )
  check('training again gives the same adapter', onChain.adapterHash, adapter.hash)
  if (lines.some(({ holds }) => !holds)) return lines

  const { root } = await buildIndexes(
    { checkpoint, tokenizer, adapter, records: training, seed: config.seed },
    { onProgress: (done) => onProgress(`indexed ${done} of ${training.length} records`), signal },
  )
  check('its answers are attributed by the indexes on record', onChain.attributionRoot, root)
  return lines
}
