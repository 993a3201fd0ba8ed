import type { Http } from '@openledger/protocol'
import { type Bridge, createBridge, type WithdrawalStage } from '@openledger/sdk'
import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Hex } from 'viem'
import { useWallet } from '../wallet/useWallet.ts'

/** Where a withdrawal in hand stands; `l2Hash` names the transaction that started it, once there is one. */
export type Journey = { readonly stage: WithdrawalStage | 'asked'; readonly l2Hash?: Hex }

/** The withdrawals of an account as both chains have them. */
export const withdrawalsQuery = (bridge: Bridge, account: Hex) =>
  queryOptions({
    queryKey: ['withdrawals', account],
    queryFn: () => bridge.withdrawalsOf(account),
    refetchInterval: 5_000,
  })

export const bridgeOf = (network: Http.Network): Bridge => createBridge(network.deployment, network)

/** Takes OPEN between the chains with the connected wallet. A withdrawal can be gone on with from any of its steps. */
export function useBridge(bridge: Bridge) {
  const wallet = useWallet()
  const queryClient = useQueryClient()
  const [journey, setJourney] = useState<Journey>()
  const refresh = () => queryClient.invalidateQueries()

  async function goOn(l2Hash: Hex): Promise<void> {
    if (wallet === undefined) throw new Error('Connect a wallet first.')
    setJourney({ stage: 'initiated', l2Hash })
    await bridge.resume(await wallet.onL1(), l2Hash, ({ stage }) => setJourney({ stage, l2Hash }))
  }
  const withdraw = useMutation({
    mutationFn: async (amountWei: bigint) => {
      if (wallet === undefined) throw new Error('Connect a wallet first.')
      setJourney({ stage: 'asked' })
      const { transactionHash } = await bridge.initiate(await wallet.onL2(), { amountWei })
      await refresh()
      await goOn(transactionHash)
    },
    onSettled: refresh,
  })
  const resume = useMutation({ mutationFn: goOn, onSettled: refresh })
  const deposit = useMutation({
    mutationFn: async (amountWei: bigint) => {
      if (wallet === undefined) throw new Error('Connect a wallet first.')
      return bridge.deposit(await wallet.onL1(), { amountWei })
    },
    onSettled: refresh,
  })
  return { journey, withdraw, resume, deposit }
}
