import { Http } from '@openledger/protocol'
import { hashSchema } from '@openledger/protocol/Scalars'
import type { Database } from '@openledger/store'
import type { PublicClient } from 'viem'
import { z } from 'zod'
import { createAgents } from '../Agents.ts'
import { createExplorer } from '../Explorer.ts'
import { createPaidRaters } from '../PaidRaters.ts'
import type { NetworkFacts } from './networkRoutes.ts'
import type { Routes } from './Routes.ts'
import { beforeSchema } from './requestParts.ts'

export type ExplorerRouteDependencies = {
  readonly network: Pick<NetworkFacts, 'deployment'>
  readonly l2Client: PublicClient
  readonly database: Database
}

/** Adds blocks, transactions and agents as the L2 has them. */
export function addExplorerRoutes(
  routes: Routes,
  { network, l2Client, database }: ExplorerRouteDependencies,
) {
  const tag = 'Explorer'
  const explorer = createExplorer(l2Client, network.deployment)
  const agents = createAgents(l2Client, network.deployment, createPaidRaters(database))
  routes.get(
    '/api/blocks',
    {
      tag,
      summary: 'L2 blocks, newest first.',
      query: z.object({ limit: z.coerce.number().int().min(1).max(100).default(20), before: beforeSchema }),
      response: Http.blockSchema.array(),
    },
    ({ query }) => explorer.blocks(query),
  )
  routes.get(
    '/api/blocks/:number',
    {
      tag,
      summary: 'One block with its transactions.',
      params: z.object({ number: z.union([z.string().regex(/^\d{1,15}$/), hashSchema]) }),
      response: Http.blockDetailSchema,
    },
    ({ params }) => explorer.block(params.number),
  )
  routes.get(
    '/api/transactions/:hash',
    {
      tag,
      summary: 'One transaction in words.',
      params: z.object({ hash: hashSchema }),
      response: Http.transactionSchema,
    },
    ({ params }) => explorer.transaction(params.hash),
  )
  routes.get(
    '/api/agents',
    { tag, summary: 'Agents with their wallets and session keys.', response: Http.agentSchema.array() },
    () => agents.list(),
  )
}
