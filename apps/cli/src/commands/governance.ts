import { BaseError, Open } from '@openledger/primitives'
import type { Deployment } from '@openledger/protocol'
import { Governance, Parameters } from '@openledger/sdk'
import type { Command } from 'commander'
import type { PublicClient } from 'viem'
import { green, table } from '../Output.ts'
import type { Session } from '../Session.ts'

/** Governance: a change of anything that a vote can set, from its proposal to its execution, one step a command. */
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
    .description('lists the proposals, newest first, where they stand and what they would do')
    .action(async () => {
      const { l2, network } = await session.connect()
      for (const proposal of await Governance.list(l2, network.deployment)) {
        const { id, state, description } = proposal
        console.log(`${id.toString().slice(0, 12)}  ${state}  ${description.split('\n')[0]!}`)
        for (const call of Governance.callsOf(proposal)) await show(l2, network.deployment, call)
      }
    })

  program
    .command('parameters')
    .description('lists what a vote can set, what stands now, and within which bounds')
    .action(async () => {
      const { l2, network } = await session.connect()
      const rows = await Promise.all(
        Parameters.ALL.map(async ({ key, title, fields, limits }) => {
          const values = await Parameters.read(l2, network.deployment, key)
          return [
            key,
            fields
              .map((field, i) => (values ? Parameters.format(field, values[i]!) : `(${field.unit})`))
              .join(', '),
            title,
            limits,
          ]
        }),
      )
      table([['parameter', 'now', 'what it is', 'within'], ...rows])
    })

  program
    .command('propose')
    .description('proposes new values of a parameter, or any call; says what it would do before it is signed')
    .argument('<parameter>', 'one of the command parameters, or call')
    .argument('<values...>', 'in order: per cent, seconds, OPEN, addresses; for call: contract, data, [OPEN]')
    .option('--description <text>', 'why')
    .option('--dry-run', 'only says what it would do')
    .action(async (parameter: string, values: string[], options: { description?: string; dryRun?: true }) => {
      const { l2, network } = await session.connect()
      const { deployment } = network
      const call =
        parameter === 'call'
          ? Parameters.rawCall(values[0]!, values[1] ?? '', values[2])
          : Parameters.callOf(deployment, parameter, values)
      const effect = await show(l2, deployment, call)
      await Parameters.tryOut(l2, deployment, call)
      if (options.dryRun) return
      const { wallet } = await acting()
      const description = options.description ?? effect.title
      const { id } = await Governance.propose(l2, wallet, deployment, [call], description)
      console.log(`${green('Proposed')}: ${id}`)
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

/** Prints a call in words. */
async function show(
  publicClient: PublicClient,
  deployment: Deployment,
  call: Parameters.Call,
): Promise<Parameters.Effect> {
  const effect = await Parameters.describe(publicClient, deployment, call)
  console.log(`  ${effect.title}`)
  for (const { label, current, proposed } of effect.lines) {
    console.log(`    ${label}: ${current === undefined ? '' : `${current} -> `}${proposed}`)
  }
  if (effect.parameter !== undefined) console.log(`    ${effect.parameter.since} ${effect.parameter.limits}`)
  return effect
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
