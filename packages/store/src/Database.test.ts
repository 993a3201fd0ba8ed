import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDatabase, type Database } from './Database.ts'
import { eq, schema } from './index.ts'

let database: Database
beforeAll(async () => {
  database = await createDatabase({ memory: true })
})
afterAll(() => database.close())

const temporaryDirectory = () => mkdtemp(join(tmpdir(), 'openledger-store-'))

describe('the migrations make exactly the tables of the schema', () => {
  const tables = Object.values(schema).map((table) => getTableConfig(table as PgTable))

  test('no table more, none less', async () => {
    const { rows } = await database.run(`SELECT table_name AS name FROM information_schema.tables
      WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> 'migrations' ORDER BY 1`)
    expect(rows.map((row) => row['name'])).toEqual(tables.map((table) => table.name).sort())
  })

  test.each(tables.map((table) => [table.name, table] as const))(
    '%s, column by column',
    async (name, table) => {
      const { rows } = await database.run(
        `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS "notNull",
         a.atthasdef AS "hasDefault"
       FROM pg_attribute a WHERE a.attrelid = $1::regclass AND a.attnum > 0 ORDER BY a.attnum`,
        [name],
      )
      expect(rows).toEqual(
        table.columns.map((column) => ({
          name: column.name,
          type: column.getSQLType().replace('bigserial', 'bigint').replace(', ', ','),
          notNull: column.notNull,
          hasDefault: column.hasDefault,
        })),
      )
    },
  )

  test.each(tables.map((table) => [table.name, table] as const))(
    '%s, keys, checks and indexes',
    async (name, table) => {
      const constraints = await database.run(
        `SELECT c.contype AS kind, c.confrelid::regclass::text AS target, pg_get_constraintdef(c.oid) AS text,
         (SELECT array_agg(a.attname ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY k(num, n)
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num)::text[] AS columns
       FROM pg_constraint c WHERE c.conrelid = $1::regclass AND c.contype IN ('p', 'u', 'f', 'c')`,
        [name],
      )
      const found = constraints.rows
        .map((row) => {
          const values = String(row['text'])
            .match(/'[^']+'::text/g)
            ?.map((quoted) => quoted.slice(1, -7))
          const detail = row['kind'] === 'f' ? row['target'] : row['kind'] === 'c' ? values : ''
          return `${row['kind']} ${row['columns']} ${detail}`.trim()
        })
        .sort()
      const expected = [
        ...table.columns.flatMap((column) => [
          ...(column.primary ? [`p ${column.name}`] : []),
          ...(column.isUnique ? [`u ${column.name}`] : []),
          ...(column.enumValues ? [`c ${column.name} ${column.enumValues}`] : []),
        ]),
        ...table.primaryKeys.map((key) => `p ${key.columns.map((column) => column.name)}`),
        ...table.foreignKeys.map((key) => {
          const { columns, foreignTable } = key.reference()
          return `f ${columns.map((column) => column.name)} ${getTableConfig(foreignTable).name}`
        }),
      ].sort()
      expect(found).toEqual(expected)

      const indexes = await database.run(
        `SELECT i.indisunique AS "unique", i.indpred IS NOT NULL AS partial,
         (SELECT array_agg(a.attname ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY k(num, n)
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num)::text[] AS columns
       FROM pg_index i WHERE i.indrelid = $1::regclass
         AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u'))`,
        [name],
      )
      const describeIndex = (unique: unknown, partial: unknown, columns: unknown) =>
        `${unique} ${partial} ${columns}`
      expect(
        indexes.rows.map((row) => describeIndex(row['unique'], row['partial'], row['columns'])).sort(),
      ).toEqual(
        table.indexes
          .map(({ config }) =>
            describeIndex(
              config.unique,
              config.where !== undefined,
              config.columns.map((column) => (column as { name: string }).name),
            ),
          )
          .sort(),
      )
    },
  )
})

