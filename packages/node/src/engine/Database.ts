import { statfsSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { BaseError } from '@openledger/primitives'

/**
 * Opens a SQLite file whose readers and writer do not wait for each other.
 * @param synchronous - `FULL` survives a power cut with every write, `NORMAL` without the last ones.
 */
export function openDatabase(
  path: string,
  synchronous: 'FULL' | 'NORMAL',
  schema: string,
  isReadOnly: boolean,
): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: isReadOnly })
  if (isReadOnly) {
    database.exec('PRAGMA busy_timeout = 5000;')
    return database
  }
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA busy_timeout = 5000;`)
  database.exec(schema)
  return database
}

/** Prepares statements by name. */
export function statements<Names extends string>(
  database: DatabaseSync,
  sql: Record<Names, string>,
): Record<Names, StatementSync> {
  const prepared = Object.entries<string>(sql).map(([name, text]) => [name, database.prepare(text)])
  return Object.fromEntries(prepared) as Record<Names, StatementSync>
}

/** Writes all or nothing. @throws {DiskFullError} */
export function atomically(database: DatabaseSync, directory: string, write: () => void): void {
  orDiskFull(directory, () => {
    database.exec('BEGIN IMMEDIATE')
    try {
      write()
      database.exec('COMMIT')
    } catch (error) {
      // a full disk has ended the transaction already
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  })
}

/** SQLITE_FULL, and SQLITE_IOERR and SQLITE_CANTOPEN, which some file systems answer in its place. */
const SQLITE_FULL = 13
const SQLITE_IOERR = 10
const SQLITE_CANTOPEN = 14
/** Less than this is no room for a block and what undoes it. */
const ROOM_BYTES_MIN = 1_048_576

/** @throws {DiskFullError} in place of SQLite's error when there is no room. */
export function orDiskFull(directory: string, write: () => void): void {
  try {
    write()
  } catch (error) {
    const code = ((error as { errcode?: number }).errcode ?? 0) & 0xff
    const isSuspect = code === SQLITE_IOERR || code === SQLITE_CANTOPEN
    if (code === SQLITE_FULL || (isSuspect && freeBytes(directory) < ROOM_BYTES_MIN)) {
      throw new DiskFullError(directory, freeBytes(directory), error)
    }
    throw error
  }
}

const freeBytes = (directory: string): number => {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}

export class DiskFullError extends BaseError {
  constructor(directory: string, freeBytes: number, cause: unknown) {
    super({
      code: 'engine.disk_full',
      message: `Expected room for the chain in ${directory}, its disk is full (${freeBytes} bytes free): free some; nothing is lost, and it goes on by itself.`,
      context: { directory, freeBytes },
      severity: 'retry',
      cause,
    })
  }
}
