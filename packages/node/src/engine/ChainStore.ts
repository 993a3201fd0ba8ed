import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { BaseError, type Hex } from '@openledger/primitives'
import {
  type AccountChange,
  bytesToHex,
  hexToBytes,
  type PageRow,
  type PendingChange,
  type Receipt,
} from '@openledger/rollup'
import { atomically, openDatabase, orDiskFull, statements } from './Database.ts'
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
  encodePending,
  encodeUndo,
  LEVELS_MAX,
  mergeUndo,
  SPAN_FACTOR,
} from './Undo.ts'

/** Where a transaction stands. */
export type TransactionPlace = { readonly blockNumber: bigint; readonly index: number }

/** What of the state a block leaves behind. */
export type StateUpdate = {
  readonly rows: readonly PageRow[]
  /** The sum of all balances after it, in wei. */
  readonly total: bigint
}

/** Keeps blocks, the state at the head, and what undoes each block; each `append` is one durable transaction. */
export type ChainStore = {
  head(): bigint | undefined
  append(
    block: StoredBlock,
    changes: readonly AccountChange[],
    codes: ReadonlyMap<Hex, Uint8Array>,
    state: StateUpdate,
  ): void
  /** Takes back every block after `number`, durably. */
  truncate(number: bigint, state: StateUpdate): void
  block(number: bigint): StoredBlock | undefined
  blockNumber(hash: Hex): bigint | undefined
  blockHash(number: bigint): Hex | undefined
  place(transactionHash: Hex): TransactionPlace | undefined
  /** What the genesis was that the chain was made or last opened with; see {@link setGenesisDigest}. */
  genesisDigest(): string | undefined
  setGenesisDigest(digest: string): void
  /** A part of the state at the head. */
  page(key: Uint8Array): Uint8Array | undefined
  /** The sum of all balances at the head, in wei. */
  total(): bigint
  code(codeHash: Hex): Uint8Array | undefined
  /** Merges what undoes the blocks `from..to`: applied to the state after `to` it gives the state before `from`. */
  undo(from: bigint, to: bigint): PendingChange[]
  /** The oldest block whose state can be made. */
  oldestState(): bigint
  /** Forgets, durably, what undoes the blocks up to `number`, so that its state is the oldest. */
  pruneStates(number: bigint): void
  /** The oldest block whose receipts, logs and places of transactions are kept. */
  oldestReceipts(): bigint
  /** Forgets, durably, those of the oldest blocks that have them, given in their order with the hashes of their transactions. */
  pruneReceipts(
    blocks: readonly (Pick<StoredBlock, 'number' | 'receipts'> & { readonly hashes: readonly Hex[] })[],
  ): void
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
  /** Reads several things of one moment, whatever another writes meanwhile. */
  snapshot<T>(read: () => T): T
  close(): void
}

const SCHEMA_VERSION = 3

