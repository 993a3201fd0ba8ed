import type { Governance } from '@openledger/sdk'
import type { Hex, PublicClient } from 'viem'
import { useConfig, useConnection, usePublicClient } from 'wagmi'
import { getConnection, getWalletClient, switchChain } from 'wagmi/actions'

/** The connected wallet, brought to the chain that a step needs when the step comes. */
export type ConnectedWallet = {
  readonly address: Hex
  /**
   * Gives what signs on the L2, after asking the wallet to change to it (and to learn of it) where it is elsewhere.
   * @throws when the person refuses.
   */
  readonly onL2: () => Promise<Governance.Wallet>
  /** The same on the L1. */
  readonly onL1: () => Promise<Governance.Wallet>
}

/** Gives the connected wallet; undefined while none is. */
export function useWallet(): ConnectedWallet | undefined {
  const config = useConfig()
  const { address } = useConnection()
  if (address === undefined) return undefined
  const on = async (chainId: number): Promise<Governance.Wallet> => {
    if (getConnection(config).chainId !== chainId) await switchChain(config, { chainId })
    return (await getWalletClient(config, { chainId })) as Governance.Wallet
  }
  const [l2, l1] = config.chains
  return { address, onL2: () => on(l2.id), onL1: () => on((l1 ?? l2).id) }
}

/** What reads the L2, whichever chain the wallet is on. */
export function useL2Client(): PublicClient | undefined {
  const { chains } = useConfig()
  return usePublicClient({ chainId: chains[0].id }) as PublicClient | undefined
}
