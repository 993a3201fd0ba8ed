import { randomBytes } from 'node:crypto'
import type { Hex } from '@openledger/primitives'
import * as Format from './Format.ts'
import type { Methods } from './Methods.ts'
import * as Params from './Params.ts'
import type { RpcEngine } from './RpcEngine.ts'
import { Codes, invalidParams, RpcError } from './RpcError.ts'

const SUBSCRIPTIONS_MAX = 100

type Notify = (subscription: string, result: unknown) => void

/** `eth_subscribe` and `eth_unsubscribe` of one connection. */
export function createSubscriptions(
  engine: RpcEngine,
  send: (text: string) => void,
): { readonly methods: Methods; readonly close: () => void } {
  const stops = new Map<string, () => void>()
  const notify: Notify = (subscription, result) =>
    send(JSON.stringify({ jsonrpc: '2.0', method: 'eth_subscription', params: { subscription, result } }))

  function start(id: string, kind: unknown, options: unknown): () => void {
    if (kind === 'newHeads') return engine.onBlock((block) => notify(id, Format.header(block)))
    if (kind === 'logs') {
      const filter = Params.logFilter(options, 'options')
      return engine.onBlock(({ number }) => {
        const { addresses, topics } = filter
        const logs = engine.logs({
          fromBlock: number,
          toBlock: number,
          ...(addresses === undefined ? {} : { addresses }),
          ...(topics === undefined ? {} : { topics }),
        })
        for (const log of logs) notify(id, Format.log(log))
      })
    }
    if (kind === 'newPendingTransactions') {
      const full = options !== undefined && options !== null && Params.boolean(options, 'fullTransactions')
      const announce = async (hash: Hex): Promise<void> => {
        const record = full ? await engine.transaction(hash) : undefined
        if (stops.has(id)) notify(id, record === undefined ? hash : Format.transaction(record))
      }
      return engine.onPending((hash) => void announce(hash).catch(() => notify(id, hash)))
    }
    throw invalidParams('subscription', 'newHeads, logs or newPendingTransactions', kind)
  }

  return {
    methods: {
      eth_subscribe: ([kind, options]) => {
        if (stops.size >= SUBSCRIPTIONS_MAX) {
          throw new RpcError({
            rpcCode: Codes.limitExceeded,
            message: `this connection holds ${SUBSCRIPTIONS_MAX} subscriptions already`,
          })
        }
        const id = `0x${randomBytes(16).toString('hex')}`
        stops.set(id, start(id, kind, options))
        return id
      },
      eth_unsubscribe: ([id]) => {
        const stop = stops.get(id as string)
        stop?.()
        return stops.delete(id as string)
      },
    },
    close() {
      for (const stop of stops.values()) stop()
      stops.clear()
    },
  }
}
