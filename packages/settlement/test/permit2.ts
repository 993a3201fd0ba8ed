import { Abi } from '@openledger/protocol'
import type { Hex, PublicClient } from 'viem'
import { preinstalls } from '../../node/src/deployment/Bedrock.ts'

/** Where x402's clients look for the spender of `upto`. */
export const UPTO_PERMIT2_PROXY: Hex = '0x4020a4f3b7b90cca423b9fabcc0ce57c6c240002'
export const PERMIT2: Hex = '0x000000000022d473030f116ddee9f6b43ac78ba3'

/** Puts Permit2 and x402's spender where an L2 has them from genesis: the chain of the tests has another. */
export async function installPermit2(publicClient: PublicClient, chainId: number): Promise<void> {
  const { code } = preinstalls(chainId).find(({ address }) => address === PERMIT2)!
  const set = (address: Hex, bytes: Hex) =>
    publicClient.request({ method: 'anvil_setCode', params: [address, bytes] } as never)
  await set(PERMIT2, code)
  await set(UPTO_PERMIT2_PROXY, Abi.uptoPermit2ProxyDeployedBytecode)
}
