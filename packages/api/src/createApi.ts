import type { PanelKeeper } from '@openledger/datanet'
import type { OpenLora } from '@openledger/openlora'
import { BaseError } from '@openledger/primitives'
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { z } from 'zod'
import {
  type Answering,
  type AnsweringModel,
  createAnswering,
  type Serving,
} from './completions/Answering.ts'
import { createPaywall, PaymentRequiredError } from './completions/Paywall.ts'
import { createPinning } from './completions/Pinning.ts'
import { createDraining } from './Draining.ts'
import { createMcp } from './Mcp.ts'
import { createMetrics } from './Metrics.ts'
import { openAiErrorOf, problemOf, RouteNotFoundError, statusOf } from './Problems.ts'
import { addAdapterRoutes } from './routes/adapterRoutes.ts'
import { type ApiRouteDependencies, addApiRoutes } from './routes/apiRoutes.ts'
import { addCompletionRoutes } from './routes/completionRoutes.ts'
import { addEmbeddingRoutes } from './routes/embeddingRoutes.ts'
import { addQuoteRoutes } from './routes/quoteRoutes.ts'
import { createRoutes } from './routes/Routes.ts'
import { addTextAttributionRoutes } from './routes/textAttributionRoutes.ts'
import { createTracing } from './Tracing.ts'

/** Takes structured log lines: fields first, then a constant message. Any pino logger is one. */
export type Logger = Readonly<
  Record<'info' | 'warn' | 'error', (fields: Readonly<Record<string, unknown>>, message: string) => void>
>

export type ApiDependencies = ApiRouteDependencies & {
  readonly serving: Serving & Pick<OpenLora, 'metrics' | 'pin' | 'unpin'>
  /** Finds a published model with the blobs that serve and attribute it. */
  readonly findModel: (name: string) => Promise<AnsweringModel | undefined>
  /** What a MiB of adapters costs that is kept in memory for an hour. */
  readonly pinPriceWei: bigint
  /** Tells how the cases before the panel of validators stand that the operator carries forward. */
  readonly panelKeeper: Pick<PanelKeeper, 'status'>
  /** What does not work on the chain's side at the moment, by service. */
  readonly chainProblems: () => Readonly<Record<string, string>>
  /** Collector of traces over OTLP/HTTP; undefined keeps them off. */
  readonly otlpUrl?: string | undefined
  readonly logger: Logger
}

export type Api = {
  /** Answers one HTTP request. */
  readonly fetch: (request: Request) => Promise<Response>
  /**
   * Begins nothing new and waits for the answers in the making; those that take longer than `withinMs` are ended and charged
   * for what was delivered.
   */
  readonly drain: (withinMs: number) => Promise<void>
  /** Keeps adapters in memory again that were paid for before this process began; what fails is logged. */
  readonly keepPaid: () => Promise<void>
  /** Ends what is open: MCP exchanges. Answers in the making are for the server to await. */
  readonly close: () => Promise<void>
}

const VERSION = '0.1.0'
/** What a browser may read of an answer besides the body. */
const EXPOSED_HEADERS = ['PAYMENT-REQUIRED', 'PAYMENT-RESPONSE', 'Retry-After']

/**
 * Creates everything that a server answers over HTTP: the OpenAI-compatible interface under `/v1`, our own under `/api`,
 * MCP at `/mcp`, `/health` and `/metrics`.
 *
 * Any page may read it: there are no cookies, and whatever changes something carries its own authority (a signature, a
 * key, a payment).
 */
