import { readdir, readFile } from 'node:fs/promises'
import { BaseError, Bytes } from '@openledger/primitives'

const DIRECTORY = new URL('./migrations/', import.meta.url)

/** SQL with `$1` placeholders; without values it may hold several statements. */
export type RunSql = (
  text: string,
  values?: readonly unknown[],
) => Promise<{ rows: Record<string, unknown>[] }>

/** One step of the tables' history: `NNNN_name.sql`, never changed once released. */
type Migration = { readonly name: string; readonly text: string; readonly hash: string }

async function read(): Promise<Migration[]> {
  const names = (await readdir(DIRECTORY)).filter((name) => name.endsWith('.sql')).sort()
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(new URL(name, DIRECTORY), 'utf8')
      return { name, text, hash: Bytes.toHex(Bytes.sha256(Bytes.fromUtf8(text))) }
    }),
  )
}

/**
 * Applies the migrations that the database lacks, each in one transaction with the note that it was applied.
 * @throws {MigrationChangedError}
 */
export async function migrate(run: RunSql): Promise<void> {
  const migrations = await read()
  await run(
    'CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, hash text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())',
  )
  const { rows } = await run('SELECT name, hash FROM migrations ORDER BY name')
  rows.forEach((row, i) => {
    if (row['name'] !== migrations[i]?.name || row['hash'] !== migrations[i]?.hash) {
      throw new MigrationChangedError(String(row['name']))
    }
  })
  for (const { name, text, hash } of migrations.slice(rows.length)) {
    await run(`BEGIN; INSERT INTO migrations (name, hash) VALUES ('${name}', '${hash}'); ${text}\nCOMMIT;`)
  }
}

export class MigrationChangedError extends BaseError {
  constructor(name: string) {
    super({
      code: 'database.migration_changed',
      message: `Expected the database's migration ${name} to be one of this version's, but it is unknown or was changed. Use the version that made the database, or start with an empty data directory.`,
      context: { name },
    })
  }
}
