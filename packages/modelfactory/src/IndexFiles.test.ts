import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Bytes, type Hex } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import {
  type Blobs,
  createDatabase,
  createDiskBlobs,
  createJobs,
  type Database,
  eq,
  schema,
} from '@openledger/store'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { addTowers, writeTinyBase } from '../test/trainingWorld.ts'
import { createIndexFiles, type IndexEvent } from './IndexFiles.ts'
import type { RunRow } from './Runs.ts'
import { createTrainingWorker } from './TrainingWorker.ts'

const { models, trainingRuns } = schema
const CHILD = join(import.meta.dirname, '../test/rebuilding.ts')

let directory: string
let database: Database
let blobs: Blobs
let run: RunRow
/** What was published: the bytes of each file by its CID. */
const published = new Map<string, Uint8Array>()

const pathOf = (cid: string) => join(directory, 'blobs', cid.slice(-2), cid)
const openDatabase = () => createDatabase({ directory: join(directory, 'database') })

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openledger-indexes-'))
  database = await openDatabase()
  blobs = createDiskBlobs(join(directory, 'blobs'))
  await writeTinyBase(directory)
  await addTowers(database, blobs)
  await database.orm.insert(trainingRuns).values({
    id: 'run',
    modelName: 'towers',
    owner: '0x01',
    datanets: [{ datanetId: '1', version: 1 }],
    status: 'queued',
    inputPriceWei: 0n,
    outputPriceWei: 0n,
    influenceBps: 5_000,
    config: Http.trainingConfigSchema.parse({
      rank: 2,
      epochs: 4,
      batchSize: 4,
      sequenceTokens: 64,
      rehearsal: 0,
      forgettingMax: 100,
    }),
  })
  const jobs = await createJobs(database)
  await createTrainingWorker({ database, jobs, blobs, baseDirectory: directory, workers: 0 }).work()
  const read = async () => (await database.orm.select().from(trainingRuns))[0]!
  await vi.waitFor(async () => expect(await read()).toMatchObject({ status: 'trained' }), {
    timeout: 50_000,
    interval: 50,
  })
  await jobs.stop()
  await database.orm.insert(models).values({
    id: 7n,
    name: 'towers',
    owner: '0x01',
    trainingRunId: 'run',
    inputPriceWei: 0n,
    outputPriceWei: 0n,
    influenceBps: 5_000,
    spansBps: 5_000,
    transactionHash: '0x',
  })
  run = await read()
  for (const cid of cids()) published.set(cid, await blobs.get(cid))
})
afterAll(async () => {
  await database.close()
  await rm(directory, { recursive: true })
})

const cids = () => [run.recordsCid!, run.influenceCid!, run.spansCid!]

function watch(rootOnChain = run.attributionRoot as Hex) {
  const events: IndexEvent[] = []
  const files = createIndexFiles({
    database,
    blobs,
    baseDirectory: directory,
    rootOf: async () => rootOnChain,
    signal: new AbortController().signal,
    onEvent: (event) => events.push(event),
  })
  const kinds = () => events.map(({ kind }) => kind).filter((kind) => kind !== 'building')
  return { files, events, kinds }
}

async function expectWhole(): Promise<void> {
  for (const [cid, bytes] of published) expect(await blobs.get(cid)).toEqual(bytes)
  const [now] = await database.orm.select().from(trainingRuns)
  expect(now).toEqual(run)
}

const damages: readonly (readonly [string, (cid: string) => Promise<void>])[] = [
  ['gone', (cid) => rm(pathOf(cid))],
  ['truncated', (cid) => truncate(pathOf(cid), published.get(cid)!.length >> 1)],
  ['empty', (cid) => truncate(pathOf(cid), 0)],
  [
    'altered in one bit',
    async (cid) => {
      const bytes = new Uint8Array(await readFile(pathOf(cid)))
      bytes[bytes.length - 9]! ^= 1
      await writeFile(pathOf(cid), bytes)
    },
  ],
  [
    'swapped with another',
    async (cid) => {
      const [other] = cids().filter((each) => each !== cid)
      await writeFile(pathOf(cid), published.get(other!)!)
    },
  ],
]