export function createApi(deps: ApiDependencies): Api {
  const { serving, settlement, network, database, clock, logger } = deps
  const app = new Hono()
  const routes = createRoutes(app)
  const metrics = createMetrics({
    settlement,
    panelKeeper: deps.panelKeeper,
    engine: () => serving.metrics(),
    model: network.base.name,
  })
  const draining = createDraining()
  const sold = counted(
    createAnswering({
      database,
      settlement,
      serving,
      blobs: deps.blobs,
      findModel: deps.findModel,
      followBeneficiaries: deps.datanets.followContributions,
      rememberAnswer: deps.datanets.rememberAnswer,
      mayReadAll: deps.datanets.mayReadAll,
      clock,
    }),
    metrics,
  )
  const pinning = createPinning({
    database,
    followBeneficiaries: deps.datanets.followContributions,
    settlement,
    serving,
    blobs: deps.blobs,
    findModel: deps.findModel,
    priceWei: deps.pinPriceWei,
    clock,
    onError: (error, model) =>
      logger.warn(
        { model, reason: (error as Error).message },
        'an adapter that is paid for is not in memory',
      ),
  })
  const tracing = createTracing({
    url: deps.otlpUrl,
    nowMs: () => Date.now(),
    onError: (error) => logger.warn({ reason: error.message }, 'spans could not be sent'),
  })
  const answering = draining.counted(tracing.traced(sold))
  const paywall = createPaywall({ deployment: network.deployment, settlement })
  const mcp = createMcp({ ...deps, answering, paywall })
  const report = (error: unknown, fields: Record<string, unknown>): void => {
    const problem = error instanceof BaseError ? { code: error.code, context: error.context } : {}
    logger.error({ ...fields, ...problem, error: describe(error) }, 'a request failed')
  }

  app.use(cors({ origin: '*', exposeHeaders: EXPOSED_HEADERS, maxAge: 86_400 }))
  app.use(metrics.middleware)
  app.use(draining.middleware)
  app.onError((error, context) => {
    const status = statusOf(error)
    if (status >= 500) report(error, { method: context.req.method, path: context.req.path })
    const headers: Record<string, string> = error instanceof PaymentRequiredError ? { ...error.headers } : {}
    const wait = error instanceof BaseError ? error.context['retryAfterSeconds'] : undefined
    if (typeof wait === 'number') headers['Retry-After'] = String(wait)
    if (context.req.path.startsWith('/v1/')) {
      return context.json(openAiErrorOf(error), status as 400, headers)
    }
    const problem = problemOf(error)
    headers['content-type'] = 'application/problem+json'
    return context.body(JSON.stringify(problem), problem.status as 400, headers)
  })
  app.notFound((context) => {
    throw new RouteNotFoundError(context.req.method, context.req.path)
  })

  addApiRoutes(routes, deps)
  addCompletionRoutes(routes, {
    answering,
    paywall,
    serving,
    nowMs: clock.nowMs,
    onError: (error) => {
      if (statusOf(error) >= 500) report(error, { path: '/v1' })
    },
    signal: draining.signal,
  })
  addQuoteRoutes(routes, { answering })
  addEmbeddingRoutes(routes, { answering, paywall })
  addTextAttributionRoutes(routes, { answering, paywall })
  addModelRoutes(routes, deps)
  addAdapterRoutes(routes, {
    pinning,
    apiKeys: settlement.apiKeys,
    findModel: deps.findModel,
    ownerOf: async (name) => (await deps.modelFactory.model(name)).owner,
  })
  app.all('/mcp', (context) => mcp.fetch(context.req.raw))
  app.get('/health', (context) => {
    const settler = settlement.settler.status()
    const chain = deps.chainProblems()
    const isBlocked = settler.state === 'blocked'
    const isWell = !isBlocked && Object.keys(chain).length === 0
    // a load balancer takes 503 as a reason to stop asking: answers can be sold while L1 is away
    const status = draining.isDraining() ? 'draining' : isWell ? 'ok' : 'degraded'
    return context.json({ status, settler, chain }, isBlocked || draining.isDraining() ? 503 : 200)
  })
  app.get('/metrics', async (context) =>
    context.body(await metrics.text(), 200, { 'content-type': metrics.contentType }),
  )
  app.get('/api/openapi.json', (context) =>
    context.json({
      openapi: '3.1.0',
      info: {
        title: 'OpenLedger',
        version: VERSION,
        description: 'Amounts are wei of OPEN in decimal strings.',
      },
      ...routes.document(),
    }),
  )
  return {
    fetch: async (request) => app.fetch(request),
    drain: draining.drain,
    keepPaid: pinning.restore,
    close: async () => {
      pinning.close()
      await tracing.close()
      await mcp.close()
    },
  }
}

/** Adds the free routes of the OpenAI interface. */
function addModelRoutes(routes: ReturnType<typeof createRoutes>, { modelFactory }: ApiDependencies): void {
  const toEntry = (model: Awaited<ReturnType<typeof modelFactory.model>>) => ({
    id: model.name,
    object: 'model',
    created: model.createdAt,
    owned_by: model.owner,
    openledger: model,
  })
  routes.get(
    '/v1/models',
    { tag: 'OpenAI', summary: 'Published models.', response: z.looseObject({}) },
    async () => ({
      object: 'list',
      data: (await modelFactory.models()).filter(({ isRetired }) => !isRetired).map(toEntry),
    }),
  )
  routes.get(
    '/v1/models/:name',
    {
      tag: 'OpenAI',
      summary: 'One published model.',
      params: z.object({ name: z.string().max(128) }),
      response: z.looseObject({}),
    },
    async ({ params }) => toEntry(await modelFactory.model(params.name)),
  )
}

/** Counts what is sold on the way to whoever bought it. */
const counted = (answering: Answering, metrics: ReturnType<typeof createMetrics>): Answering => ({
  ...answering,
  async *answer(...request) {
    for await (const event of answering.answer(...request)) {
      metrics.count(event)
      yield event
    }
  },
})

const describe = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)
