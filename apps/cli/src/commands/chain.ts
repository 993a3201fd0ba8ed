import type { Command } from 'commander'
import type { EngineSettings, NetworkSettings } from '../chainFiles.ts'
import type { AdminSettings } from '../handingOver.ts'
import type { Signer, VerifierSettings } from '../verifierNode.ts'

/** The chain without a server: nodes of it, and its files for other OP Stack clients. */
export function addChainCommands(program: Command, signer: () => Signer): void {
  readsL1(
    program
      .command('verifier')
      .description(
        'runs a node that believes nobody but L1: derives the chain, executes it, serves JSON-RPC',
      ),
  ).action(async (settings: VerifierSettings) => {
    const { runVerifier } = await import('../verifierNode.ts')
    await runVerifier(settings)
  })

  readsL1(
    program
      .command('challenger')
      .description(
        'runs a verifier that compares every output on L1 with what L1 tells, and removes wrong ones',
      )
      .option('--bond-max <ETH>', 'most it puts behind its word for one block', '10'),
  ).action(async (settings: VerifierSettings & { readonly bondMax: string }) => {
    const { runVerifier } = await import('../verifierNode.ts')
    await runVerifier({ ...settings, challenge: { signer: signer(), bondMax: settings.bondMax } })
  })

  readsL1(
    program
      .command('proposer')
      .description('runs a verifier that proposes the output roots of what it derived')
      .option('--bond-max <ETH>', 'most it puts behind an output that is challenged falsely', '10'),
  ).action(async (settings: VerifierSettings & { readonly bondMax: string }) => {
    const { runVerifier } = await import('../verifierNode.ts')
    await runVerifier({ ...settings, propose: { signer: signer(), bondMax: settings.bondMax } })
  })

  readsL1(
    program
      .command('batcher')
      .description('publishes the blocks of the sequencer that --sequencer names')
      .option('--batch-data <where>', 'calldata, blobs, or whichever is cheaper', 'calldata'),
  ).action(
    async (
      settings: VerifierSettings & {
        readonly batchData: NonNullable<VerifierSettings['publish']>['batchData']
      },
    ) => {
      const { runVerifier } = await import('../verifierNode.ts')
      await runVerifier({ ...settings, publish: { signer: signer(), batchData: settings.batchData } })
    },
  )

  readsL1(
    program
      .command('sequencer')
      .description('builds blocks on what L1 tells, and takes transactions')
      .option('--wait', 'begin when admin_startSequencer says so')
      .option('--admin-port <port>', 'where it is told so, on loopback', '9548'),
  ).action(async (settings: VerifierSettings & { readonly wait?: boolean; readonly adminPort: string }) => {
    const { runVerifier } = await import('../verifierNode.ts')
    const { wait = false, adminPort } = settings
    await runVerifier({ ...settings, sequence: { waits: wait, adminPort: Number(adminPort) } })
  })

  takesOrders(
    program
      .command('stop-sequencer')
      .description('stops a sequencer so that another can go on from its last block')
      .option('--rpc <url>', 'its JSON-RPC: waits until L1 tells that block'),
    '9548',
    '.sequencer',
  ).action(async (settings: AdminSettings & { readonly rpc?: string }) => {
    const { stopSequencer } = await import('../handingOver.ts')
    await stopSequencer(settings)
  })

  takesOrders(
    program
      .command('start-sequencer')
      .description('starts a sequencer that waits, once it has derived the last block of the one before')
      .argument('<hash>', 'hash of that block'),
    '9549',
    '.second',
  ).action(async (hash: string, settings: AdminSettings) => {
    const { startSequencer } = await import('../handingOver.ts')
    await startSequencer(hash, settings)
  })

  program
    .command('export')
    .description('prints a file with which other OP Stack clients take over the chain')
    .argument('<what>', 'genesis, rollup or l1-chain-config')
    .option('--directory <folder>', 'folder of the node', '.openledger/chain')
    .option('--out <file>', 'write it there instead')
    .action(async (what: string, { directory, out }: { directory: string; out?: string }) => {
      const { exportFile } = await import('../chainFiles.ts')
      await exportFile(what, directory, out)
    })

  program
    .command('create-network')
    .description('makes the folder of a network of your own: fresh keys, and settings to look through')
    .argument('<folder>', 'a new folder; the server reads it where OPENLEDGER_NETWORK names it')
    .requiredOption('--owner <address>', 'who gets what genesis allocates, and the treasury; a safe place')
    .requiredOption('--chain-id <number>', 'chain id of the L2, one that nobody else uses')
    .option('--name <name>', 'what wallets and the page call it', 'OpenLedger')
    .action(async (folder: string, settings: NetworkSettings) => {
      const { makeNetwork } = await import('../chainFiles.ts')
      await makeNetwork(folder, settings)
    })

  program
    .command('engine')
    .description('runs the execution client alone, for op-node or another consensus client to drive')
    .requiredOption('--genesis <file>', 'genesis.json of the chain')
    .requiredOption('--directory <folder>', 'where its blocks and state are kept')
    .option('--rpc-port <port>', 'JSON-RPC for wallets', '9547')
    .option('--engine-port <port>', 'Engine API', '9551')
    .option('--jwt-secret <file>', '64 hexadecimal digits; made in the folder when not named')
    .action(async (settings: EngineSettings) => {
      const { runEngine } = await import('../chainFiles.ts')
      await runEngine(settings)
    })
}

const takesOrders = (command: Command, port: string, folder: string): Command =>
  command
    .option('--admin <url>', 'where it takes orders', `http://127.0.0.1:${port}`)
    .option('--secret <file>', 'admin.hex of its folder', `${folder}/admin.hex`)

/** What every node takes that reads the chain from L1. */
const readsL1 = (command: Command): Command =>
  command
    .requiredOption('--l1 <url>', 'JSON-RPC of the L1')
    .option('--beacon <url>', 'beacon API of the L1, for batches in blobs; by default the same address')
    .option('--genesis <file>', 'genesis.json of the chain', '.openledger/chain/genesis.json')
    .option('--rollup <file>', 'rollup.json of the chain', '.openledger/chain/rollup.json')
    .option('--upgrades <folder>', 'what forks after genesis deploy, from the OP Stack’s releases')
    .option('--receipt-blocks <number>', 'how many blocks back receipts and logs are kept; all by default')
    .option('--directory <path>', 'where the derived chain is kept', `.openledger-${command.name()}`)
    .option('--rpc-port <port>', 'JSON-RPC; 0 takes a free one', command.name() === 'verifier' ? '9546' : '0')
    .option('--sequencer <url>', 'JSON-RPC to which transactions sent here are handed on')
    .option('--compare <url>', 'JSON-RPC of a node whose blocks must be the same at every height')
    .option('--once', 'end when everything that L1 tells is derived')
