import { Badge, Button, Card, Group, Stack, Text, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { openGovernorAbi } from '@openledger/protocol/abi/openGovernor'
import type { Governance } from '@openledger/sdk'
import { keccak256, toBytes } from 'viem'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { Figure, Figures } from '../components/Figure.tsx'
import { duration } from '../components/words.ts'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useTransact } from '../wallet/useTransact.ts'
import { EffectWords } from './EffectWords.tsx'
import type { GovernanceView, ProposalView } from './governanceQuery.ts'

const COLOURS: Record<Governance.State, string> = {
  pending: 'gray',
  active: 'cyan',
  succeeded: 'green',
  queued: 'yellow',
  executed: 'green',
  canceled: 'gray',
  defeated: 'red',
  expired: 'gray',
}

/** How the governor counts: see OpenZeppelin's `GovernorCountingSimple`. */
const VOTES = [
  [1, 'Vote for'],
  [0, 'Vote against'],
  [2, 'Abstain'],
] as const

type Props = {
  proposal: ProposalView
  governance: GovernanceView
  deployment: Http.Network['deployment']
}

/** One proposal: what it changes, how the vote stands, and what can be done with it now. */
export function ProposalCard({ proposal, governance, deployment }: Props) {
  const { id, state, votesWei, effects, targets, values, calldatas, description } = proposal
  const { chainTime } = governance
  const transact = useTransact()
  const governor = { address: deployment.l2.governor, abi: openGovernorAbi } as const
  const call = [targets, values, calldatas, keccak256(toBytes(description))] as const
  const canAct = transact.isReady && !transact.isBusy
  return (
    <Card withBorder component="article" aria-label={description}>
      <Stack gap="sm">
        <Group justify="space-between" align="flex-start" wrap="nowrap">
          <Title order={3} size="h5" style={{ overflowWrap: 'anywhere' }}>
            {description}
          </Title>
          <Badge color={COLOURS[state]} style={{ flexShrink: 0 }}>
            {state}
          </Badge>
        </Group>
        {effects.map((effect, i) => (
          // the calls of a proposal never change
          // biome-ignore lint/suspicious/noArrayIndexKey: two calls may be the same
          <EffectWords key={i} effect={effect} isDone={state === 'executed'} />
        ))}
        <Figures>
          <Figure label="For">
            <Amount wei={votesWei.for} />
          </Figure>
          <Figure label="Against">
            <Amount wei={votesWei.against} />
          </Figure>
          <Figure label="Abstaining">
            <Amount wei={votesWei.abstain} />
          </Figure>
          <Figure label="Quorum">
            <Amount wei={governance.quorumWei} />
          </Figure>
          <Figure label="Proposed by">
            <Address value={proposal.proposer} />
          </Figure>
        </Figures>
        <Text size="sm" c="dimmed" role="status">
          {situation(proposal, chainTime)}
        </Text>
        <Group gap="xs">
          {state === 'active' &&
            !proposal.hasVoted &&
            VOTES.map(([support, label]) => (
              <Button
                key={label}
                size="xs"
                variant={support === 1 ? 'filled' : 'default'}
                disabled={!canAct || governance.votesWei === 0n}
                onClick={() =>
                  transact.start(() =>
                    transact.send({ ...governor, functionName: 'castVote', args: [id, support] }),
                  )
                }
              >
                {label}
              </Button>
            ))}
          {state === 'succeeded' && (
            <Button
              size="xs"
              disabled={!canAct}
              onClick={() =>
                transact.start(() => transact.send({ ...governor, functionName: 'queue', args: call }))
              }
            >
              Queue it
            </Button>
          )}
          {state === 'queued' && (
            <Button
              size="xs"
              disabled={!canAct || chainTime < proposal.readyAt}
              onClick={() =>
                transact.start(() => transact.send({ ...governor, functionName: 'execute', args: call }))
              }
            >
              Execute it
            </Button>
          )}
        </Group>
        <TransactionState progress={transact.progress} />
      </Stack>
    </Card>
  )
}

/** Says what a proposal waits for; times are the chain's. */
function situation({ state, opensAt, closesAt, readyAt, hasVoted }: ProposalView, chainTime: number): string {
  const inTime = (until: number) => duration(Math.max(1, until - chainTime))
  switch (state) {
    case 'pending':
      return `Voting opens in ${inTime(opensAt)}.`
    case 'active':
      return `Voting closes in ${inTime(closesAt)}.${hasVoted ? ' You have voted.' : ''}`
    case 'succeeded':
      return 'It has passed. Anyone can queue it now.'
    case 'queued':
      return readyAt > chainTime
        ? `It waits in the timelock for another ${inTime(readyAt)}.`
        : 'Its delay is over. Anyone can execute it now.'
    case 'executed':
      return 'It is in force.'
    case 'defeated':
      return 'It did not pass.'
    case 'canceled':
      return 'It was withdrawn.'
    case 'expired':
      return 'It was not executed in time.'
  }
}
