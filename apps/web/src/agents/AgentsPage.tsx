import { Anchor, Card, Group, Progress, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useConnection } from 'wagmi'
import { queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { Command } from '../components/Command.tsx'
import { Figure, Figures } from '../components/Figure.tsx'
import { PageTitle } from '../components/PageTitle.tsx'
import { moment } from '../components/words.ts'
import { PoolPanel } from '../staking/PoolPanel.tsx'
import { AgentOwnerPanel } from './AgentOwnerPanel.tsx'
import { CreateAgent } from './CreateAgent.tsx'
import { RateAgent } from './RateAgent.tsx'

/** Agents with an identity on chain, and what each of their keys may still spend. */
export function AgentsPage() {
  const agents = useQuery(queries.agents)
  return (
    <Stack gap="lg">
      <Group justify="space-between" align="flex-start">
        <PageTitle title="Agents">
          Programs with an identity and a wallet of their own. They pay for answers by themselves, and a
          contract stops them at the limits that their owner set.
        </PageTitle>
        <CreateAgent />
      </Group>
      <AsyncView
        query={agents}
        empty={{
          when: (list) => list.length === 0,
          view: (
            <Card withBorder>
              <Empty title="No agent yet">
                Make one with the button above: its key pays for answers, up to the limits that you set.
              </Empty>
            </Card>
          ),
        }}
      >
        {(list) => (
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            {list.map((agent) => (
              <AgentCard key={agent.id} agent={agent} />
            ))}
          </SimpleGrid>
        )}
      </AsyncView>
      <Card withBorder component="section" aria-labelledby="connect">
        <Title order={2} size="h4" mb={4} id="connect">
          Connect an agent
        </Title>
        <Text size="sm" c="dimmed" mb="xs">
          Any MCP client finds models and buys answers here, paying by x402 or with an API key:
        </Text>
        <Command>{`${window.location.origin}/mcp`}</Command>
      </Card>
    </Stack>
  )
}

function AgentCard({ agent }: { agent: Http.Agent }) {
  const { address } = useConnection()
  const network = useQuery(queries.network)
  const isOwn = address !== undefined && address.toLowerCase() === agent.owner
  return (
    <Card withBorder component="article" aria-label={agent.name}>
      <Title order={2} size="h4" mb="xs" style={{ overflowWrap: 'anywhere' }}>
        {agent.name}
      </Title>
      <Figures mb="sm">
        <Figure label="Identity">ERC-8004 no. {agent.id}</Figure>
        <Figure label="In its wallet">
          <Amount wei={agent.walletWei} />
        </Figure>
        <Figure label="Wallet">
          <Address value={agent.wallet} />
        </Figure>
        <Figure label="Owner">
          <Address value={agent.owner} />
        </Figure>
        <Figure label="Rated by clients who paid">{judgement(agent.rating)}</Figure>
        <Figure label="Judged by validators">{judgement(agent.validation)}</Figure>
      </Figures>
      {agent.sessions.length === 0 ? (
        <Text size="sm" c="dimmed">
          It holds no key that may spend.
        </Text>
      ) : (
        <Stack gap="md">
          {agent.sessions.map((session) => (
            <Session key={session.key} session={session} />
          ))}
        </Stack>
      )}
      {agent.ratings.length > 0 && <Ratings ratings={agent.ratings} />}
      {address !== undefined && !isOwn && network.data !== undefined && (
        <RateAgent agentId={agent.id} agentReputation={network.data.deployment.l2.agentReputation} />
      )}
      {isOwn && network.data !== undefined && (
        <AgentOwnerPanel agent={agent} wopen={network.data.deployment.l2.wopen} />
      )}
      <Title order={3} size="h5" mt="md" mb="xs">
        Stake that answers for it
      </Title>
      <PoolPanel subject={{ role: 'agent', subject: BigInt(agent.id) }} canStake={isOwn} />
    </Card>
  )
}

/** Every rating with what shows that its author has paid; only those that have it are in the average. */
function Ratings({ ratings }: Pick<Http.Agent, 'ratings'>) {
  return (
    <Stack gap={4} mt="md" component="section" aria-label="Ratings">
      {ratings.map(({ client, index, score, proof }) => (
        <Text size="sm" component="div" key={`${client}-${index}`} {...(proof === null && { c: 'dimmed' })}>
          {score} by <Address value={client} />
          {proof === null ? (
            ', who has paid for nothing that its owner sells: not counted'
          ) : (
            <>
              , who paid with{' '}
              <Anchor component={Link} to={`/explorer/receipts/${proof.receiptSequence}`} size="sm">
                receipt {proof.receiptSequence}
              </Anchor>
              , settled in <Address value={proof.settlementTransaction} kind="transaction" />
            </>
          )}
        </Text>
      ))}
    </Stack>
  )
}

/** An average from 0 to 100 and how many gave it. */
const judgement = ({ count, average }: Http.Agent['rating']): string =>
  average === null ? 'never' : `${Math.round(average * 10) / 10} of 100, ${count}×`

function Session({ session }: { session: Http.Agent['sessions'][number] }) {
  const total = BigInt(session.limitTotalWei)
  const spent = BigInt(session.spentWei)
  const hasExpired = session.expiresAt * 1000 < Date.now()
  return (
    <div>
      <Text size="sm" component="div">
        Key <Address value={session.key} /> has paid <Amount wei={spent} strong /> of{' '}
        <Amount wei={total} strong />, at most <Amount wei={session.limitPerPaymentWei} /> at once
      </Text>
      <Progress
        value={total === 0n ? 0 : Number((spent * 100n) / total)}
        my={6}
        aria-label="Part of the limit that is spent"
      />
      <Text size="xs" c="dimmed" component="div">
        only to <Address value={session.payee} /> ·{' '}
        {session.revoked
          ? 'revoked by its owner'
          : `${hasExpired ? 'ended' : 'until'} ${moment(session.expiresAt)}`}
      </Text>
    </div>
  )
}
