import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createDatabase, createJobs, type Database, eq, schema } from '../src/index.ts'
import { hasPostgres, startPostgres } from './startPostgres.ts'

describe.skipIf(!hasPostgres())('on a PostgreSQL server', () => {
  let server: Awaited<ReturnType<typeof startPostgres>>
  let first: Database
  let second: Database
  beforeAll(async () => {
    server = await startPostgres()
    // two servers of ours that start at once migrate once
    const opened = await Promise.all([createDatabase(server), createDatabase(server)])
    first = opened[0]!
    second = opened[1]!
  })
  afterAll(async () => {
    await first.close()
    await second.close()
    await server.close()
  })

  test('what one process writes the other reads, wei and times alike', async () => {
    const amountWei = 10n ** 40n - 1n
    await first.orm.insert(schema.holds).values({ id: 'h', account: '0x00', amountWei })
    const [row] = await second.orm.select().from(schema.holds)
    expect(row!.amountWei).toBe(amountWei)
    expect(Math.abs(row!.createdAt.getTime() - Date.now())).toBeLessThan(60_000)
  })

  test('transactions of two processes never interleave: increments by both lose nothing', async () => {
    await first.orm.insert(schema.facts).values({ key: 'counter', value: 0 })
    const increment = (database: Database) =>
      database.transaction(async (orm) => {
        const [row] = await orm.select().from(schema.facts).where(eq(schema.facts.key, 'counter'))
        await orm
          .update(schema.facts)
          .set({ value: Number(row!.value) + 1 })
          .where(eq(schema.facts.key, 'counter'))
      })
    const runs = [first, second, first, second, first, second].map(async (database) => {
      for (let i = 0; i < 25; i++) await increment(database)
    })
    await Promise.all(runs)
    const [row] = await first.orm.select().from(schema.facts).where(eq(schema.facts.key, 'counter'))
    expect(row!.value).toBe(150)
  })

  test('jobs go to either worker, each to one, and to the other when one stops', async () => {
    // both make the queue's tables, or see them made
    const [one, other] = await Promise.all([createJobs(first), createJobs(second)])
    const done: string[] = []
    const worker =
      (name: string) =>
      async ({ n }: { n: number }) => {
        done.push(`${name} ${n}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    await one.work('shared', worker('one'))
    await other.work('shared', worker('other'))
    for (let n = 0; n < 12; n++) await one.enqueue('shared', { n })
    await vi.waitFor(() => expect(done).toHaveLength(12), { timeout: 30_000 })
    expect(new Set(done.map((entry) => entry.split(' ')[1])).size).toBe(12)
    expect(new Set(done.map((entry) => entry.split(' ')[0]))).toEqual(new Set(['one', 'other']))
    await one.stop()
    await other.enqueue('shared', { n: 99 })
    await vi.waitFor(() => expect(done).toContain('other 99'), { timeout: 30_000 })
    await other.stop()
  })

  test('a job whose worker was killed with kill -9 goes to another within half a minute', async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'writer.ts'), 'job', server.url])
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    const jobs = await createJobs(first)
    const handler = vi.fn(async () => {})
    await jobs.work('forever', handler)
    await vi.waitFor(() => expect(handler).toHaveBeenCalledOnce(), { timeout: 40_000, interval: 500 })
    expect(handler).toHaveBeenCalledWith({ greeting: 'still here' }, expect.anything())
    await jobs.stop()
  })
})
