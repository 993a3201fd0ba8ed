import type { Clock } from '@openledger/primitives'
import { Abi, Http, SignedRequest } from '@openledger/protocol'
import type { Settlement } from '@openledger/settlement'
import { type Database, schema } from '@openledger/store'
import type { PublicClient } from 'viem'
import type { NetworkFacts } from './networkRoutes.ts'
import type { Routes } from './Routes.ts'
import { addressParams, payloadOf } from './requestParts.ts'

export type AccountRouteDependencies = {
  readonly database: Database
  readonly network: Pick<NetworkFacts, 'deployment'>
  readonly l1Client: PublicClient
  readonly l2Client: PublicClient
  readonly settlement: Settlement
  readonly clock: Clock
}

/** Adds accounts, what they have, and their API keys. */
export function addAccountRoutes(
  routes: Routes,
  { database, network, l1Client, l2Client, settlement, clock }: AccountRouteDependencies,
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
      client: l2Client,
      chainId: l2ChainId,
      nowSeconds,
    })
    const used = await database.orm
      .insert(schema.usedRequests)
      .values({ digest, deadline: request.deadline })
      .onConflictDoNothing()
      .returning()
    if (used.length === 0) throw new SignedRequest.RequestReplayedError(digest)
    return work()
  }

  routes.post(
    '/api/api-keys',
    {
      tag,
      summary: 'Create an API key under a signature; its secret is in this answer and nowhere else.',
      body: Http.createApiKeySchema,
      response: Http.createdApiKeySchema,
    },
    ({ body, rawBody }) => {
      const { account, payload } = body
      return once('createApiKey', { ...body, payload: payloadOf(rawBody) }, async () => {
        const { secret, apiKey } = await settlement.apiKeys.create({
          account,
          name: payload.name,
          limitWei: BigInt(payload.limitWei),
        })
        return { ...apiKey, secret }
      })
    },
  )
  routes.post(
    '/api/api-keys/revoke',
    {
      tag,
      summary: 'End an API key under a signature.',
      body: Http.revokeApiKeySchema,
      response: Http.apiKeySchema,
    },
    ({ body, rawBody }) =>
      once('revokeApiKey', { ...body, payload: payloadOf(rawBody) }, () =>
        settlement.apiKeys.revoke(body.account, body.payload.id),
      ),
  )
  routes.post(
    '/api/refunds',
    {
      tag,
      summary: 'Pay prepaid OPEN back at once under a signature; the operator pays the gas.',
      body: Http.refundSchema,
      response: Http.refundedSchema,
    },
    async ({ body }) => {
      const amountWei = BigInt(body.amountWei)
      const transactionHash = await settlement.refunds.pay({ ...body, amountWei })
      return { transactionHash, amountWei: body.amountWei }
    },
  )
  routes.get(
    '/api/accounts/:address/api-keys',
    {
      tag,
      params: addressParams,
      summary: 'Keys of an account, without their secrets.',
      response: Http.apiKeySchema.array(),
    },
    ({ params }) => settlement.apiKeys.list(params.address),
  )
  routes.get(
    '/api/accounts/:address',
    {
      tag,
      params: addressParams,
      summary: 'What an account has on L1, on L2 and prepaid.',
      response: Http.accountSchema,
    },
    async ({ params: { address } }) => {
      const [l1Wei, l2Wei, { prepaidWei, heldWei, availableWei }] = await Promise.all([
        l1Client.readContract({
          address: l1.open,
          abi: Abi.openAbi,
          functionName: 'balanceOf',
          args: [address],
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
}
