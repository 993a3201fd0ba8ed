import type { Datanets } from '@openledger/datanet'
import type { ModelFactory } from '@openledger/modelfactory'
import type { Clock } from '@openledger/primitives'
import { Abi, Http, SignedRequest } from '@openledger/protocol'
import { addressSchema, hashSchema } from '@openledger/protocol/Scalars'
import type { Settlement } from '@openledger/settlement'
import { type Blobs, type Database, schema } from '@openledger/store'
import { streamSSE } from 'hono/streaming'
import type { PublicClient } from 'viem'
import { z } from 'zod'
import { createAgents } from './Agents.ts'
import { addAttributionRoutes } from './attributionRoutes.ts'
import { createExplorer } from './Explorer.ts'
import type { Supply } from './Network.ts'
import type { Routes } from './Routes.ts'

/** What the network is made of, as `GET /api/network` tells it. */
export type NetworkFacts = Pick<
  Http.Network,
  'name' | 'development' | 'deployment' | 'l1RpcUrl' | 'l2RpcUrl' | 'operator' | 'validator' | 'base'
>

export type ApiRouteDependencies = {
  readonly network: NetworkFacts
  readonly database: Database
  readonly l1Client: PublicClient
  readonly l2Client: PublicClient
  readonly supply: () => Promise<Supply>
  readonly settlement: Settlement
  readonly datanets: Datanets
  readonly modelFactory: ModelFactory
  /** Adapters, indexes and evidence, by CID. */
  readonly blobs: Blobs
  /** How far a first start has come; all done where there is nothing to put in place. */
  readonly seed: () => Http.Seed
  readonly clock: Clock
}

const idParams = z.object({ id: z.string().max(80) })
const addressParams = z.object({ address: addressSchema })
const limitSchema = z.coerce.number().int().min(1).max(200).default(50)
const beforeSchema = z.coerce.number().int().nonnegative().optional()
/** A contribution's text may take twice its size once JSON has escaped it. */
const CONTRIBUTION_BYTES_MAX = 12 * 1024 * 1024

/** Adds every route under `/api`. */
export function addApiRoutes(routes: Routes, deps: ApiRouteDependencies): void {
  addNetworkRoutes(routes, deps)
  addDatanetRoutes(routes, deps)
  addTrainingRoutes(routes, deps)
  addMoneyRoutes(routes, deps)
  addAttributionRoutes(routes, deps)
  addExplorerRoutes(routes, deps)
}

function addNetworkRoutes(
  routes: Routes,
  { network, l1Client, l2Client, supply, settlement, seed }: ApiRouteDependencies,
) {
  const explorer = createExplorer(l2Client, network.deployment)
  const { feePolicy } = network.deployment.l2
  routes.add(
    {
      ...{
        method: 'get',
        path: '/api/network',
        tag: 'Network',
        summary: 'Chains, contracts, prices and heads.',
      },
      response: Http.networkSchema,
    },
    async () => {
      const [{ version, split }, treasury, { lockedOnL1Wei, onL2Wei }, heads, l1] = await Promise.all([
        settlement.contract.currentSplit(),
        l2Client.readContract({ address: feePolicy, abi: Abi.feePolicyAbi, functionName: 'treasury' }),
        supply(),
        explorer.heads(),
        l1Client.getBlockNumber({ cacheTime: 0 }),
      ])
      return {
        ...network,
        split: { version, ...split },
        treasury: treasury.toLowerCase(),
        supply: { lockedOnL1Wei: lockedOnL1Wei.toString(), onL2Wei: onL2Wei.toString() },
        heads: { l1: Number(l1), ...heads },
      }
    },
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/seed', tag: 'Network', summary: 'How far a first start has come.' },
      response: Http.seedSchema,
    },
    () => seed(),
  )
}