test.each(damages)(
  'a file that is %s is built again, to the byte, when somebody needs it',
  async (_, damage) => {
    for (const cid of cids()) {
      const { files, kinds } = watch()
      await damage(cid)
      await expect(files.get(cid)).rejects.toMatchObject({
        code: 'model.index_rebuilding',
        severity: 'retry',
      })
      // others who ask meanwhile begin no second one
      await expect(files.get(cid)).rejects.toMatchObject({ code: 'model.index_rebuilding' })
      await expect(files.require(7n)).rejects.toMatchObject({ code: 'model.index_rebuilding' })
      await files.idle()
      expect(kinds()).toEqual(['damaged', 'rebuilt'])
      expect(await files.get(cid)).toEqual(published.get(cid))
      await files.require(7n)
      await expectWhole()
    }
  },
)

test('whole files of something else under the model are found at the start and replaced', async () => {
  // as a database restored from before a publication names them
  for (const change of [
    { influenceCid: run.spansCid },
    { recordsCid: await blobs.put(Bytes.fromUtf8('{"version":1,"records":[]}')) },
    { spansCid: await blobs.put(olderVersionOf(published.get(run.spansCid!)!)) },
  ]) {
    await database.orm.update(trainingRuns).set(change).where(eq(trainingRuns.id, 'run'))
    const { files, kinds } = watch()
    await files.checkAll()
    await expect(files.require(7n)).rejects.toMatchObject({ code: 'model.index_rebuilding' })
    await files.idle()
    expect(kinds()).toEqual(['damaged', 'rebuilt'])
    await files.require(7n)
    await expectWhole()
  }
})

test('nothing is built where nothing is damaged, and no other blob is taken for an index', async () => {
  const { files, events } = watch()
  await files.checkAll()
  await files.require(7n)
  await expectWhole()
  await expect(files.get('bafk')).rejects.toMatchObject({ code: 'blob.invalid_cid' })
  const other = await blobs.put(Bytes.fromUtf8('something else'))
  await rm(pathOf(other))
  await expect(files.get(other)).rejects.toMatchObject({ code: 'blob.not_found' })
  expect(events).toEqual([])
})

test('what is built and differs from the chain is not kept: the model stays silent until its files are back', async () => {
  const { files, kinds } = watch()
  const adapter = await blobs.get(run.adapterCid!)
  await rm(pathOf(run.adapterCid!))
  await rm(pathOf(run.spansCid!))
  await files.checkAll()
  await files.idle()
  expect(kinds()).toEqual(['damaged', 'lost'])
  await expect(files.require(7n)).rejects.toMatchObject({ code: 'model.index_lost' })
  await expect(files.get(run.spansCid!)).rejects.toMatchObject({ code: 'model.index_lost' })
  await blobs.put(published.get(run.spansCid!)!)
  await files.require(7n)
  await blobs.put(adapter)
  await expectWhole()

  const elsewhere = watch(`0x${'ab'.repeat(32)}`)
  await elsewhere.files.checkAll()
  await elsewhere.files.idle()
  expect(elsewhere.kinds()).toEqual(['damaged', 'lost'])
  await expect(elsewhere.files.require(7n)).rejects.toThrow(/but adapter and records gave/)
  await expectWhole()
})

test('kill -9 in the middle of a rebuild leaves nothing that is taken for whole, and the next start finishes it', async () => {
  for (const moment of ['building', 'keeping 2']) {
    for (const cid of cids()) await rm(pathOf(cid))
    await database.close()
    await killAt(moment)
    database = await openDatabase()
    for (const cid of cids()) {
      const found = await blobs.get(cid).catch(() => undefined)
      if (found !== undefined) expect(found).toEqual(published.get(cid))
    }
    const { files } = watch()
    await files.checkAll()
    await files.idle()
    await files.require(7n)
    await expectWhole()
  }
})

/** Starts a rebuild in a process of its own and kills it when it says a word. */
async function killAt(moment: string): Promise<void> {
  const child: ChildProcess = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', CHILD, directory, run.attributionRoot!],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const over = once(child, 'exit')
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line === moment) child.kill('SIGKILL')
  }
  expect(await over).toEqual([null, 'SIGKILL'])
}

/** The same index as a program before this one would have written it. */
function olderVersionOf(bytes: Uint8Array): Uint8Array {
  const older = Uint8Array.from(bytes)
  new DataView(older.buffer).setUint32(8, 0, true)
  return older
}