describe('transactions', () => {
  test('are all or nothing', async () => {
    await expect(
      database.transaction(async (orm) => {
        await orm.insert(schema.facts).values({ key: 'undone', value: 1 })
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    expect(await database.orm.select().from(schema.facts).where(eq(schema.facts.key, 'undone'))).toEqual([])
  })

  test('never interleave: a hundred read-then-write increments lose nothing', async () => {
    await database.orm.insert(schema.facts).values({ key: 'counter', value: 0 })
    await Promise.all(
      Array.from({ length: 100 }, () =>
        database.transaction(async (orm) => {
          const [row] = await orm.select().from(schema.facts).where(eq(schema.facts.key, 'counter'))
          await new Promise((resolve) => setImmediate(resolve))
          await orm
            .update(schema.facts)
            .set({ value: Number(row!.value) + 1 })
            .where(eq(schema.facts.key, 'counter'))
        }),
      ),
    )
    const [row] = await database.orm.select().from(schema.facts).where(eq(schema.facts.key, 'counter'))
    expect(row!.value).toBe(100)
  })

  test('refuse a statement around their own orm instead of waiting for ever', async () => {
    await expect(database.transaction(() => database.orm.select().from(schema.facts))).rejects.toMatchObject({
      cause: { code: 'database.nested_statement' },
    })
    expect(await database.run('SELECT 1 AS one')).toEqual({ rows: [{ one: 1 }] })
  })

  test('a block that fails between BEGIN and COMMIT leaves nothing behind for the next statement', async () => {
    await expect(database.run('BEGIN; SELECT 1/0; COMMIT;')).rejects.toThrow('division by zero')
    expect(await database.run('SELECT 1 AS one')).toEqual({ rows: [{ one: 1 }] })
  })
})

test('wei of 40 digits come back exactly', async () => {
  const amountWei = 10n ** 40n - 1n
  await database.orm.insert(schema.holds).values({ id: 'h', account: '0x00', amountWei })
  expect((await database.orm.select().from(schema.holds))[0]!.amountWei).toBe(amountWei)
})

describe('on disk', () => {
  test('everything acknowledged survives kill -9, and nothing is half there', async () => {
    const directory = await temporaryDirectory()
    try {
      let acknowledged = -1
      for (let round = 0; round < 3; round++) {
        if (round > 0) {
          const reopened = await createDatabase({ directory })
          await reopened.orm.delete(schema.facts)
          await reopened.close()
        }
        const child = spawn(process.execPath, [
          join(import.meta.dirname, '../test/writer.ts'),
          'facts',
          directory,
        ])
        let output = ''
        child.stdout.on('data', (chunk) => {
          output += chunk
          if (output.split('\n').length > 50 + 37 * round) child.kill('SIGKILL')
        })
        await once(child, 'exit')
        acknowledged = Math.max(...output.split('\n').slice(0, -1).map(Number))
        expect(acknowledged).toBeGreaterThan(40)

        const opened = await createDatabase({ directory })
        const keys = new Set((await opened.orm.select().from(schema.facts)).map((row) => row.key))
        for (let n = 0; n <= acknowledged; n++) expect(keys.has(`first ${n}`)).toBe(true)
        for (const key of keys)
          expect(keys.has(key.replace(/first|second/, (w) => (w === 'first' ? 'second' : 'first')))).toBe(
            true,
          )
        await opened.close()
      }
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  test('one process at a time; a lock of a process that is gone counts for nothing', async () => {
    const directory = await temporaryDirectory()
    try {
      await writeFile(join(directory, 'lock'), `${process.pid} 1`)
      const first = await createDatabase({ directory })
      await expect(createDatabase({ directory })).rejects.toMatchObject({ code: 'database.directory_locked' })
      await first.close()
      const second = await createDatabase({ directory })
      await second.run(`UPDATE migrations SET hash = 'other'`)
      await second.close()
      await expect(createDatabase({ directory })).rejects.toMatchObject({
        code: 'database.migration_changed',
      })
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})
