import type { Signer } from '@openledger/sdk'
import type { Hex } from 'viem'
import { useWallet } from './useWallet.ts'

/** Gives the connected wallet as what the SDK signs with; undefined while nothing is connected. */
export function useSigner(): Signer | undefined {
  const wallet = useWallet()
  if (wallet === undefined) return undefined
  return {
    address: wallet.address.toLowerCase() as Hex,
    signTypedData: async (typedData) => {
      const client = await wallet.onL2()
      return client.signTypedData(typedData as Parameters<typeof client.signTypedData>[0])
    },
  }
}
