import { randomBytes } from 'node:crypto'
import type { Clock, Hex } from '@openledger/primitives'
import { findLogs } from './Chain.ts'
import * as Format from './Format.ts'
import type { Methods } from './Methods.ts'
import * as Params from './Params.ts'
import type { RpcEngine } from './RpcEngine.ts'
import { Codes, RpcError, serverError } from './RpcError.ts'

/** A filter nobody asked for so long is dropped, as in geth. */
const IDLE_MS_MAX = 5 * 60_000
const FILTERS_MAX = 10_000
/** Hashes that a filter of pending transactions keeps for its next poll. */
const PENDING_MAX = 10_000

type Filter = { usedAtMs: number } & (
  | { readonly kind: 'logs'; readonly filter: Params.LogFilter; next: bigint }
  | { readonly kind: 'blocks'; next: bigint }
  | { readonly kind: 'pending'; hashes: Hex[] }
)

/** Methods of filters that a client polls. Filters live in memory: after a restart a client makes them anew. */
export function createFilterMethods(
  engine: RpcEngine,
  clock: Clock,
): { readonly methods: Methods; readonly close: () => void } {
  const filters = new Map<string, Filter>()
  const stop = engine.onPending((hash) => {
    for (const filter of filters.values()) {
      if (filter.kind === 'pending' && filter.hashes.length < PENDING_MAX) filter.hashes.push(hash)
    }
  })

  function add(filter: Filter): string {
    const now = clock.nowMs()
    for (const [id, { usedAtMs }] of filters) if (now - usedAtMs > IDLE_MS_MAX) filters.delete(id)
    if (filters.size >= FILTERS_MAX) {
      throw new RpcError({
        rpcCode: Codes.limitExceeded,
        message: `the node holds ${FILTERS_MAX} filters already: uninstall some or try later`,
      })
    }
    const id = `0x${randomBytes(16).toString('hex')}`
    filters.set(id, filter)
    return id
  }

  function find(id: unknown): Filter {
    const filter = filters.get(id as string)
    if (filter === undefined || clock.nowMs() - filter.usedAtMs > IDLE_MS_MAX)
      throw serverError('filter not found')
    filter.usedAtMs = clock.nowMs()
    return filter
  }

  const afterHead = (): bigint => engine.head().number + 1n

  function newLogs(filter: Filter & { readonly kind: 'logs' }) {
    const head = engine.head().number
    const { from, to } = filter.filter
    const start = typeof from === 'bigint' && from > filter.next ? from : filter.next
    const end = typeof to === 'bigint' && to < head ? to : head
    const logs = start > end ? [] : findLogs(engine, filter.filter, { from: start, to: end })
    filter.next = head + 1n
    return logs.map(Format.log)
  }

  function newBlocks(filter: Filter & { readonly kind: 'blocks' }): Hex[] {
    const head = engine.head().number
    const hashes: Hex[] = []
    for (; filter.next <= head; filter.next++) {
      const block = engine.block(filter.next)
      if (block !== undefined) hashes.push(block.hash)
    }
    return hashes
  }

  return {
    close: stop,
    methods: {
      eth_newFilter: ([filter]) =>
        add({
          kind: 'logs',
          filter: Params.logFilter(filter, 'filter'),
          next: afterHead(),
          usedAtMs: clock.nowMs(),
        }),
      eth_newBlockFilter: () => add({ kind: 'blocks', next: afterHead(), usedAtMs: clock.nowMs() }),
      eth_newPendingTransactionFilter: () => add({ kind: 'pending', hashes: [], usedAtMs: clock.nowMs() }),
      eth_getFilterChanges: ([id]) => {
        const filter = find(id)
        if (filter.kind === 'logs') return newLogs(filter)
        if (filter.kind === 'blocks') return newBlocks(filter)
        const { hashes } = filter
        filter.hashes = []
        return hashes
      },
      eth_getFilterLogs: ([id]) => {
        const filter = find(id)
        if (filter.kind !== 'logs') throw serverError('filter is not a log filter')
        return findLogs(engine, filter.filter).map(Format.log)
      },
      eth_uninstallFilter: ([id]) => filters.delete(id as string),
    },
  }
}
