import { type ChildProcess, spawn } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { CheckpointFolder, createCheckpoint } from '@openledger/model'
import { joinRecords, recordsOf, trainAdapter } from '@openledger/modelfactory'
import { Bytes, type Hex } from '@openledger/primitives'
import { Http, Manifest } from '@openledger/protocol'
import { createDatabase, createDiskBlobs, schema } from '@openledger/store'
import { startPostgres } from '../../packages/store/test/startPostgres.ts'

const ASSETS = join(import.meta.dirname, '../../assets/base')
const WORKER = join(import.meta.dirname, '../../apps/server/src/worker.ts')
const VERSION = { datanetId: '1', version: 1 }
const hash = (text: string): Hex => Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text)))

/** Two epochs reach past a checkpoint, so that a killed run has something to go on from. */
export const configOf = (seed: number): Http.TrainingConfig =>
  Http.trainingConfigSchema.parse({
    rank: 2,
    epochs: 12,
    batchSize: 4,
    sequenceTokens: 64,
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
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    await copyFile(join(ASSETS, file), join(baseDirectory, file))
  const tokenizer = await CheckpointFolder.readTokenizer(baseDirectory)
  const { bosId, eosId, padId, vocabularySize } = tokenizer
  const tiny = createCheckpoint(
    {
      hiddenSize: 16,
      feedForwardSize: 32,
      layers: 1,
      heads: 2,
      keyValueHeads: 1,
      headSize: 8,
      contextMax: 64,
      ropeTheta: 10_000,
      normEpsilon: 1e-5,
      isHeadTied: true,
      vocabularySize,
      bosId,
      eosId,
      padId,
    },
    1,
  )
  await CheckpointFolder.write(baseDirectory, tiny.config, tiny.weights)
  const texts = Array.from({ length: 24 }, (_, i) => `The keeper of tower ${i} lights lamp ${i * 7} at dusk.`)
  await addVersion(database, blobs, texts)

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

async function addVersion(
  { orm }: Awaited<ReturnType<typeof createDatabase>>,
  blobs: ReturnType<typeof createDiskBlobs>,
  texts: readonly string[],
): Promise<void> {
  const contributionId = hash('contribution')
  const person = '0x00000000000000000000000000000000000000aa'
  await orm.insert(schema.datanets).values({
    id: 1n,
    name: 'towers',
    summary: '',
    licence: 'CC0-1.0',
    owner: person,
    commons: person,
    transactionHash: '0x',
  })
  await orm.insert(schema.contributions).values({
    id: contributionId,
    datanetId: 1n,
    title: 'towers',
    contributor: person,
    beneficiary: person,
    licence: 'CC0-1.0',
    cid: '',
    recordsRoot: '0x',
    recordCount: texts.length,
    status: 'versioned',
    signature: '0x',
    deadline: 0,
  })
  await orm
    .insert(schema.records)
    .values(texts.map((text, index) => ({ contributionId, index, id: hash(text), text })))
  const records = texts.map((text, index) => ({ contributionId, index, recordId: hash(text) }))
  const manifestCid = await blobs.put(Manifest.encode({ datanetId: '1', parentVersion: 0, records }))
  await orm.insert(schema.datanetVersions).values({
    datanetId: 1n,
    version: 1,
    recordsRoot: '0x',
    recordCount: texts.length,
    manifestCid,
    transactionHash: '0x',
  })
}
