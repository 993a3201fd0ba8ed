import { Open } from '@openledger/primitives'
import type { Command } from 'commander'
import { table } from '../Output.ts'
import type { Session } from '../Session.ts'

/** The network as a whole. */
export function addNetworkCommands(program: Command, session: Session): void {
  program
    .command('status')
    .description('what runs, and whether the money adds up')
    .action(async () => {
      const { network, client } = await session.connect()
      const seed = await client.seed()
      const { onL2Wei } = network.supply
      table([
        ['what', 'value'],
        [
          'network',
          `${network.name} (chain ${network.deployment.l2ChainId}, L1 ${network.deployment.l1ChainId})`,
        ],
        ['L2 RPC', network.l2RpcUrl],
        [
          'blocks',
          `unsafe ${network.heads.unsafe}, safe ${network.heads.safe}, finalized ${network.heads.finalized}`,
        ],
        ['locked on L1', `${Open.format(BigInt(network.supply.lockedOnL1Wei))} OPEN`],
        ['exists on L2', onL2Wei === null ? 'not counted' : `${Open.format(BigInt(onL2Wei))} OPEN`],
        ['base model', `${network.base.name}, ${(network.base.parameters / 1e6).toFixed(1)} M parameters`],
        [
          'first start',
          seed.done ? 'complete' : seed.steps.map((step) => `${step.title}: ${step.state}`).join('; '),
        ],
      ])
    })

  program
    .command('tour')
    .description('goes once round the loop on the running system and says what happens')
    .action(async () => {
      const { tour } = await import('../tour.ts')
      await tour(session.url())
    })
}
