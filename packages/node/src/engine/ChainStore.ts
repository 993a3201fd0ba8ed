import { mkdirSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { BaseError, type Hex } from '@openledger/primitives'
import {
  type AccountChange,
  bytesToHex,
  hexToBytes,
  type PendingChange,
  type Receipt,
} from '@openledger/rollup'
import {
  type BlockRow,
  blockOf,
  encodeBody,
  encodeL1Parameters,
  encodeReceipts,
  type StoredBlock,
} from './StoredBlock.ts'
import {
  completedSpans,
  coverSpans,
  decodeFields,
  encodeFields,
  encodePending,
  encodeUndo,
  LEVELS_MAX,
  mergeUndo,
  SPAN_FACTOR,
} from './Undo.ts'

/** Where a transaction stands. */
export type TransactionPlace = { readonly blockNumber: bigint; readonly index: number }

/** Keeps blocks, the state at the head, and what undoes each block; each `append` is one durable transaction. */
export type ChainStore = {
  head(): bigint | undefined
  append(block: StoredBlock, changes: readonly AccountChange[], codes: ReadonlyMap<Hex, Uint8Array>): void
  /** Takes back every block after `number`, durably. @returns what undoes them. */
  truncate(number: bigint): PendingChange[]
  block(number: bigint): StoredBlock | undefined
  blockNumber(hash: Hex): bigint | undefined
  blockHash(number: bigint): Hex | undefined
  place(transactionHash: Hex): TransactionPlace | undefined
  /** What the genesis was that the chain was made or last opened with; see {@link setGenesisDigest}. */
  genesisDigest(): string | undefined
  setGenesisDigest(digest: string): void
  /** Reads every account at the head with its slots, one at a time. */
  accounts(): Iterable<PendingChange>
  code(codeHash: Hex): Uint8Array | undefined
  /** Merges what undoes the blocks `from..to`: applied to the state after `to` it gives the state before `from`. */
  undo(from: bigint, to: bigint): PendingChange[]
  /** Numbers of blocks whose logs may match, ascending; `undefined` keys match every block that has logs. */
  blocksWithLogs(
    from: bigint,
    to: bigint,
    keys: readonly (readonly Hex[])[],
    limit: number,
  ): readonly bigint[]
  mark(name: 'safe' | 'finalized'): bigint
  setMark(name: 'safe' | 'finalized', number: bigint): void
  /** The pool's transactions, in the order of arrival. */
  pooled(): Uint8Array[]
  addPooled(transactions: Iterable<{ readonly hash: Hex; readonly raw: Uint8Array }>): void
  removePooled(hashes: Iterable<Hex>): void
  /** The accounts and slots that changes name, as they are now. */
  current(changes: readonly PendingChange[]): PendingChange[]
  /** Reads several things of one moment, whatever another writes meanwhile. */
  snapshot<T>(read: () => T): T
  close(): void
}

const SCHEMA_VERSION = 2

const CHAIN_SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS block (
    number INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, header BLOB NOT NULL, body BLOB NOT NULL,
    receipts BLOB NOT NULL, l1 BLOB NOT NULL, undo BLOB NOT NULL
  );
  CREATE TABLE IF NOT EXISTS place (
    hash BLOB PRIMARY KEY, number INTEGER NOT NULL, position INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS account (address BLOB PRIMARY KEY, fields BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS slot (
    address BLOB NOT NULL, slot BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (address, slot)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS code (hash BLOB PRIMARY KEY, code BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS undo_span (
    level INTEGER NOT NULL, position INTEGER NOT NULL, undo BLOB NOT NULL, PRIMARY KEY (level, position)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS log_key (
    key BLOB NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (key, number)
  ) WITHOUT ROWID;
`
const POOL_SCHEMA =
  'CREATE TABLE IF NOT EXISTS pooled (arrival INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL UNIQUE, raw BLOB NOT NULL)'

/** Under this key stands every block that has any log. */
const ANY_LOG: Hex = '0x'

/**
 * Opens the chain's database in a directory, creating what is missing.
 *
 * The chain is written with a full sync per block; the pool, in its own file, without: it survives the end of the
 * process, and a power cut may cost its last transactions.
 *
 * @param options.isReadOnly - Another writes it: nothing is created, and what would change it throws.
 * @throws {SchemaVersionError} when the directory was written by a newer version.
 * @throws {DiskFullError} from every write that finds no room; what was written before stands, and the write may be repeated.
 */
export function openChainStore(
  directory: string,
  options: { readonly isReadOnly?: boolean } = {},
): ChainStore {
  const { isReadOnly = false } = options
  if (!isReadOnly) mkdirSync(directory, { recursive: true })
  const chain = openDatabase(join(directory, 'chain.sqlite'), 'FULL', CHAIN_SCHEMA, isReadOnly)
  const pool = openDatabase(join(directory, 'pool.sqlite'), 'NORMAL', POOL_SCHEMA, isReadOnly)
  const meta = statements(chain, {
    get: 'SELECT value FROM meta WHERE name = ?',
    set: 'INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
  })
  const version = meta.get.get('schema') as { value: number } | undefined
  if (version === undefined) meta.set.run('schema', SCHEMA_VERSION)
  else if (version.value !== SCHEMA_VERSION) throw new SchemaVersionError(version.value)

  const blocks = statements(chain, {
    head: 'SELECT max(number) AS number FROM block',
    put: 'INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?)',
    get: 'SELECT number, hash, header, body, receipts, l1 FROM block WHERE number = ?',
    number: 'SELECT number FROM block WHERE hash = ?',
    hash: 'SELECT hash FROM block WHERE number = ?',
    undo: 'SELECT undo FROM block WHERE number = ?',
    putSpan: 'INSERT INTO undo_span VALUES (?, ?, ?)',
    span: 'SELECT undo FROM undo_span WHERE level = ? AND position = ?',
    cut: 'DELETE FROM block WHERE number > ?',
    cutSpans: 'DELETE FROM undo_span WHERE level = ? AND position >= ?',
  })
  const places = statements(chain, {
    put: 'INSERT INTO place VALUES (?, ?, ?)',
    get: 'SELECT number, position FROM place WHERE hash = ?',
    cut: 'DELETE FROM place WHERE number > ?',
  })
  const state = statements(chain, {
    putAccount: 'INSERT INTO account VALUES (?, ?) ON CONFLICT DO UPDATE SET fields = excluded.fields',
    removeAccount: 'DELETE FROM account WHERE address = ?',
    accounts: 'SELECT address, fields FROM account ORDER BY address',
    account: 'SELECT fields FROM account WHERE address = ?',
    slot: 'SELECT value FROM slot WHERE address = ? AND slot = ?',
    allSlots: 'SELECT address, slot, value FROM slot ORDER BY address, slot',
    putSlot: 'INSERT INTO slot VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
    removeSlots: 'DELETE FROM slot WHERE address = ?',
    removeSlot: 'DELETE FROM slot WHERE address = ? AND slot = ?',
    putCode: 'INSERT INTO code VALUES (?, ?) ON CONFLICT DO NOTHING',
    code: 'SELECT code FROM code WHERE hash = ?',
  })
  const putLogKey = chain.prepare('INSERT INTO log_key VALUES (?, ?) ON CONFLICT DO NOTHING')
  const cutLogKeys = chain.prepare('DELETE FROM log_key WHERE number > ?')
  const pooled = statements(pool, {
    all: 'SELECT raw FROM pooled ORDER BY arrival',
    add: 'INSERT INTO pooled (hash, raw) VALUES (?, ?) ON CONFLICT DO NOTHING',
    remove: 'DELETE FROM pooled WHERE hash = ?',
  })

  function* readUndo(from: bigint, to: bigint): Iterable<Uint8Array> {
    for (const { level, index } of coverSpans(from, to)) {
      const row = level === 0 ? blocks.undo.get(Number(index)) : blocks.span.get(level, Number(index))
      if (row !== undefined) yield (row as { undo: Uint8Array }).undo
      else {
        // the span that is being written now is read from its parts
        const size = SPAN_FACTOR ** BigInt(level - 1)
        for (let part = index * SPAN_FACTOR; part < (index + 1n) * SPAN_FACTOR; part++) {
          yield* readUndo(part * size + 1n, (part + 1n) * size)
        }
      }
    }
  }

  const writeSlot = (address: Uint8Array, slot: Hex, value: Uint8Array): void => {
    if (value.length === 0) state.removeSlot.run(address, hexToBytes(slot))
    else state.putSlot.run(address, hexToBytes(slot), value)
  }
  const writeChanges = (changes: readonly AccountChange[]): void => {
    for (const { address, after, slots } of changes) {
      const key = hexToBytes(address)
      if (after === undefined) state.removeAccount.run(key)
      else state.putAccount.run(key, encodeFields(after))
      for (const [slot, { after: value }] of slots) writeSlot(key, slot, value)
    }
  }

  return {
    head() {
      const row = blocks.head.get() as { number: number | null }
      return row.number === null ? undefined : BigInt(row.number)
    },
    append(block, changes, codes) {
      const number = Number(block.number)
      atomically(chain, directory, () => {
        blocks.put.run(
          number,
          hexToBytes(block.hash),
          block.header,
          encodeBody(block),
          encodeReceipts(block.receipts),
          encodeL1Parameters(block.l1Parameters),
          encodeUndo(changes),
        )
        for (const [index, { hash }] of block.transactions.entries()) {
          places.put.run(hexToBytes(hash), number, index)
        }
        for (const key of logKeys(block.receipts)) putLogKey.run(hexToBytes(key), number)
        for (const [hash, code] of codes) state.putCode.run(hexToBytes(hash), code)
        writeChanges(changes)
        for (const { level, index } of completedSpans(block.number)) {
          const size = SPAN_FACTOR ** BigInt(level)
          const merged = mergeUndo(readUndo(index * size + 1n, (index + 1n) * size))
          blocks.putSpan.run(level, Number(index), encodePending(merged))
        }
      })
    },
    truncate(number) {
      const head = BigInt((blocks.head.get() as { number: number }).number)
      const undone = mergeUndo(readUndo(number + 1n, head))
      atomically(chain, directory, () => {
        for (const { address, after, slots } of undone) {
          const key = hexToBytes(address)
          if (after === undefined) {
            state.removeAccount.run(key)
            state.removeSlots.run(key)
          } else {
            state.putAccount.run(key, encodeFields(after))
            for (const [slot, value] of slots) writeSlot(key, slot, value)
          }
        }
        for (let level = 1; level <= LEVELS_MAX; level++) {
          blocks.cutSpans.run(level, Number(number / SPAN_FACTOR ** BigInt(level)))
        }
        for (const cut of [places.cut, cutLogKeys, blocks.cut]) cut.run(Number(number))
        for (const name of ['safe', 'finalized']) {
          const row = meta.get.get(name) as { value: number } | undefined
          if (row !== undefined && row.value > Number(number)) meta.set.run(name, Number(number))
        }
      })
      return undone
    },
    block(number) {
      const row = blocks.get.get(Number(number)) as BlockRow | undefined
      return row === undefined ? undefined : blockOf(row)
    },
    blockNumber(hash) {
      const row = blocks.number.get(hexToBytes(hash)) as { number: number } | undefined
      return row === undefined ? undefined : BigInt(row.number)
    },
    blockHash(number) {
      const row = blocks.hash.get(Number(number)) as { hash: Uint8Array } | undefined
      return row === undefined ? undefined : bytesToHex(row.hash)
    },
    place(hash) {
      const row = places.get.get(hexToBytes(hash)) as { number: number; position: number } | undefined
      return row === undefined ? undefined : { blockNumber: BigInt(row.number), index: row.position }
    },
    genesisDigest: () => (meta.get.get('genesis') as { value: string } | undefined)?.value,
    setGenesisDigest: (digest) => void meta.set.run('genesis', digest),
    *accounts() {
      // both tables lie in the order of addresses: one pass over each, instead of a question for every account
      const rows = state.allSlots.iterate() as IterableIterator<{
        address: Uint8Array
        slot: Uint8Array
        value: Uint8Array
      }>
      let next = rows.next()
      for (const row of state.accounts.iterate() as Iterable<{ address: Uint8Array; fields: Uint8Array }>) {
        let slots: Map<Hex, Uint8Array> | undefined
        while (next.done !== true && Buffer.compare(next.value.address, row.address) <= 0) {
          if (Buffer.compare(next.value.address, row.address) === 0) {
            slots ??= new Map()
            slots.set(bytesToHex(next.value.slot), next.value.value)
          }
          next = rows.next()
        }
        yield {
          address: bytesToHex(row.address),
          after: decodeFields(row.fields),
          isStorageCleared: true,
          slots: slots ?? NO_SLOTS,
        }
      }
    },
    code(hash) {
      const row = state.code.get(hexToBytes(hash)) as { code: Uint8Array } | undefined
      return row?.code
    },
    undo: (from, to) => mergeUndo(readUndo(from, to)),
    blocksWithLogs(from, to, keys, limit) {
      const groups = keys.length === 0 ? [[ANY_LOG]] : keys
      const [first, ...others] = groups.map((group) => group.map((key) => hexToBytes(key)))
      const member = (group: readonly Uint8Array[]): string => `key IN (${group.map(() => '?').join(', ')})`
      const sql = `SELECT DISTINCT number FROM log_key AS candidate WHERE ${member(first!)} AND number BETWEEN ? AND ?
        ${others.map((group) => `AND EXISTS (SELECT 1 FROM log_key WHERE ${member(group)} AND number = candidate.number)`).join(' ')}
        ORDER BY number LIMIT ?`
      const rows = chain.prepare(sql).all(...first!, Number(from), Number(to), ...others.flat(), limit)
      return (rows as { number: number }[]).map(({ number }) => BigInt(number))
    },
    mark(name) {
      const row = meta.get.get(name) as { value: number } | undefined
      return BigInt(row?.value ?? 0)
    },
    setMark: (name, number) => orDiskFull(directory, () => void meta.set.run(name, Number(number))),
    pooled: () => (pooled.all.all() as { raw: Uint8Array }[]).map(({ raw }) => raw),
    addPooled(transactions) {
      atomically(pool, directory, () => {
        for (const { hash, raw } of transactions) pooled.add.run(hexToBytes(hash), raw)
      })
    },
    removePooled(hashes) {
      atomically(pool, directory, () => {
        for (const hash of hashes) pooled.remove.run(hexToBytes(hash))
      })
    },
    current: (changes) =>
      changes.map(({ address, slots }) => {
        const key = hexToBytes(address)
        const row = state.account.get(key) as { fields: Uint8Array } | undefined
        const values = [...slots.keys()].map((slot) => {
          const found = state.slot.get(key, hexToBytes(slot)) as { value: Uint8Array } | undefined
          return [slot, found?.value ?? NO_BYTES] as const
        })
        return {
          address,
          after: row === undefined ? undefined : decodeFields(row.fields),
          isStorageCleared: false,
          slots: new Map(values),
        }
      }),
    snapshot(read) {
      if (chain.isTransaction) return read()
      chain.exec('BEGIN')
      try {
        return read()
      } finally {
        chain.exec('COMMIT')
      }
    },
    close() {
      chain.close()
      pool.close()
    },
  }
}

const NO_BYTES = new Uint8Array()
/** Shared by all accounts without storage, which most are. */
const NO_SLOTS: ReadonlyMap<Hex, Uint8Array> = new Map()

function openDatabase(
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

function statements<Names extends string>(
  database: DatabaseSync,
  sql: Record<Names, string>,
): Record<Names, StatementSync> {
  const prepared = Object.entries<string>(sql).map(([name, text]) => [name, database.prepare(text)])
  return Object.fromEntries(prepared) as Record<Names, StatementSync>
}

function atomically(database: DatabaseSync, directory: string, write: () => void): void {
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
function orDiskFull(directory: string, write: () => void): void {
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

function logKeys(receipts: readonly Receipt.Receipt[]): Set<Hex> {
  const keys = new Set<Hex>()
  for (const { logs } of receipts) {
    if (logs.length > 0) keys.add(ANY_LOG)
    for (const { address, topics } of logs) {
      keys.add(address)
      for (const topic of topics) keys.add(topic)
    }
  }
  return keys
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

export class SchemaVersionError extends BaseError {
  constructor(version: number) {
    super({
      code: 'engine.schema_version',
      message: `Expected a chain database of version ${SCHEMA_VERSION}, got version ${version}. Start the version that wrote it, or start with an empty directory.`,
      context: { version },
    })
  }
}
