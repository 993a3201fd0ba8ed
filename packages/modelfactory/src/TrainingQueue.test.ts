import { createDatabase, type Database, eq, schema } from '@openledger/store'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Claim, claimNext, release, releaseAll, renew, waiting } from './TrainingQueue.ts'

const { trainingRuns } = schema
let database: Database
beforeEach(async () => {
  database = await createDatabase({ memory: true })
})
afterEach(() => database.close())

const limits = { runningMax: 100 }
let minute = 0

/** Queues a run; later ones are younger. */
async function queue(id: string, values: Partial<typeof trainingRuns.$inferInsert> = {}): Promise<void> {
  await database.orm.insert(trainingRuns).values({
    id,
    modelName: id,
    owner: 'ada',
    datanets: [],
    config: {},
    influenceBps: 0,
    status: 'queued',
    inputPriceWei: 0n,
    outputPriceWei: 0n,
    createdAt: new Date(Date.UTC(2026, 0, 1, 0, minute++)),
    ...values,
  })
}

async function takeAll(): Promise<string[]> {
  const taken: string[] = []
  for (;;) {
    const claim = await claimNext(database, limits)
    if (claim === undefined) return taken
    taken.push(claim.runId)
    await end(claim)
  }
}

const end = ({ runId }: Claim) =>
  database.orm.update(trainingRuns).set({ status: 'trained' }).where(eq(trainingRuns.id, runId))

test('owners take turns, however many runs one of them queues', async () => {
  for (const id of ['a1', 'a2', 'a3', 'a4']) await queue(id)
  await queue('b1', { owner: 'bob' })
  await queue('c1', { owner: 'cleo' })
  await queue('b2', { owner: 'bob' })
  expect(await takeAll()).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4'])
})

test('among the runs of one owner, priority goes before age and changes nothing for others', async () => {
  await queue('a1')
  await queue('b1', { owner: 'bob' })
  await queue('a2', { priority: 1 })
  await queue('a3', { priority: -1 })
  await queue('a4')
  expect(await takeAll()).toEqual(['a2', 'b1', 'a1', 'a4', 'a3'])
})

test('what was begun goes first: a run that its worker left, then one that was paused', async () => {
  await queue('left')
  await queue('paused')
  const [left, paused] = [await claimNext(database, limits), await claimNext(database, limits)]
  await queue('new', { owner: 'bob', priority: 1 })
  await database.orm.update(trainingRuns).set({ status: 'queued' }).where(eq(trainingRuns.id, 'paused'))
  await release(database, left!)
  expect(paused!.runId).toBe('paused')
  expect(await waiting(database)).toEqual(expect.arrayContaining(['left', 'paused', 'new']))
  expect(await takeAll()).toEqual(['left', 'paused', 'new'])
})

test('a run has one worker at a time, and a later claim ends the one before', async () => {
  await queue('a1')
  const first = (await claimNext(database, limits))!
  expect(await claimNext(database, limits)).toBeUndefined()
  expect(await renew(database, first)).toBe(true)
  await releaseAll(database)
  const second = (await claimNext(database, limits))!
  expect(second).toEqual({ runId: 'a1', number: first.number + 1 })
  expect(await renew(database, first)).toBe(false)
  await release(database, first)
  expect(await claimNext(database, limits)).toBeUndefined()
  expect(await renew(database, second)).toBe(true)
})

test('an owner runs no more at once than the limit, and others go on', async () => {
  for (const id of ['a1', 'a2']) await queue(id)
  await queue('b1', { owner: 'bob' })
  const claims = [1, 2, 3].map(() => claimNext(database, { runningMax: 1 }))
  const taken = (await Promise.all(claims)).map((claim) => claim?.runId)
  expect(taken).toEqual(['a1', 'b1', undefined])
  await end({ runId: 'a1', number: 1 })
  expect((await claimNext(database, { runningMax: 1 }))?.runId).toBe('a2')
})
