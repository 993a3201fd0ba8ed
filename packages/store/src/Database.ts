import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { fsyncSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { PGlite } from '@electric-sql/pglite'
import { BaseError } from '@openledger/primitives'
import type { ExtractTablesWithRelations } from 'drizzle-orm'
import { drizzle as drizzleNode } from 'drizzle-orm/node-postgres'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite'
import pg from 'pg'
import { lockDirectory } from './DirectoryLock.ts'
import { migrate, type RunSql } from './Migrations.ts'
import * as schema from './schema.ts'

/** Typed queries over the tables of `schema.ts`; inside a transaction, only the one handed to the callback counts. */
export type Orm = PgDatabase<PgQueryResultHKT, typeof schema, ExtractTablesWithRelations<typeof schema>>

/** One PostgreSQL dialect, embedded or on a server. */
export type Database = {
  readonly kind: 'embedded' | 'server'
  /** Single statements outside any transaction. */
  readonly orm: Orm
  /**
   * Runs `work` all or nothing and as if alone: transactions never interleave.
   *
   * On a server a serialisation conflict repeats `work`, so it must change nothing but the database.
   * @throws {NestedStatementError} (embedded) when `work` uses the database instead of the `orm` it is given.
   */
  readonly transaction: <T>(work: (orm: Orm) => Promise<T>) => Promise<T>
  /** Runs what makes tables, while no other process on the database does: several may start at once. */
  readonly whileOthersWait: <T>(work: () => Promise<T>) => Promise<T>
  /** For migrations and the job queue, which bring their own SQL. */
  readonly run: RunSql
  /** Calls back on every `NOTIFY channel`; absent where the connection cannot. */
  readonly listen?: (channel: string, onPayload: (payload: string) => void) => Promise<() => Promise<void>>
  readonly close: () => Promise<void>
}

export type DatabaseOptions =
  /** Embedded, durable, in this folder; one process at a time. */
  | { readonly directory: string }
  /** A PostgreSQL server, e.g. `postgres://user@host/name`; two connections at least, because the lock holds one. */
  | { readonly url: string; readonly connectionCountMax?: number }
  /** Embedded and gone with the process: for tests. */
  | { readonly memory: true }

/** Any fixed number: the name of the lock under which a server's tables are made. */
const MIGRATION_LOCK_ID = 7_236_550_193

/** How often a transaction is repeated when a server reports a conflict with another. */
const CONFLICT_RETRY_COUNT = 20
const CONFLICT_WAIT_MS_MAX = 200

/**
 * Opens the database and brings its tables up to date.
 * @throws {DirectoryLockedError} when another process has the folder open.
 * @throws {MigrationChangedError} when the tables were made by other migrations than this version's.
 */
export async function createDatabase(options: DatabaseOptions): Promise<Database> {
  if ('url' in options) return openServer(options.url, options.connectionCountMax ?? 10)
  if ('memory' in options) return openEmbedded(await createMemory(), async () => {})
  await mkdir(options.directory, { recursive: true })
  const unlock = await lockDirectory(options.directory)
  try {
    return await openEmbedded(await createDurable(join(options.directory, 'postgres')), unlock)
  } catch (error) {
    await unlock()
    throw error
  }
}

/**
 * Opens PGlite so that a commit is on the disk before anyone is told of it.
 *
 * As it comes, PGlite runs PostgreSQL with `-F` (no fsync) on a file system whose fsync does nothing: that survives the
 * process but not the machine. Turning both on costs about half a millisecond a commit.
 */
async function createDurable(directory: string): Promise<PGlite> {
  const client = await PGlite.create(directory, {
    relaxedDurability: false,
    startParams: [
      ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'),
      ...['-c', 'wal_sync_method=fsync'],
    ],
  })
  const { NODEFS } = client.Module as unknown as {
    NODEFS: { stream_ops: { fsync?: (stream: { nfd: number }) => number } }
  }
  NODEFS.stream_ops.fsync = ({ nfd }) => {
    fsyncSync(nfd)
    return 0
  }
  return client
}

let memoryTemplate: Promise<Blob> | undefined

/** Copies one prepared database, because preparing takes seconds and copying a third of one. */
async function createMemory(): Promise<PGlite> {
  memoryTemplate ??= (async () => {
    const template = await PGlite.create()
    await migrate((text, values) => runPglite(template, text, values))
    const dump = await template.dumpDataDir('none')
    await template.close()
    return dump
  })()
  return PGlite.create({ loadDataDir: await memoryTemplate })
}

const runPglite: (client: PGlite, ...call: Parameters<RunSql>) => ReturnType<RunSql> = async (
  client,
  text,
  values,
) => {
  try {
    if (values !== undefined && values.length > 0) return await client.query(text, [...values])
    return { rows: (await client.exec(text)).flatMap((result) => result.rows ?? []) }
  } catch (error) {
    // a block that failed between BEGIN and COMMIT would leave the only connection inside an aborted transaction
    await client.exec('ROLLBACK')
    throw error
  }
}

async function openEmbedded(client: PGlite, unlock: () => Promise<void>): Promise<Database> {
  const exclusive = createExclusive()
  const orm = drizzlePglite({
    client: {
      query: (...call: Parameters<PGlite['query']>) => exclusive(() => client.query(...call)),
      transaction: (work: Parameters<PGlite['transaction']>[0]) => exclusive(() => client.transaction(work)),
    } as unknown as PGlite,
    schema,
  })
  const run: RunSql = (text, values) => exclusive(() => runPglite(client, text, values))
  await migrate(run)
  return {
    kind: 'embedded',
    orm: orm as unknown as Orm,
    transaction: (work) => orm.transaction((inner) => work(inner as unknown as Orm)),
    // a folder has one process
    whileOthersWait: (work) => work(),
    run,
    // bound to the caller: a notification arrives inside whichever statement happens to be running
    listen: (channel, onPayload) => {
      const bound = AsyncResource.bind(onPayload)
      return exclusive(() => client.listen(channel, bound))
    },
    close: async () => {
      await exclusive(() => client.close())
      await unlock()
    },
  }
}

/** Lets one caller at a time use the only connection, in order of arrival. */
function createExclusive(): <T>(work: () => Promise<T>) => Promise<T> {
  const inside = new AsyncLocalStorage<{ held: boolean }>()
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    // waiting for oneself would never end
    if (inside.getStore()?.held) return Promise.reject(new NestedStatementError())
    const hold = { held: true }
    const turn = last.then(() => inside.run(hold, work)).finally(() => (hold.held = false))
    last = turn.catch(() => {})
    return turn
  }
}

