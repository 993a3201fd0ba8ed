import { join } from 'node:path'
import { BaseError, type Hex } from '@openledger/primitives'
import { createGenesisBlock, createStateTrie, type Genesis, loadCrypto } from '@openledger/rollup'
import * as DurableFile from '../node/DurableFile.ts'
import { type RollupConfig, rollupConfigSchema } from './RollupConfig.ts'

/** What another OP Stack client needs to take over a chain. */
export type ChainExport = {
  /** Block 0 in geth's form: `geth init`, op-reth's `--chain`. */
  readonly genesis: Genesis
  /** In op-node's form: `--rollup.config`. */
  readonly rollup: RollupConfig
  /** The L1's forks in geth's form, which op-node asks for on chains that it does not know: `--rollup.l1-chain-config`. */
  readonly l1ChainConfig: L1ChainConfig
}

export type L1ChainConfig = Readonly<Record<string, unknown>> & { readonly chainId: number }

const BLOCK_FORKS = [
  'homestead',
  'eip150',
  'eip155',
  'eip158',
  'byzantium',
  'constantinople',
  'petersburg',
  'istanbul',
  'berlin',
  'london',
  'mergeNetsplit',
]
const TIME_FORKS = ['shanghai', 'cancun', 'prague']

/** The forks that the development L1 runs, from its first block, with the blob schedule of EIP-7840. */
const developmentL1ChainConfig = (chainId: number): L1ChainConfig => ({
  chainId,
  ...Object.fromEntries(BLOCK_FORKS.map((name) => [`${name}Block`, 0])),
  ...Object.fromEntries(TIME_FORKS.map((name) => [`${name}Time`, 0])),
  terminalTotalDifficulty: 0,
  blobSchedule: {
    cancun: { target: 3, max: 6, baseFeeUpdateFraction: 3_338_477 },
    prague: { target: 6, max: 9, baseFeeUpdateFraction: 5_007_716 },
  },
})

/**
 * Reads the files of a chain for other clients, and proves that they belong together: the genesis block that the
 * exported state gives has the hash that `rollup.json` names.
 *
 * @param directory - The node's.
 * @throws {ExportMissingError | ExportMismatchError}
 */
export async function exportChain(directory: string): Promise<ChainExport> {
  const genesis = DurableFile.readJson(join(directory, 'genesis.json')) as Genesis | undefined
  const stored = DurableFile.readJson(join(directory, 'rollup.json'))
  if (genesis === undefined || stored === undefined) throw new ExportMissingError(directory)
  const rollup = rollupConfigSchema.parse(stored)
  const hash = await genesisHash(genesis)
  if (hash !== rollup.genesis.l2.hash) throw new ExportMismatchError(rollup.genesis.l2.hash, hash)
  return { genesis, rollup, l1ChainConfig: developmentL1ChainConfig(rollup.l1_chain_id) }
}

/** Computes the hash of block 0 from its description. */
export async function genesisHash(genesis: Genesis): Promise<Hex> {
  const crypto = await loadCrypto()
  return createGenesisBlock(genesis, createStateTrie(crypto), crypto).hash
}

export class ExportMissingError extends BaseError {
  constructor(directory: string) {
    super({
      code: 'export.missing',
      message: `Expected genesis.json and rollup.json in ${directory}; a node writes them at its first start. Name the node's folder, for a server DATA_DIRECTORY/chain.`,
      context: { directory },
    })
  }
}

export class ExportMismatchError extends BaseError {
  constructor(expected: Hex, got: Hex) {
    super({
      code: 'export.mismatch',
      message: `Expected genesis.json to give the block ${expected} that rollup.json names, it gives ${got}. The files are of two chains; take both from the same folder.`,
      context: { expected, got },
    })
  }
}