function addDatanetRoutes(routes: Routes, { datanets }: ApiRouteDependencies) {
  const tag = 'Datanets'
  routes.add(
    {
      ...{ method: 'get', path: '/api/datanets', tag, summary: 'All Datanets.' },
      response: Http.datanetSchema.array(),
    },
    () => datanets.datanets(),
  )
  routes.add(
    {
      ...{
        method: 'post',
        path: '/api/datanets',
        tag,
        summary: 'List a Datanet that a wallet created on chain.',
      },
      body: Http.registerDatanetSchema,
      response: Http.datanetSchema,
    },
    ({ body }) => datanets.register(body),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/datanets/:id', tag, summary: 'One Datanet.', params: idParams },
      response: Http.datanetSchema,
    },
    ({ params }) => datanets.datanet(params.id),
  )
  routes.add(
    {
      ...{
        method: 'get',
        path: '/api/datanets/:id/versions',
        tag,
        summary: 'Its versions.',
        params: idParams,
      },
      response: Http.datanetVersionSchema.array(),
    },
    ({ params }) => datanets.versions(params.id),
  )
  routes.add(
    {
      ...{ method: 'post', path: '/api/contributions/prepare', tag },
      summary: 'Split and hash records and say what would become of them; nothing is stored.',
      body: Http.prepareContributionSchema,
      bodyBytesMax: CONTRIBUTION_BYTES_MAX,
      response: Http.preparedContributionSchema,
    },
    ({ body }) => datanets.prepare(body),
  )
  routes.add(
    {
      ...{ method: 'post', path: '/api/contributions', tag },
      summary: 'Contribute records under a signature; answers when the chain has them.',
      body: Http.contributeSchema,
      bodyBytesMax: CONTRIBUTION_BYTES_MAX,
      response: Http.contributionSchema,
    },
    ({ body }) => datanets.contribute(body),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/contributions', tag, summary: 'Contributions, newest first.' },
      query: z.object({ datanetId: z.string().max(20).optional(), contributor: addressSchema.optional() }),
      response: Http.contributionSchema.array(),
    },
    ({ query }) => datanets.contributions(query),
  )
  routes.add(
    {
      ...{
        method: 'get',
        path: '/api/contributions/:id',
        tag,
        summary: 'One contribution with its records.',
      },
      params: z.object({ id: hashSchema }),
      response: Http.contributionDetailSchema,
    },
    ({ params }) => datanets.contribution(params.id),
  )
  routes.add(
    {
      ...{ method: 'post', path: '/api/contributions/:id/beneficiary', tag },
      summary: 'Hand its future rewards to another address, signed by who receives them now.',
      params: z.object({ id: hashSchema }),
      body: Http.changeBeneficiarySchema,
      response: Http.contributionDetailSchema,
    },
    ({ params, body }) => datanets.changeBeneficiary(params.id, body),
  )
}

function addTrainingRoutes(routes: Routes, { modelFactory }: ApiRouteDependencies) {
  const tag = 'Models'
  routes.add(
    {
      ...{ method: 'get', path: '/api/datanets/:id/versions/:version/records', tag: 'Datanets' },
      summary: 'What a version holds, in its order: what a model is trained on.',
      params: z.object({ id: z.string().regex(/^\d{1,20}$/), version: z.coerce.number().int().positive() }),
      response: Http.versionRecordSchema.array(),
    },
    ({ params }) => modelFactory.records({ datanetId: params.id, version: params.version }),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/training-estimate', tag },
      summary: 'What a run would do: time, memory, tokens and how the model reads them.',
      query: Http.trainingEstimateQuerySchema,
      response: Http.trainingEstimateSchema,
    },
    ({ query }) => modelFactory.estimate(query),
  )
  routes.add(
    {
      ...{ method: 'post', path: '/api/training-runs', tag, summary: 'Ask for a fine-tuning run.' },
      body: Http.createTrainingRunSchema,
      response: Http.trainingRunSchema,
    },
    ({ body, rawBody }) => modelFactory.request(body, payloadOf(rawBody)),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/training-runs', tag, summary: 'Fine-tuning runs, newest first.' },
      response: Http.trainingRunSchema.array(),
    },
    () => modelFactory.runs(),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/training-runs/:id', tag, summary: 'One run.', params: idParams },
      response: Http.trainingRunSchema,
    },
    ({ params }) => modelFactory.run(params.id),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/training-runs/:id/metrics', tag, params: idParams },
      summary: 'Its losses so far.',
      response: Http.metricSchema.array(),
    },
    ({ params }) => modelFactory.metrics(params.id),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/training-runs/:id/events', tag, params: idParams },
      summary: 'Its losses as they come (server-sent events `metric` and `run`), until it is over.',
      response: z.union([Http.metricSchema, Http.trainingRunSchema]),
      responseType: 'text/event-stream',
    },
    async ({ params, context }) => {
      await modelFactory.run(params.id)
      return streamSSE(context, (stream) => followRun(modelFactory, params.id, stream))
    },
  )
  routes.add(
    {
      ...{ method: 'post', path: '/api/training-runs/:id/cancel', tag, params: idParams },
      summary: 'Stop a run; its owner signs.',
      body: Http.signedSchema(z.object({ id: z.string().max(80) })),
      response: Http.trainingRunSchema,
    },
    ({ body }) => modelFactory.cancel(body),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/training-runs/:id/publication', tag, params: idParams },
      summary: 'What the owner signs to publish a trained run.',
      response: Http.publicationSchema,
    },
    ({ params }) => modelFactory.publication(params.id),
  )
  routes.add(
    {
      ...{ method: 'post', path: '/api/training-runs/:id/publish', tag, params: idParams },
      summary: 'Publish a trained run on chain and put it into service.',
      body: Http.publishSchema,
      response: Http.modelSchema,
    },
    ({ params, body }) => modelFactory.publish(params.id, body),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/models', tag, summary: 'All published models.' },
      response: Http.modelSchema.array(),
    },
    () => modelFactory.models(),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/models/:name', tag, summary: 'One model.' },
      params: z.object({ name: z.string().max(80) }),
      response: Http.modelSchema,
    },
    ({ params }) => modelFactory.model(params.name),
  )
}

