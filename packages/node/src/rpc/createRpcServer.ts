import type { IncomingMessage, Server } from 'node:http'
import { type HttpBindings, serve } from '@hono/node-server'
import { BaseError, systemClock } from '@openledger/primitives'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Logger } from '../node/Logger.ts'
import { createDispatcher } from './Dispatcher.ts'
import type { Methods } from './Methods.ts'
import { createRateLimiter, type RateLimit } from './RateLimit.ts'
import type { RpcEngine } from './RpcEngine.ts'
import { createSubscriptions } from './Subscriptions.ts'

/** Bytes of one request; a batch of full transactions fits. */
const BODY_BYTES_MAX = 5 * 1024 * 1024
const CONNECTIONS_MAX = 1_000
/** A subscriber that lags behind by so many bytes is dropped rather than kept in memory. */
const BACKLOG_BYTES_MAX = 16 * 1024 * 1024
const PING_INTERVAL_MS = 30_000
/** Longer than most clients and proxies keep an idle connection: Node's five seconds end under their next request. */
const KEEP_ALIVE_MS = 75_000

export type RpcServer = AsyncDisposable & {
  /** As seen from this machine. */
  readonly url: string
  readonly webSocketUrl: string
  readonly port: number
  readonly close: () => Promise<void>
}

export type RpcServerOptions = {
  /** Whose blocks and logs can be subscribed to; without it nobody subscribes here. */
  readonly engine?: RpcEngine
  readonly methods: Methods
  /** 0 takes a free one. */
  readonly port: number
  readonly host?: string
  /** Says why the `Authorization` header of a request is refused; without it everybody may ask. */
  readonly refusalOf?: (authorization: string | undefined) => string | undefined
  /** Bytes of one request. */
  readonly bodyBytesMax?: number
  /** How much one address may ask; without it as much as it likes. */
  readonly rateLimit?: RateLimit
  /** Answers elsewhere what takes long. */
  readonly reading?: (text: string) => Promise<string | undefined>
  readonly logger: Logger
}

/**
 * Serves JSON-RPC over HTTP and WebSocket on one port.
 * @throws {RpcPortError} when the port cannot be had.
 */
export async function createRpcServer(options: RpcServerOptions): Promise<RpcServer> {
  const { engine, methods, port: wantedPort, host = '127.0.0.1', refusalOf, logger } = options
  const { bodyBytesMax = BODY_BYTES_MAX } = options
  const limiter = createRateLimiter(options.rateLimit, systemClock)
  const { reading } = options
  const dispatcher = createDispatcher(methods, logger, {
    limiter,
    ...(reading === undefined ? {} : { reading }),
  })

  const app = new Hono<{ Bindings: HttpBindings }>()
  if (refusalOf === undefined) {
    // any page may talk to a node: there are no cookies, and transactions carry their own authority
    app.use(
      cors({ origin: '*', allowMethods: ['POST', 'GET', 'OPTIONS'], allowHeaders: ['*'], maxAge: 86_400 }),
    )
  } else {
    app.use(async (context, next) => {
      const refusal = refusalOf(context.req.header('authorization'))
      return refusal === undefined ? next() : context.text(`${refusal}\n`, 401)
    })
  }
  app.post(
    '/',
    bodyLimit({
      maxSize: bodyBytesMax,
      onError: (context) =>
        context.json(
          {
            jsonrpc: '2.0',
            id: null,
            error: { code: -32_600, message: `invalid request: expected at most ${bodyBytesMax} bytes` },
          },
          413,
        ),
    }),
    async (context) => {
      const { remoteAddress } = context.env.incoming.socket
      const answer = await dispatcher.handle(await context.req.text(), undefined, remoteAddress)
      if (answer === undefined) return context.body(null, 204)
      return context.body(answer, 200, { 'content-type': 'application/json' })
    },
  )
  app.get('/', (context) =>
    context.text('This is a JSON-RPC endpoint: POST requests to it, or open a WebSocket.\n'),
  )

  const server = await new Promise<Server>((resolve, reject) => {
    const starting = serve(
      {
        fetch: app.fetch,
        port: wantedPort,
        hostname: host,
        serverOptions: { keepAliveTimeout: KEEP_ALIVE_MS },
      },
      () => {
        starting.off('error', reject)
        resolve(starting as Server)
      },
    )
    starting.once('error', (cause: Error) => reject(new RpcPortError(wantedPort, cause)))
  })
  const { port } = server.address() as { port: number }

  const sockets = new WebSocketServer({
    server,
    maxPayload: bodyBytesMax,
    verifyClient: ({ req }: { readonly req: IncomingMessage }) =>
      refusalOf?.(req.headers.authorization) === undefined,
  })
  const alive = new WeakSet<WebSocket>()
  sockets.on('connection', (socket, request) => {
    const { remoteAddress } = request.socket
    if (sockets.clients.size > CONNECTIONS_MAX) {
      socket.close(1013, 'too many connections')
      return
    }
    alive.add(socket)
    const send = (text: string): void => {
      if (socket.bufferedAmount > BACKLOG_BYTES_MAX) socket.terminate()
      else if (socket.readyState === socket.OPEN) socket.send(text)
    }
    const subscriptions = engine === undefined ? undefined : createSubscriptions(engine, send)
    // answers keep the order of requests, and a notification never overtakes the answer that names it
    let queue: Promise<void> = Promise.resolve()
    socket.on('message', (data, isBinary) => {
      const text = isBinary ? '' : data.toString()
      queue = queue
        .then(async () => {
          const answer = await dispatcher.handle(text, subscriptions?.methods, remoteAddress)
          if (answer !== undefined) send(answer)
        })
        .catch((error: unknown) => logger.error({ error: String(error) }, 'socket request failed'))
    })
    socket.on('pong', () => alive.add(socket))
    if (subscriptions !== undefined) socket.on('close', subscriptions.close)
    socket.on('error', (error) => {
      logger.debug({ error: error.message }, 'socket failed')
      socket.terminate()
    })
  })
  const pinging = setInterval(() => {
    for (const socket of sockets.clients) {
      if (!alive.delete(socket)) socket.terminate()
      else socket.ping()
    }
  }, PING_INTERVAL_MS)
  pinging.unref()

  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closed ??= new Promise<void>((resolve) => {
      clearInterval(pinging)
      for (const socket of sockets.clients) socket.terminate()
      sockets.close()
      server.close(() => resolve())
      server.closeAllConnections()
    })
    return closed
  }
  logger.info({ host, port }, 'JSON-RPC is served')
  return {
    url: `http://${reachable(host)}:${port}`,
    webSocketUrl: `ws://${reachable(host)}:${port}`,
    port,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** How a process on this machine names the address that the server listens on. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

export class RpcPortError extends BaseError {
  constructor(port: number, cause: unknown) {
    super({
      code: 'rpc.port',
      message: `Expected to serve JSON-RPC on port ${port}, could not: ${cause instanceof Error ? cause.message : String(cause)}. Stop what holds it or choose another port.`,
      context: { port },
      cause,
    })
  }
}
