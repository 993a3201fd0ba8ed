import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { CheckpointFolder } from '@openledger/model'
import { joinRecords, recordsOf, trainAdapter } from '@openledger/modelfactory'
import type { Hex } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import { createDatabase, createDiskBlobs, schema } from '@openledger/store'
import { addTowers, writeTinyBase } from '../../packages/modelfactory/test/trainingWorld.ts'
import { startPostgres } from '../../packages/store/test/startPostgres.ts'

const WORKER = join(import.meta.dirname, '../../apps/server/src/worker.ts')
const VERSION = { datanetId: '1', version: 1 }

/** Two epochs reach past a checkpoint, so that a killed run has something to go on from. */
export const configOf = (seed: number): Http.TrainingConfig =>
  Http.trainingConfigSchema.parse({
    rank: 2,
    epochs: 12,
    batchSize: 4,
    sequenceTokens: 64,
    rehearsal: 0,
    forgettingMax: 100,
    patience: 0,
    seed,
  })

/** A PostgreSQL server, a folder of blobs, a base model of one small layer and a Datanet version of short records. */
export async function createTrainingHouse() {
  const directory = await mkdtemp(join(tmpdir(), 'openledger-training-'))
  const baseDirectory = join(directory, 'base')
  const postgres = await startPostgres()
  const database = await createDatabase({ url: postgres.url })
  const blobs = createDiskBlobs(join(directory, 'blobs'))
  await mkdir(baseDirectory)
  const tokenizer = await writeTinyBase(baseDirectory)
  await addTowers(database, blobs)

  return {
    database,
    blobs,
    /** The adapter that a training of this seed ends with when nothing disturbs it. */
    async undisturbed(seed: number): Promise<Hex> {
      const { adapter } = await trainAdapter(
        {
          checkpoint: await CheckpointFolder.read(baseDirectory),
          tokenizer,
          records: joinRecords([await recordsOf({ database, blobs }, VERSION)]),
          config: configOf(seed),
          workers: 0,
        },
        {
          onStart: async () => {},
          onMetric: async () => {},
          onCheckpoint: async () => {},
          nowMs: Date.now,
          signal: new AbortController().signal,
        },
      )
      return adapter.hash
    },
    async queue(id: string, owner: string, seed: number): Promise<void> {
      await database.orm.insert(schema.trainingRuns).values({
        id,
        modelName: id,
        owner,
        datanets: [VERSION],
        config: configOf(seed),
        status: 'queued',
        inputPriceWei: 0n,
        outputPriceWei: 0n,
        influenceBps: 5_000,
      })
    },
    /** Starts the program `npm run worker` and tells of every run that it says it has trained. */
    startWorker(onTrained: (runId: string) => void): ChildProcess {
      const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', WORKER], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: {
          ...process.env,
          OPENLEDGER_DATABASE_URL: postgres.url,
          OPENLEDGER_DATA_DIRECTORY: directory,
          OPENLEDGER_BASE_MODEL: baseDirectory,
          OPENLEDGER_ENGINE_THREADS: '1',
          OPENLEDGER_TRAINING_RUNNING_MAX: '3',
        },
      })
      createInterface({ input: child.stdout! }).on('line', (line) => {
        const { msg, runId } = JSON.parse(line) as { msg: string; runId?: string }
        if (msg === 'trained') onTrained(runId!)
      })
      return child
    },
    async close(): Promise<void> {
      await database.close()
      await postgres.close()
      await rm(directory, { recursive: true })
    },
  }
}
