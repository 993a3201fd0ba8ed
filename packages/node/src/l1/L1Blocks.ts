import { BaseError } from '@openledger/primitives'
import type { L1Block } from '@openledger/rollup'
import { type Block, type Hex, hexToBigInt, numberToHex, type PublicClient } from 'viem'

/**
 * Takes from an endpoint's block what an L2 block on it needs.
 *
 * The blob base fee is asked of the endpoint, which knows its chain's blob schedule; it changes from fork to fork.
 */
export async function toL1Block(client: PublicClient, block: Block): Promise<L1Block> {
  if (block.number === null || block.hash === null) throw new L1PendingBlockError()
  return {
    number: block.number,
    hash: block.hash,
    parentHash: block.parentHash,
    timestamp: block.timestamp,
    baseFeePerGas: block.baseFeePerGas ?? 0n,
    blobBaseFee: await blobBaseFee(client, block),
    prevRandao: block.mixHash,
    ...(block.parentBeaconBlockRoot ? { parentBeaconBlockRoot: block.parentBeaconBlockRoot } : {}),
  }
}

async function blobBaseFee(client: PublicClient, block: Block): Promise<bigint> {
  if (!block.excessBlobGas) return 1n
  const history = await client.request({
    method: 'eth_feeHistory',
    params: ['0x1', numberToHex(block.number ?? 0n), []],
  })
  const fee = (history as { readonly baseFeePerBlobGas?: readonly Hex[] }).baseFeePerBlobGas?.[0]
  return fee === undefined ? 1n : hexToBigInt(fee)
}

export class L1PendingBlockError extends BaseError {
  constructor() {
    super({
      code: 'l1.pending_block',
      message: 'Expected a mined L1 block, got a pending one.',
      severity: 'retry',
    })
  }
}