async function openServer(url: string, connectionCountMax: number): Promise<Database> {
  const pool = new pg.Pool({ connectionString: url, max: connectionCountMax })
  // an idle connection that breaks is replaced on the next use; the pool reports it as an event that must have a listener
  pool.on('error', () => {})
  const orm = drizzleNode({ client: pool, schema })
  const run = runPg(pool)
  const whileOthersWait = <T>(work: () => Promise<T>): Promise<T> => locked(pool, work)
  try {
    await whileOthersWait(() => withConnection(pool, (client) => migrate(runPg(client))))
  } catch (error) {
    await pool.end()
    throw error
  }
  return {
    kind: 'server',
    orm: orm as unknown as Orm,
    transaction: async (work) => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await orm.transaction((inner) => work(inner as unknown as Orm), {
            isolationLevel: 'serializable',
          })
        } catch (error) {
          if (!isConflict(error) || attempt === CONFLICT_RETRY_COUNT) throw error
          // at once it would meet the winner's next transaction, and could lose to it every time
          await delay(Math.random() * Math.min(2 ** attempt, CONFLICT_WAIT_MS_MAX))
        }
      }
    },
    whileOthersWait,
    run,
    close: () => pool.end(),
  }
}

const runPg =
  (client: pg.Pool | pg.PoolClient): RunSql =>
  async (text, values) => {
    const result: pg.QueryResult | pg.QueryResult[] = await client.query(text, values && [...values])
    return { rows: (Array.isArray(result) ? result : [result]).flatMap((one) => one.rows) }
  }

/** Runs `work` on one connection; when it fails, closing the connection drops what was half done. */
async function withConnection<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    const result = await work(client)
    client.release()
    return result
  } catch (error) {
    client.release(true)
    throw error
  }
}

/** Runs `work` under a lock of the server, which a process that dies gives back with its connection. */
const locked = <T>(pool: pg.Pool, work: () => Promise<T>): Promise<T> =>
  withConnection(pool, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK_ID])
    const result = await work()
    await client.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK_ID])
    return result
  })

/** Serialisation failure or deadlock (SQLSTATE 40001, 40P01), which the server asks to repeat. */
function isConflict(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ('code' in at && (at.code === '40001' || at.code === '40P01')) return true
  }
  return false
}

export class NestedStatementError extends BaseError {
  constructor() {
    super({
      code: 'database.nested_statement',
      message:
        'Expected statements inside a transaction to go through the orm that its callback is given, got one through the database itself. Pass the orm down.',
    })
  }
}
