import type { Server } from 'node:http'
import { serve } from '@hono/node-server'
import { BaseError } from '@openledger/primitives'

/**
 * Longer than proxies and clients keep an idle connection (a minute with most): whoever closes first must not be the
 * side that may just be sent a request. Node's five seconds end under the next request whenever a thread was busy.
 */
const KEEP_ALIVE_MS = 75_000

type Listening = {
  /** The one that was taken, where 0 was asked for. */
  readonly port: number
  /** Takes no new connection, and ends each there is once its answer is out. */
  readonly close: () => Promise<void>
}

/**
 * Answers HTTP on a host and port.
 * @throws {PortTakenError} when another program holds the port.
 */
export function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  { host, port: wantedPort }: { readonly host: string; readonly port: number },
): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const server = serve(
      { fetch, hostname: host, port: wantedPort, serverOptions: { keepAliveTimeout: KEEP_ALIVE_MS } },
      ({ port }) => resolve({ port, close }),
    ) as Server
    let isClosing = false
    const close = (): Promise<void> => {
      isClosing = true
      return new Promise((closed) => server.close(() => closed()))
    }
    // a connection that answers while the server closes would otherwise wait for a next request as long as any
    server.on('request', (_, response) =>
      response.once('close', () => isClosing && setImmediate(() => server.closeIdleConnections())),
    )
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new PortTakenError(host, wantedPort) : error),
    )
  })
}

export class PortTakenError extends BaseError {
  constructor(host: string, port: number) {
    super({
      code: 'server.port_taken',
      message: `Expected port ${port} of ${host} to be free, but something listens there. Stop it, or set OPENLEDGER_PORT (a replica: OPENLEDGER_REPLICA_PORT).`,
      context: { host, port },
    })
  }
}