const CHAIN_SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS block (
    number INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, header BLOB NOT NULL, body BLOB NOT NULL,
    receipts BLOB NOT NULL, l1 BLOB NOT NULL
  );
  CREATE TABLE IF NOT EXISTS place (
    hash BLOB PRIMARY KEY, number INTEGER NOT NULL, position INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS page (key BLOB PRIMARY KEY, page BLOB NOT NULL) WITHOUT ROWID;
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
    put: 'INSERT INTO block VALUES (?, ?, ?, ?, ?, ?)',
    get: 'SELECT number, hash, header, body, receipts, l1 FROM block WHERE number = ?',
    number: 'SELECT number FROM block WHERE hash = ?',
    hash: 'SELECT hash FROM block WHERE number = ?',
    putUndo: 'INSERT INTO undo_span VALUES (?, ?, ?)',
    undo: 'SELECT undo FROM undo_span WHERE level = ? AND position = ?',
    cut: 'DELETE FROM block WHERE number > ?',
    cutUndo: 'DELETE FROM undo_span WHERE level = ? AND position >= ?',
    pruneReceipts: "UPDATE block SET receipts = x'' WHERE number = ?",
    pruneUndo: 'DELETE FROM undo_span WHERE level = ? AND position < ?',
  })
  const places = statements(chain, {
    put: 'INSERT INTO place VALUES (?, ?, ?)',
    get: 'SELECT number, position FROM place WHERE hash = ?',
    cut: 'DELETE FROM place WHERE number > ?',
    remove: 'DELETE FROM place WHERE hash = ?',
  })
  const state = statements(chain, {
    put: 'INSERT INTO page VALUES (?, ?) ON CONFLICT DO UPDATE SET page = excluded.page',
    get: 'SELECT page FROM page WHERE key = ?',
    remove: 'DELETE FROM page WHERE key = ?',
    putCode: 'INSERT INTO code VALUES (?, ?) ON CONFLICT DO NOTHING',
    code: 'SELECT code FROM code WHERE hash = ?',
  })
  const putLogKey = chain.prepare('INSERT INTO log_key VALUES (?, ?) ON CONFLICT DO NOTHING')
  const removeLogKey = chain.prepare('DELETE FROM log_key WHERE key = ? AND number = ?')
  const cutLogKeys = chain.prepare('DELETE FROM log_key WHERE number > ?')
  const pooled = statements(pool, {
    all: 'SELECT raw FROM pooled ORDER BY arrival',
    add: 'INSERT INTO pooled (hash, raw) VALUES (?, ?) ON CONFLICT DO NOTHING',
    remove: 'DELETE FROM pooled WHERE hash = ?',
  })

  function* readUndo(from: bigint, to: bigint): Iterable<Uint8Array> {
    for (const { level, index } of coverSpans(from, to)) {
      const row = blocks.undo.get(level, Number(index)) as { undo: Uint8Array } | undefined
      if (row !== undefined) yield row.undo
      else if (level === 0) throw new MissingUndoError(index)
      else {
        // the span that is being written now is read from its parts
        const size = SPAN_FACTOR ** BigInt(level - 1)
        for (let part = index * SPAN_FACTOR; part < (index + 1n) * SPAN_FACTOR; part++) {
          yield* readUndo(part * size + 1n, (part + 1n) * size)
        }
      }
    }
  }

  const numberAt = (name: string): bigint =>
    BigInt((meta.get.get(name) as { value: number } | undefined)?.value ?? 0)
  const oldestState = (): bigint => numberAt('oldest_state')

  const writeState = ({ rows, total }: StateUpdate): void => {
    for (const { key, page } of rows) {
      if (page === undefined) state.remove.run(key)
      else state.put.run(key, page)
    }
    // as text, since SQLite's integers end at 2^63
    meta.set.run('total', `0x${total.toString(16)}`)
  }

  return {
    head() {
      const row = blocks.head.get() as { number: number | null }
      return row.number === null ? undefined : BigInt(row.number)
    },
    append(block, changes, codes, update) {
      const number = Number(block.number)
      atomically(chain, directory, () => {
        blocks.put.run(
          number,
          hexToBytes(block.hash),
          block.header,
          encodeBody(block),
          encodeReceipts(block.receipts),
          encodeL1Parameters(block.l1Parameters),
        )
        // nothing is before block 0
        if (block.number > 0n) blocks.putUndo.run(0, number, encodeUndo(changes))
        for (const [index, { hash }] of block.transactions.entries()) {
          places.put.run(hexToBytes(hash), number, index)
        }
        for (const key of logKeys(block.receipts)) putLogKey.run(hexToBytes(key), number)
        for (const [hash, code] of codes) state.putCode.run(hexToBytes(hash), code)
        writeState(update)
        for (const { level, index } of completedSpans(block.number)) {
          const size = SPAN_FACTOR ** BigInt(level)
          // what began before the oldest state that is kept has lost its parts, and nobody goes back through it
          if (index * size < oldestState()) continue
          const merged = mergeUndo(readUndo(index * size + 1n, (index + 1n) * size))
          blocks.putUndo.run(level, Number(index), encodePending(merged))
        }
      })
    },
    truncate(number, update) {
      atomically(chain, directory, () => {
        writeState(update)
        for (let level = 1; level <= LEVELS_MAX; level++) {
          blocks.cutUndo.run(level, Number(number / SPAN_FACTOR ** BigInt(level)))
        }
        blocks.cutUndo.run(0, Number(number) + 1)
        for (const cut of [places.cut, cutLogKeys, blocks.cut]) cut.run(Number(number))
        for (const name of ['safe', 'finalized']) {
          const row = meta.get.get(name) as { value: number } | undefined
          if (row !== undefined && row.value > Number(number)) meta.set.run(name, Number(number))
        }
      })
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
    page(key) {
      const row = state.get.get(key) as { page: Uint8Array } | undefined
      return row?.page
    },
    total: () => BigInt((meta.get.get('total') as { value: string } | undefined)?.value ?? 0),
    code(hash) {
      const row = state.code.get(hexToBytes(hash)) as { code: Uint8Array } | undefined
      return row?.code
    },
    undo: (from, to) => mergeUndo(readUndo(from, to)),
    oldestState,
    pruneStates(number) {
      atomically(chain, directory, () => {
        blocks.pruneUndo.run(0, Number(number) + 1)
        // a span that begins with a later block is kept whole
        for (let level = 1; level <= LEVELS_MAX; level++) {
          const size = SPAN_FACTOR ** BigInt(level)
          blocks.pruneUndo.run(level, Number((number + size - 1n) / size))
        }
        meta.set.run('oldest_state', Number(number))
      })
    },
    oldestReceipts: () => numberAt('oldest_receipts'),
    pruneReceipts(pruned) {
      atomically(chain, directory, () => {
        for (const { number, receipts, hashes } of pruned) {
          for (const key of logKeys(receipts)) removeLogKey.run(hexToBytes(key), Number(number))
          for (const hash of hashes) places.remove.run(hexToBytes(hash))
          blocks.pruneReceipts.run(Number(number))
          meta.set.run('oldest_receipts', Number(number) + 1)
        }
      })
    },
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
    mark: numberAt,
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

export class SchemaVersionError extends BaseError {
  constructor(version: number) {
    super({
      code: 'engine.schema_version',
      message: `Expected a chain database of version ${SCHEMA_VERSION}, got version ${version}. Start the version that wrote it, or start with an empty directory.`,
      context: { version },
    })
  }
}

export class MissingUndoError extends BaseError {
  constructor(number: bigint) {
    super({
      code: 'engine.missing_undo',
      message: `Expected what undoes block ${number} in the chain's database, found none. Restore the directory from a backup, or derive the chain again.`,
      context: { number: number.toString() },
    })
  }
}