type EventStream = Parameters<Parameters<typeof streamSSE>[1]>[0]

/** Sends every metric once and the run at each change, until the run is over or the reader has left. */
async function followRun(modelFactory: ModelFactory, id: string, stream: EventStream): Promise<void> {
  let wake = (): void => {}
  let isChanged = true
  const stopWatching = modelFactory.watch(id, () => {
    isChanged = true
    wake()
  })
  stream.onAbort(() => {
    stopWatching()
    wake()
  })
  let sentStep = -1
  let sentRun = ''
  try {
    while (!stream.aborted) {
      if (!isChanged) {
        await new Promise<void>((resolve) => {
          wake = resolve
          // another process may be the one that trains: look now and then without being told
          setTimeout(resolve, POLL_MS).unref()
        })
        if (stream.aborted) return
      }
      isChanged = false
      for (const metric of await modelFactory.metrics(id)) {
        if (metric.step <= sentStep) continue
        await stream.writeSSE({ event: 'metric', data: JSON.stringify(metric) })
        sentStep = metric.step
      }
      const run = await modelFactory.run(id)
      const written = JSON.stringify(run)
      if (written !== sentRun) await stream.writeSSE({ event: 'run', data: written })
      sentRun = written
      if (['trained', 'published', 'failed', 'cancelled'].includes(run.status)) return
    }
  } finally {
    stopWatching()
  }
}

const POLL_MS = 2_000

