import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CheckpointFolder } from '@openledger/model'
import { Http } from '@openledger/protocol'
import {
  type Blobs,
  createDatabase,
  createDiskBlobs,
  createJobs,
  type Database,
  eq,
  type Jobs,
  schema,
} from '@openledger/store'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { addTowers, writeTinyBase } from '../test/trainingWorld.ts'
import type { JudgeOptions } from './JudgeEndpoint.ts'
import { createTrainingWorker } from './TrainingWorker.ts'

const { trainingRuns } = schema
const config = {
  rank: 2,
  epochs: 12,
  batchSize: 4,
  sequenceTokens: 64,
  patience: 0,
  rehearsal: 0,
  forgettingMax: 100,
}

let directory: string
let database: Database
let jobs: Jobs
let blobs: Blobs
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openledger-worker-'))
  database = await createDatabase({ memory: true })
  jobs = await createJobs(database)
  blobs = createDiskBlobs(join(directory, 'blobs'))
  await writeTinyBase(directory)
  await addTowers(database, blobs)
})
afterEach(async () => {
  await jobs.stop()
  await database.close()
  await rm(directory, { recursive: true })
})

async function queue(id: string, changes: object = {}): Promise<void> {
  await database.orm.insert(trainingRuns).values({
    id,
    modelName: id,
    owner: '0x01',
    datanets: [{ datanetId: '1', version: 1 }],
    status: 'queued',
    inputPriceWei: 0n,
    outputPriceWei: 0n,
    influenceBps: 5_000,
    config: Http.trainingConfigSchema.parse({ ...config, ...changes }),
  })
}

const rowOf = async (id: string) =>
  (await database.orm.select().from(trainingRuns).where(eq(trainingRuns.id, id)))[0]!

const until = (id: string, status: string) =>
  vi.waitFor(async () => expect(await rowOf(id)).toMatchObject({ status }), { timeout: 50_000, interval: 50 })

const workerOf = (kept: Blobs = blobs, judge?: JudgeOptions) =>
  createTrainingWorker({ database, jobs, blobs: kept, baseDirectory: directory, workers: 0, judge })

test.each(['lora', 'full'] as const)(
  'a paused run (%s) keeps its steps and ends with what one learned that never paused',
  async (method) => {
    await queue('straight', { method })
    await queue('paused', { method })
    const worker = workerOf()
    await worker.work()
    await until('straight', 'trained')
    // paused at whatever step it has reached
    await vi.waitFor(async () => expect((await rowOf('paused')).step).toBeGreaterThan(4), {
      timeout: 50_000,
      interval: 5,
    })
    await database.orm.update(trainingRuns).set({ status: 'paused' }).where(eq(trainingRuns.id, 'paused'))
    worker.stop('paused')
    await vi.waitFor(async () => expect((await rowOf('paused')).checkpointCid).not.toBeNull(), {
      timeout: 20_000,
    })
    await database.orm.update(trainingRuns).set({ status: 'queued' }).where(eq(trainingRuns.id, 'paused'))
    await worker.call('paused')
    await until('paused', 'trained')
    const [straight, paused] = [await rowOf('straight'), await rowOf('paused')]
    expect(paused.claim).toBe(2)
    const [hash, none] =
      method === 'full'
        ? (['weightsHash', 'adapterHash'] as const)
        : (['adapterHash', 'weightsHash'] as const)
    expect(paused[hash]).toMatch(/^0x/)
    expect(paused[hash]).toBe(straight[hash])
    expect(paused[none]).toBeNull()
    // what answers are attributed by, which a whole model has not
    expect(paused.attributionRoot === null).toBe(method === 'full')
    expect(Http.evaluationSchema.parse(paused.evaluation)).toEqual(straight.evaluation)
  },
)

test('a full disk fails the run with what to do, and it goes on once there is room', async () => {
  await queue('full')
  let isFull = true
  const worker = workerOf({
    ...blobs,
    put: async (bytes) => {
      if (isFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      return blobs.put(bytes)
    },
  })
  await worker.work()
  await until('full', 'failed')
  expect((await rowOf('full')).failure).toContain('make room, and let the run go on')
  isFull = false
  await database.orm.update(trainingRuns).set({ status: 'queued' }).where(eq(trainingRuns.id, 'full'))
  await worker.call('full')
  await until('full', 'trained')
})

test('a loss that overflows fails the run with what to change', async () => {
  await queue('wild', { learningRate: 0.1, alpha: 256, rank: 1 })
  const { checkpoint, config: shape } = await CheckpointFolder.read(directory).then((read) => ({
    checkpoint: read,
    config: read.config,
  }))
  const loud = new Map(
    [...checkpoint.weights].map(([name, data]) => [name, data.map((value) => value * 1e18)]),
  )
  await CheckpointFolder.write(directory, shape, loud)
  await workerOf().work()
  await until('wild', 'failed')
  expect((await rowOf('wild')).failure).toMatch(/Lower the learning rate or clean the records/)
})

test('a run asks a judge over HTTP for its verdicts, in both orders, and ends all the same when the judge does not answer', async () => {
  const asked: string[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const { messages } = JSON.parse(body) as { messages: { role: string; content: string }[] }
    const content = messages.find(({ role }) => role === 'user')!.content
    asked.push(content)
    // the longer answer is better
    const [, first, second] = /## Answer A\n([\s\S]*)\n\n## Answer B\n([\s\S]*)$/.exec(content)!
    const verdict = first!.length === second!.length ? 'TIE' : first!.length > second!.length ? 'A' : 'B'
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ choices: [{ message: { content: verdict } }] }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const judge = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, model: 'judge-1' }
  const judgedOf = async (id: string) => Http.evaluationSchema.parse((await rowOf(id)).evaluation).judged!
  try {
    // steps large enough for answers unlike the base's
    await queue('judged', { isJudged: true, learningRate: 0.1, alpha: 64 })
    await workerOf(blobs, judge).work()
    await until('judged', 'trained')
    const { judge: name, rounds, failure } = await judgedOf('judged')
    expect([name, failure]).toEqual(['judge-1', null])
    const { against, prompts, wins, ties, losses, unread } = rounds[0]!
    expect([against, unread]).toEqual(['the base', 0])
    expect(wins + ties + losses).toBe(prompts)
    expect(asked.length).toBeGreaterThan(0)
    expect(asked.length % 2).toBe(0)
    expect(asked[0]).toContain('## Reference')
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  await queue('unjudged', { isJudged: true, learningRate: 0.1, alpha: 64 })
  await workerOf().call('unjudged')
  await until('unjudged', 'trained')
  const { rounds, failure } = await judgedOf('unjudged')
  expect(rounds).toEqual([])
  expect(failure).toContain('Expected a verdict of the judge judge-1, got none')
})
