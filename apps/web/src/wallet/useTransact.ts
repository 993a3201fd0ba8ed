import type { Call } from '@openledger/protocol'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Abi, ContractFunctionName, Hex, TransactionReceipt, WriteContractParameters } from 'viem'
import { useL2Client, useWallet } from './useWallet.ts'

/** Where a transaction is on its way. */
export type Progress =
  | { readonly stage: 'idle' }
  | { readonly stage: 'simulating' | 'signing' }
  | { readonly stage: 'pending' | 'confirmed'; readonly hash: Hex }
  | { readonly stage: 'failed'; readonly error: unknown; readonly hash?: Hex }

/** One transaction after another by the connected wallet: simulated, signed, pending, confirmed. */
export type Transact = {
  readonly progress: Progress
  readonly isReady: boolean
  readonly isBusy: boolean
  /** Sends a call; resolves when it is in a block. @throws when it is refused, after `progress` says so. */
  readonly send: <
    const abi extends Abi | readonly unknown[],
    name extends ContractFunctionName<abi, 'nonpayable' | 'payable'>,
  >(
    call: Call<abi, name>,
  ) => Promise<TransactionReceipt>
  /** Sends a call for a button, which has nothing to do with the outcome: `progress` shows it. */
  readonly start: (work: () => Promise<unknown>) => void
}

/** Gives the connected wallet as what sends transactions. */
export function useTransact(): Transact {
  const publicClient = useL2Client()
  const wallet = useWallet()
  const queryClient = useQueryClient()
  const [progress, setProgress] = useState<Progress>({ stage: 'idle' })

  const send: Transact['send'] = async ({ valueWei, ...call }) => {
    let hash: Hex | undefined
    try {
      if (wallet === undefined || publicClient === undefined) throw new Error('Connect a wallet first.')
      setProgress({ stage: 'simulating' })
      const { request } = await publicClient.simulateContract({
        ...(call as unknown as WriteContractParameters),
        account: wallet.address,
        ...(valueWei === undefined ? {} : { value: valueWei }),
      } as Parameters<typeof publicClient.simulateContract>[0])
      setProgress({ stage: 'signing' })
      const client = await wallet.onL2()
      hash = await client.writeContract({
        ...(request as unknown as WriteContractParameters),
        account: client.account,
      })
      setProgress({ stage: 'pending', hash })
      const receipt = await publicClient.waitForTransactionReceipt({ hash })
      if (receipt.status !== 'success') throw new Error('The transaction failed on chain; nothing changed.')
      setProgress({ stage: 'confirmed', hash })
      await queryClient.invalidateQueries()
      return receipt
    } catch (error) {
      setProgress({ stage: 'failed', error, ...(hash === undefined ? {} : { hash }) })
      throw error
    }
  }
  return {
    progress,
    isReady: wallet !== undefined && publicClient !== undefined,
    isBusy: !['idle', 'confirmed', 'failed'].includes(progress.stage),
    send,
    start: (work) => {
      // what fails outside a transaction is shown in the same place
      work().catch((error) =>
        setProgress((now) => (now.stage === 'failed' ? now : { stage: 'failed', error })),
      )
    },
  }
}
