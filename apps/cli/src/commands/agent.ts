import { type ProvisionStep, provisionAgent, RegistryCalls, WalletCalls } from '@openledger/agent'
import { BaseError, type Hex, Open } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import { wopenAbi } from '@openledger/protocol/abi/wopen'
import type { Command } from 'commander'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { addressOf } from '../Arguments.ts'
import type { Connection } from '../Connection.ts'
import { dim, green, open, table } from '../Output.ts'
import { type Session, senderOf } from '../Session.ts'

const STEP_TEXT: Record<ProvisionStep, string> = {
  wallet: 'creating its wallet',
  identity: 'registering its identity and sending it money',
  session: 'giving its key the right to pay',
}

type AgentLimits = {
  readonly perPayment: string
  readonly total: string
  readonly fund: string
  readonly days: string
  readonly description: string
  readonly key?: string
}

/** Programs with a wallet of their own: made, watched, given money and stopped by who answers for them. */
export function addAgentCommands(program: Command, session: Session): void {
  program
    .command('agents')
    .description('lists the agents, what they hold and what their keys may still pay')
    .action(async () => {
      const { client } = await session.connect()
      table([
        ['id', 'name', 'wallet', 'owner', 'holds', 'rated', 'validated', 'keys'],
        ...(await client.agents()).map((agent) => [
          agent.id,
          agent.name,
          agent.wallet,
          agent.owner,
          open(agent.walletWei),
          ratedIn(agent),
          judgement(agent.validation),
          agent.sessions.map(stateOf).join('; ') || 'none',
        ]),
      ])
    })

  program
    .command('create-agent')
    .description(
      'puts an agent on chain: a wallet that you own, an identity, and a key that pays within limits',
    )
    .argument('<name>', 'what others see; you can have one agent of a name')
    .option('--per-payment <OPEN>', 'most that one payment may move', '0.2')
    .option('--total <OPEN>', 'most that its key may pay in all', '1')
    .option('--fund <OPEN>', 'what its wallet is given', '1')
    .option('--days <days>', 'how long its key may pay', '30')
    .option('--description <text>', 'what it does', 'An agent that asks models.')
    .option('--key <address>', 'a key that its process has already; otherwise one is made')
    .action(async (name: string, limits: AgentLimits) => {
      const { connection, account } = await session.acting()
      const secret = limits.key === undefined ? generatePrivateKey() : undefined
      const key = secret === undefined ? addressOf(limits.key!) : privateKeyToAccount(secret).address
      const { l2, network, url } = connection
      const { timestamp } = await l2.getBlock()
      const { agentId, wallet } = await provisionAgent({
        publicClient: l2,
        owner: senderOf(connection, account),
        deployment: network.deployment,
        name,
        description: limits.description,
        sessionKey: key,
        session: {
          limitPerPaymentWei: Open.parse(limits.perPayment),
          limitTotalWei: Open.parse(limits.total),
          expiresAt: timestamp + daysOf(limits.days),
        },
        fundWei: Open.parse(limits.fund),
        serverUrl: url,
        onStep: (step) => console.log(dim(STEP_TEXT[step])),
      })
      console.log(`${green('On chain')}: agent ${agentId}, ${name}, with wallet ${wallet} and key ${key}`)
      if (secret === undefined) return
      console.log(
        `Its key is shown once. It can pay for answers within its limits and do nothing else:\n  OPENLEDGER_PRIVATE_KEY=${secret} npm run openledger -- agent-ask ${wallet} <model> <prompt>`,
      )
    })

  program
    .command('agent-ask')
    .description('asks a model as an agent: OPENLEDGER_PRIVATE_KEY is its key, and its wallet pays by x402')
    .argument('<wallet>', 'the wallet of the agent')
    .argument('<model>', 'name of a published model')
    .argument('<prompt>', 'text that the model goes on with')
    .option('--max-tokens <tokens>', 'length of the answer at most', '64')
    .action(async (wallet: string, model: string, prompt: string, { maxTokens }: { maxTokens: string }) => {
      const { createAgent } = await import('@openledger/agent')
      const { connection, account } = await session.acting()
      const agent = createAgent({
        wallet: addressOf(wallet),
        sessionAccount: account,
        chainId: connection.network.deployment.l2ChainId,
        serverUrl: connection.url,
      })
      const answer = await agent.ask({ model, prompt, maxTokens: Number(maxTokens) })
      console.log(answer.text)
      const { sequence, feeWei } = answer.receipt
      console.log(dim(`receipt ${sequence}: ${open(feeWei)}, paid in ${answer.paymentTransaction}`))
    })

  program
    .command('top-up-agent')
    .description('gives the wallet of an agent of yours more to pay with')
    .argument('<agent>', 'id of the agent')
    .argument('<amount>', 'OPEN')
    .action(async (id: string, amount: string) => {
      const { connection, account } = await session.acting()
      const { wallet } = await agentOf(connection, id)
      const amountWei = Open.parse(amount)
      const { transactionHash } = await senderOf(connection, account).send(
        WalletCalls.topUp(wallet, connection.network.deployment.l2.wopen, amountWei),
      )
      console.log(`${green('Given')}: ${open(amountWei)} in ${transactionHash}`)
    })

  program
    .command('revoke-agent')
    .description('ends every key of an agent of yours at once')
    .argument('<agent>', 'id of the agent')
    .action(async (id: string) => {
      const { connection, account } = await session.acting()
      const { wallet, name } = await agentOf(connection, id)
      const { transactionHash } = await senderOf(connection, account).send(WalletCalls.revokeSessions(wallet))
      console.log(`${green('Stopped')}: no key of ${name} can pay from now on (${transactionHash})`)
    })

  program
    .command('rate-agent')
    .description('rates an agent that is not yours')
    .argument('<agent>', 'id of the agent')
    .argument('<score>', '0 to 100')
    .action(async (id: string, score: string) => {
      const { connection, account } = await session.acting()
      const { name, owner } = await agentOf(connection, id)
      if (owner === account.address.toLowerCase()) throw new OwnAgentError(name)
      const { agentReputation } = connection.network.deployment.l2
      const { transactionHash } = await senderOf(connection, account).send(
        RegistryCalls.rate(agentReputation, BigInt(id), Number(score)),
      )
      console.log(`${green('Rated')}: ${name} with ${score} of 100 in ${transactionHash}`)
    })

  program
    .command('request-validation')
    .description('has an agent of yours ask a validator to check its work')
    .argument('<agent>', 'id of the agent')
    .argument('<validator>', 'address of who is to check')
    .argument('<text>', 'what to check, or where it is')
    .action(async (id: string, validator: Hex, text: string) => {
      const { connection, account } = await session.acting()
      const { wallet } = await agentOf(connection, id)
      const { agentValidation } = connection.network.deployment.l2
      await senderOf(connection, account).send(
        RegistryCalls.requestValidation(wallet, agentValidation, BigInt(id), validator, text),
      )
      console.log(
        `${green('Asked')}: the validator answers with openledger answer-validation ${RegistryCalls.requestHashOf(BigInt(id), validator, text)} SCORE`,
      )
    })

  program
    .command('answer-validation')
    .description('answers, as the validator that was asked, how an agent’s work came out')
    .argument('<request>', 'hash that request-validation gave')
    .argument('<score>', '0 (failed) to 100 (passed)')
    .action(async (request: Hex, score: string) => {
      const { connection, account } = await session.acting()
      const { agentValidation } = connection.network.deployment.l2
      const { transactionHash } = await senderOf(connection, account).send(
        RegistryCalls.answerValidation(agentValidation, request, Number(score)),
      )
      console.log(`${green('Answered')} in ${transactionHash}`)
    })

  program
    .command('empty-agent')
    .description('takes what the wallet of an agent of yours holds')
    .argument('<agent>', 'id of the agent')
    .action(async (id: string) => {
      const { connection, account } = await session.acting()
      const { wallet } = await agentOf(connection, id)
      const { l2, network } = connection
      const { wopen } = network.deployment.l2
      const [openWei, wopenWei] = await Promise.all([
        l2.getBalance({ address: wallet }),
        l2.readContract({ address: wopen, abi: wopenAbi, functionName: 'balanceOf', args: [wallet] }),
      ])
      const sender = senderOf(connection, account)
      for (const call of WalletCalls.empty(wallet, wopen, account.address, { openWei, wopenWei })) {
        await sender.send(call)
      }
      console.log(`${green('Taken')}: ${open(openWei + wopenWei)}`)
    })
}

