import type { Genesis, PayloadAttributes } from '../src/engine/Engine.ts'

export const CHAIN_ID = 161200

/** A genesis with these accounts and nothing else. */
export const genesisOf = (alloc: Genesis['alloc']): Genesis => ({
  config: {
    chainId: CHAIN_ID,
    optimism: { eip1559Elasticity: 6, eip1559Denominator: 50, eip1559DenominatorCanyon: 250 },
  },
  alloc,
  timestamp: 1000,
  gasLimit: 30_000_000,
})

/** Attributes of a block that nothing on L1 asked for. */
export const attributes = (timestamp: bigint, deposits: readonly Uint8Array[] = []): PayloadAttributes => ({
  timestamp,
  prevRandao: `0x${'01'.repeat(32)}`,
  feeRecipient: '0x4200000000000000000000000000000000000011',
  parentBeaconBlockRoot: `0x${'02'.repeat(32)}`,
  gasLimit: 30_000_000n,
  eip1559Params: '0x0000000000000000',
  deposits,
})
