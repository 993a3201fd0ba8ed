import type { Deployment } from '@openledger/protocol'
import { type Chain, defineChain } from 'viem'

/** Describes the L2 to viem. */
export const serverChain = ({ l2ChainId }: Deployment, rpcUrl: string): Chain =>
  defineChain({
    id: l2ChainId,
    name: 'OpenLedger',
    nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  })
