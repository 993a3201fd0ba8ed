import type { Hex } from '@openledger/primitives'

/** One account of the genesis state; numbers are decimal or `0x` strings, or plain numbers. */
export type GenesisAccount = {
  readonly balance?: string | number
  readonly nonce?: string | number
  readonly code?: Hex
  readonly storage?: Readonly<Record<string, string>>
}

/** The rollup parameters that execution needs, as op-geth's `config.optimism`. */
export type OptimismConfig = {
  readonly eip1559Elasticity: number
  readonly eip1559Denominator: number
  readonly eip1559DenominatorCanyon?: number
}

/**
 * Describes block 0 in op-geth's `genesis.json` form.
 *
 * Every OP Stack fork up to and including Isthmus is active at genesis.
 */
export type Genesis = {
  /** Without `optimism` the chain is Ethereum's own, by whose rules published tests are run. */
  readonly config: { readonly chainId: number; readonly optimism?: OptimismConfig } & Readonly<
    Record<string, unknown>
  >
  readonly alloc: Readonly<Record<string, GenesisAccount>>
  readonly timestamp: string | number
  readonly gasLimit: string | number
  readonly extraData?: Hex
  readonly nonce?: string | number
  readonly difficulty?: string | number
  readonly mixHash?: Hex
  readonly coinbase?: Hex
  readonly baseFeePerGas?: string | number
}