const stateOf = ({ key, spentWei, limitTotalWei, expiresAt, revoked }: Http.Agent['sessions'][number]) => {
  const end = revoked ? 'revoked' : `until ${new Date(expiresAt * 1_000).toISOString().slice(0, 10)}`
  return `${key.slice(0, 8)}… paid ${open(spentWei)} of ${open(limitTotalWei)}, ${end}`
}

/** @throws {BaseError} when no agent has the id. */
async function agentOf({ client }: Connection, id: string): Promise<Http.Agent> {
  const agents = await client.agents()
  const agent = agents.find((each) => each.id === id)
  if (agent !== undefined) return agent
  throw new BaseError({
    code: 'cli.agent_unknown',
    message: `Expected the id of an agent, got ${id}. \`openledger agents\` lists the ${agents.length} there are.`,
    context: { id },
  })
}

/** @returns seconds. @throws {BaseError} */
function daysOf(text: string): bigint {
  const days = Number(text)
  if (Number.isFinite(days) && days > 0 && days <= 3_650) return BigInt(Math.round(days * 86_400))
  throw new BaseError({
    code: 'cli.days',
    message: `Expected --days to be a number above 0 and at most 3650, got ${text}.`,
    context: { text },
  })
}

/** What those say who have paid, and how many others there are. */
const ratedIn = ({ rating, ratings }: Http.Agent): string => {
  const others = ratings.length - rating.count
  return others === 0 ? judgement(rating) : `${judgement(rating)} (${others} not paid)`
}

/** An average from 0 to 100 and how many gave it. */
const judgement = ({ count, average }: Http.Agent['rating']): string =>
  average === null ? 'never' : `${Math.round(average * 10) / 10} by ${count}`

class OwnAgentError extends BaseError {
  constructor(name: string) {
    super({
      code: 'cli.own_agent',
      message: `Expected an agent of somebody else's, got ${name}, which is yours. An owner's rating would not be counted; nothing was sent.`,
      context: { name },
    })
  }
}
