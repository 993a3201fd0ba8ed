import type { Signer } from '@openledger/sdk'
import type { Hex } from 'viem'
import { useWalletClient } from 'wagmi'

/** Gives the connected wallet as what the SDK signs with; undefined while nothing is connected. */
export function useSigner(): Signer | undefined {
  const { data: wallet } = useWalletClient()
  if (wallet === undefined) return undefined
  return {
    address: wallet.account.address.toLowerCase() as Hex,
    signTypedData: (typedData) =>
      wallet.signTypedData(typedData as Parameters<typeof wallet.signTypedData>[0]),
  }
}