function addMoneyRoutes(
  routes: Routes,
  { database, network, l1Client, l2Client, settlement, clock }: ApiRouteDependencies,
) {
  const tag = 'Money'
  const { l2ChainId, l1 } = network.deployment

  /** Checks a signed request and carries `work` out once. */
  const once = async <T>(
    action: 'createApiKey' | 'revokeApiKey',
    request: SignedRequest.SignedRequest,
    work: () => Promise<T>,
  ): Promise<T> => {
    const nowSeconds = Math.floor(clock.nowMs() / 1_000)
    const digest = await SignedRequest.verifyRequest(action, request, {
      ...{ client: l2Client, chainId: l2ChainId, nowSeconds },
    })
    const used = await database.orm
      .insert(schema.usedRequests)
      .values({ digest, deadline: request.deadline })
      .onConflictDoNothing()
      .returning()
    if (used.length === 0) throw new SignedRequest.RequestReplayedError(digest)
    return work()
  }

  routes.add(
    {
      ...{ method: 'post', path: '/api/api-keys', tag },
      summary: 'Create an API key under a signature; its secret is in this answer and nowhere else.',
      body: Http.createApiKeySchema,
      response: Http.createdApiKeySchema,
    },
    ({ body, rawBody }) => {
      const { account, payload } = body
      return once('createApiKey', { ...body, payload: payloadOf(rawBody) }, async () => {
        const { secret, apiKey } = await settlement.apiKeys.create({
          ...{ account, name: payload.name, limitWei: BigInt(payload.limitWei) },
        })
        return { ...apiKey, secret }
      })
    },
  )
  routes.add(
    {
      ...{ method: 'post', path: '/api/api-keys/revoke', tag, summary: 'End an API key under a signature.' },
      body: Http.revokeApiKeySchema,
      response: Http.apiKeySchema,
    },
    ({ body, rawBody }) =>
      once('revokeApiKey', { ...body, payload: payloadOf(rawBody) }, () =>
        settlement.apiKeys.revoke(body.account, body.payload.id),
      ),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/accounts/:address/api-keys', tag, params: addressParams },
      summary: 'Keys of an account, without their secrets.',
      response: Http.apiKeySchema.array(),
    },
    ({ params }) => settlement.apiKeys.list(params.address),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/accounts/:address', tag, params: addressParams },
      summary: 'What an account has on L1, on L2 and prepaid.',
      response: Http.accountSchema,
    },
    async ({ params: { address } }) => {
      const [l1Wei, l2Wei, { prepaidWei, heldWei, availableWei }] = await Promise.all([
        l1Client.readContract({
          ...{ address: l1.open, abi: Abi.openAbi, functionName: 'balanceOf', args: [address] },
        }),
        l2Client.getBalance({ address }),
        settlement.accounts.balance(address),
      ])
      return Object.fromEntries(
        Object.entries({ l1Wei, l2Wei, prepaidWei, heldWei, availableWei, address }).map(([key, value]) => [
          key,
          String(value),
        ]),
      )
    },
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/receipts', tag, summary: 'Receipts, newest first.' },
      query: z.object({
        ...{ payer: addressSchema.optional(), model: z.string().max(80).optional() },
        ...{ limit: limitSchema, before: beforeSchema },
      }),
      response: Http.receiptSchema.array(),
    },
    ({ query: { payer, model, before, limit } }) =>
      settlement.receipts.list({
        limit,
        ...(payer === undefined ? {} : { payer }),
        ...(model === undefined ? {} : { modelName: model }),
        ...(before === undefined ? {} : { before }),
      }),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/receipts/:sequence', tag, summary: 'One receipt.' },
      params: z.object({ sequence: z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER) }),
      response: Http.receiptSchema,
    },
    ({ params }) => settlement.receipts.require(params.sequence),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/receipts/:sequence/inclusion', tag },
      summary: 'Proof that a settled receipt is in its batch, whose root is on chain.',
      params: z.object({ sequence: z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER) }),
      response: Http.inclusionSchema,
    },
    ({ params }) => settlement.receipts.inclusion(params.sequence),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/earnings/:address', tag, params: addressParams },
      summary: 'What an address has earned, with the reason for each payout.',
      response: Http.earningsSchema,
    },
    ({ params }) => settlement.earnings.of(params.address),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/earnings/:address/proof', tag, params: addressParams },
      summary: 'The arguments of `Settlement.claim` for an address.',
      response: Http.claimProofSchema,
    },
    ({ params }) => settlement.ledger.proof(params.address),
  )
  routes.add(
    {
      ...{ method: 'post', path: '/api/claims', tag },
      summary: 'Have the operator send the claim of an account; the money can only go to the account.',
      body: Http.claimSchema,
      response: Http.claimedSchema,
    },
    ({ body }) => settlement.ledger.claim(body.account),
  )
}

function addExplorerRoutes(routes: Routes, { network, l2Client }: ApiRouteDependencies) {
  const tag = 'Explorer'
  const explorer = createExplorer(l2Client, network.deployment)
  const agents = createAgents(l2Client, network.deployment)
  routes.add(
    {
      ...{ method: 'get', path: '/api/blocks', tag, summary: 'L2 blocks, newest first.' },
      query: z.object({ limit: z.coerce.number().int().min(1).max(100).default(20), before: beforeSchema }),
      response: Http.blockSchema.array(),
    },
    ({ query }) => explorer.blocks(query),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/blocks/:number', tag, summary: 'One block with its transactions.' },
      params: z.object({ number: z.union([z.string().regex(/^\d{1,15}$/), hashSchema]) }),
      response: Http.blockDetailSchema,
    },
    ({ params }) => explorer.block(params.number),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/transactions/:hash', tag, summary: 'One transaction in words.' },
      params: z.object({ hash: hashSchema }),
      response: Http.transactionSchema,
    },
    ({ params }) => explorer.transaction(params.hash),
  )
  routes.add(
    {
      ...{ method: 'get', path: '/api/agents', tag, summary: 'Agents with their wallets and session keys.' },
      response: Http.agentSchema.array(),
    },
    () => agents.list(),
  )
}

/** The payload exactly as it was signed. */
const payloadOf = (rawBody: unknown): SignedRequest.SignedRequest['payload'] =>
  (rawBody as { payload: SignedRequest.SignedRequest['payload'] }).payload
