import { Guarantees } from '@openledger/agent'
import { BaseError, type Hex, Open } from '@openledger/primitives'
import type { Command } from 'commander'
import { addressOf } from '../Arguments.ts'
import { green, open, table } from '../Output.ts'
import { type Session, senderOf } from '../Session.ts'

/** What an agent's owner promises a client out of the agent's stake, when a validator says that the work failed. */
export function addGuaranteeCommands(program: Command, session: Session): void {
  const acting = async () => {
    const { connection, account } = await session.acting()
    return {
      l2: connection.l2,
      deployment: connection.network.deployment,
      sender: senderOf(connection, account),
    }
  }

  program
    .command('guarantee-work')
    .description(
      'guarantees a client the work that a validator was asked to check, with your stake behind the agent',
    )
    .argument('<request>', 'hash that request-validation gave')
    .argument('<client>', 'address that is paid when the work fails')
    .argument('<amount>', 'OPEN')
    .option('--pass <score>', 'score of 100 below which the work has failed', '50')
    .option('--minutes <minutes>', 'until when the validator’s answer counts', '2')
    .action(
      async (request: Hex, client: string, amount: string, terms: { pass: string; minutes: string }) => {
        const { l2, deployment, sender } = await acting()
        const { timestamp } = await l2.getBlock()
        const until = timestamp + BigInt(Math.ceil(60 * positive('--minutes', terms.minutes)))
        const { transactionHash } = await sender.send(
          Guarantees.give(deployment, request, {
            client: addressOf(client),
            amountWei: Open.parse(amount),
            passMark: positive('--pass', terms.pass),
            until,
          }),
        )
        console.log(`${green('Guaranteed')} until ${timeOf(Number(until))} in ${transactionHash}`)
      },
    )

  program
    .command('guarantee')
    .description('shows what was guaranteed of a piece of work, pays its client when it failed, or ends it')
    .argument('<request>', 'hash that request-validation gave')
    .option('--forfeit', 'pays the client out of the agent’s stake')
    .option('--end', 'frees the stake, where the client wants it or it is over')
    .action(async (request: Hex, { forfeit, end }: { forfeit?: true; end?: true }) => {
      const { l2, deployment, sender } = await acting()
      if (forfeit) await sender.send(Guarantees.forfeit(deployment, request))
      else if (end) await sender.send(Guarantees.end(deployment, request))
      const given = await Guarantees.read(l2, deployment, request)
      if (given === undefined) throw new NoGuaranteeError(request)
      const { agentId, client, amountWei, validator, passMark, until, answer, state } = given
      const answered = answer && `${answer.score}${answer.at > until ? ', too late' : ''}`
      table([
        ['agent', 'client', 'guaranteed', 'decides', 'passes from', 'until', 'answer', 'state'],
        [
          String(agentId),
          client,
          open(amountWei),
          validator,
          String(passMark),
          timeOf(until),
          answered ?? 'none',
          state,
        ],
      ])
    })
}

const timeOf = (seconds: number): string => new Date(seconds * 1000).toISOString()

/** @throws {BaseError} */
function positive(option: string, text: string): number {
  const number = Number(text)
  if (Number.isFinite(number) && number > 0) return number
  throw new BaseError({
    code: 'cli.not_positive',
    message: `Expected ${option} to be a number above 0, got ${text}. Nothing was sent.`,
    context: { option, text },
  })
}

class NoGuaranteeError extends BaseError {
  constructor(request: Hex) {
    super({
      code: 'cli.no_guarantee',
      message: `Expected a request that somebody guaranteed, got ${request}. The agent's owner gives a guarantee with \`openledger guarantee-work\`.`,
      context: { request },
    })
  }
}
