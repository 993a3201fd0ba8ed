import type { Command } from 'commander'
import type { VerifierSettings } from '../verifierNode.ts'

/** Nodes of the chain that need no server. */
export function addChainCommands(program: Command): void {
  program
    .command('verifier')
    .description('runs a node that believes nobody but L1: derives the chain, executes it, serves JSON-RPC')
    .requiredOption('--l1 <url>', 'JSON-RPC of the L1')
    .option('--beacon <url>', 'beacon API of the L1, for batches in blobs; by default the same address')
    .option('--genesis <file>', 'genesis.json of the chain', '.openledger/chain/genesis.json')
    .option('--rollup <file>', 'rollup.json of the chain', '.openledger/chain/rollup.json')
    .option('--directory <path>', 'where the derived chain is kept', '.openledger-verifier')
    .option('--rpc-port <port>', '0 takes a free one', '9546')
    .option('--sequencer <url>', 'JSON-RPC to which transactions sent here are handed on')
    .option('--compare <url>', 'JSON-RPC of a node whose blocks must be the same at every height')
    .option('--once', 'end when everything that L1 tells is derived')
    .action(async (settings: VerifierSettings) => {
      const { runVerifier } = await import('../verifierNode.ts')
      await runVerifier(settings)
    })
}
