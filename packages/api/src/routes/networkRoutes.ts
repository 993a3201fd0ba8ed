import { Abi, Http } from '@openledger/protocol'
import type { Settlement } from '@openledger/settlement'
import type { PublicClient } from 'viem'
import { createExplorer } from '../Explorer.ts'
import type { Supply } from '../Network.ts'
import type { Routes } from './Routes.ts'

/** What the network is made of, as `GET /api/network` tells it. */
export type NetworkFacts = Pick<
  Http.Network,
  | 'name'
  | 'development'
  | 'deployment'
  | 'l1RpcUrl'
  | 'l2RpcUrl'
  | 'operator'
  | 'validator'
  | 'base'
  | 'judge'
>

export type NetworkRouteDependencies = {
  readonly network: NetworkFacts
  readonly l1Client: PublicClient
  readonly l2Client: PublicClient
  readonly supply: () => Promise<Supply>
  readonly settlement: Settlement
  /** How far a first start has come; all done where there is nothing to put in place. */
  readonly seed: () => Http.Seed
}

/** Adds what the network is and how far its first start has come. */
export function addNetworkRoutes(
  routes: Routes,
  { network, l1Client, l2Client, supply, settlement, seed }: NetworkRouteDependencies,
) {
  const explorer = createExplorer(l2Client, network.deployment)
  const { feePolicy } = network.deployment.l2
  routes.get(
    '/api/network',
    {
      tag: 'Network',
      summary: 'Chains, contracts, prices and heads.',
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
        supply: { lockedOnL1Wei: lockedOnL1Wei.toString(), onL2Wei: onL2Wei?.toString() ?? null },
        heads: { l1: Number(l1), ...heads },
      }
    },
  )
  routes.get(
    '/api/seed',
    { tag: 'Network', summary: 'How far a first start has come.', response: Http.seedSchema },
    () => seed(),
  )
}
