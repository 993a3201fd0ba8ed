import { BaseError, Open } from '@openledger/primitives'
import { Governance } from '@openledger/sdk'
import type { Command } from 'commander'
import { green, table } from '../Output.ts'
import type { Session } from '../Session.ts'

/** Governance: a change of the fee split from its proposal to its execution, one step a command. */
export function addGovernanceCommands(program: Command, session: Session): void {
  const acting = async () => {
    const { connection, account } = await session.acting()
    const { l2, network } = connection
    return { l2, deployment: network.deployment, wallet: connection.l2Wallet(account), account }
  }
  const find = async (id: string) => {
    const { l2, network } = await session.connect()
    const proposals = await Governance.list(l2, network.deployment)
    const found = proposals.find((proposal) => proposal.id.toString().startsWith(id))
    if (found === undefined) throw new UnknownProposalError(id)
    return found
  }

  program
    .command('votes')
    .description('turns OPEN into votes of your own, which count for proposals made after that')
    .argument('<amount>', 'OPEN to wrap into gOPEN')
    .action(async (amount: string) => {
      const { l2, deployment, wallet } = await acting()
      await Governance.becomeVoter(l2, wallet, deployment, Open.parse(amount))
      console.log(`${green('Yours')}: ${amount} votes more`)
    })

  program
    .command('proposals')
    .description('lists the proposals, newest first, and where they stand')
    .action(async () => {
      const { l2, network } = await session.connect()
      const proposals = await Governance.list(l2, network.deployment)
      table([
        ['proposal', 'state', 'description'],
        ...proposals.map(({ id, state, description }) => [
          id.toString().slice(0, 12),
          state,
          description.split('\n')[0]!,
        ]),
      ])
    })

  program
    .command('propose')
    .description('proposes a split of fees, in hundredths of a per cent that sum to 10,000')
    .argument('<platform>')
    .argument('<owner>')
    .argument('<stakers>')
    .argument('<contributors>')
    .option('--description <text>', 'why', 'A new split of fees')
    .action(async (...words: [string, string, string, string, { description: string }]) => {
      const { l2, deployment, wallet } = await acting()
      const [platformBps, ownerBps, stakersBps, contributorsBps] = words.slice(0, 4).map(Number) as [
        number,
        number,
        number,
        number,
      ]
      const proposal = await Governance.proposeSplit(
        l2,
        wallet,
        deployment,
        { platformBps, ownerBps, stakersBps, contributorsBps },
        words[4].description,
      )
      console.log(`${green('Proposed')}: ${proposal.id}`)
    })

  program
    .command('vote')
    .description('votes on a proposal')
    .argument('<proposal>', 'its number, or how it begins')
    .argument('[ballot]', 'for, against or abstain', 'for')
    .action(async (id: string, ballot: string) => {
      const known = Governance.BALLOTS.find((word) => word === ballot)
      if (known === undefined) throw new UnknownBallotError(ballot)
      const proposal = await find(id)
      const { l2, deployment, wallet } = await acting()
      await Governance.vote(l2, wallet, deployment, proposal.id, known)
      console.log(`${green('Voted')} ${known}`)
    })

  const advance = async (id: string, step: 'queue' | 'execute', done: string) => {
    const proposal = await find(id)
    const { l2, deployment, wallet } = await acting()
    console.log(`${green(done)} in ${await Governance.advance(l2, wallet, deployment, proposal, step)}`)
  }

  program
    .command('queue')
    .description('queues a proposal that has passed in the timelock')
    .argument('<proposal>', 'its number, or how it begins')
    .action((id: string) => advance(id, 'queue', 'Queued'))

  program
    .command('execute')
    .description('carries out a queued proposal whose delay is over')
    .argument('<proposal>', 'its number, or how it begins')
    .action((id: string) => advance(id, 'execute', 'Executed'))
}

export class UnknownProposalError extends BaseError {
  constructor(id: string) {
    super({
      code: 'cli.unknown_proposal',
      message: `Expected the number of a proposal or how it begins, got ${id}. The command proposals lists them.`,
      context: { id },
    })
  }
}

export class UnknownBallotError extends BaseError {
  constructor(ballot: string) {
    super({
      code: 'cli.unknown_ballot',
      message: `Expected for, against or abstain, got ${ballot}. Nothing was sent.`,
      context: { ballot },
    })
  }
}
