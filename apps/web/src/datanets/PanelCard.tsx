import { Badge, Button, Card, Group, Stack, Table, Text, TextInput, Title } from '@mantine/core'
import { type Http, PanelRecords } from '@openledger/protocol'
import { validatorPanelAbi } from '@openledger/protocol/abi/validatorPanel'
import { ValidatorPanel } from '@openledger/sdk'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { client, queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { moment } from '../components/words.ts'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useSigner } from '../wallet/useSigner.ts'
import { useTransact } from '../wallet/useTransact.ts'
import { useL2Client } from '../wallet/useWallet.ts'
import { indexesOf } from './places.ts'
import { useRecordsInput } from './RecordsInput.tsx'

const STAGE_TEXT = {
  draw: 'waits for its judges to be drawn',
  commit: 'judges commit to their votes',
  reveal: 'judges reveal their votes',
  appeal: 'can be appealed',
  conclude: 'waits for its votes to be counted',
  carryOut: 'is decided and waits to be recorded',
  over: 'is over',
} as const

/** Disputes about a contribution before validators drawn by stake: every vote, and what can be done next. */
export function PanelCard({ contribution }: { contribution: Http.ContributionDetail }) {
  const terms = useQuery(queries.datanetPanel(contribution.datanetId))
  const cases = useQuery(queries.panelCases(contribution.id))
  const isJudged = contribution.status === 'versioned' || contribution.status === 'validated'
  const canDispute = terms.data?.isUnderPanel === true && isJudged
  if (!canDispute && (cases.data ?? []).length === 0) return null
  return (
    <Card withBorder component="section" aria-labelledby="panel">
      <Title order={2} size="h4" mb={4} id="panel">
        Disputes
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        Validators with stake behind them judge what is disputed: drawn by lot, committed before they reveal,
        slashed when silent or clearly outvoted. One appeal goes to twice as many others, and is final.
      </Text>
      {terms.data?.isOnly === true && (
        <Text size="sm" mb="sm">
          Nothing is accepted here but by them: have every record judged that is to count.
        </Text>
      )}
      <Stack>
        {(cases.data ?? []).map((each) => (
          <Case key={each.id} contribution={contribution} found={each} />
        ))}
        {canDispute && terms.data && <Dispute contribution={contribution} terms={terms.data} />}
      </Stack>
    </Card>
  )
}

function Dispute({
  contribution,
  terms,
}: {
  contribution: Http.ContributionDetail
  terms: Http.DatanetPanel
}) {
  const network = useQuery(queries.network)
  const transact = useTransact()
  const { indexes, input } = useRecordsInput('Records whose verdict you dispute', contribution.recordCount)
  const costWei = BigInt(terms.judges) * BigInt(terms.feeWei)
  const dispute = () =>
    transact.start(async () => {
      const { part, word } = ValidatorPanel.recordsOf(indexes!)
      await transact.send({
        address: network.data!.deployment.l2.validatorPanel,
        abi: validatorPanelAbi,
        functionName: 'dispute',
        args: [contribution.id, part, word],
        valueWei: costWei,
      })
    })
  return (
    <div>
      <Group align="flex-end" gap="xs">
        {input}
        <Button
          size="xs"
          disabled={indexes === undefined || network.data === undefined || !transact.isReady}
          loading={transact.isBusy}
          onClick={dispute}
        >
          Dispute
        </Button>
        <Text size="sm" c="dimmed">
          <Amount wei={costWei.toString()} /> for{' '}
          {terms.judges === 1 ? 'one judge' : `${terms.judges} judges`}
        </Text>
      </Group>
      <TransactionState progress={transact.progress} />
    </div>
  )
}

function Case({ contribution, found }: { contribution: Http.ContributionDetail; found: Http.PanelCase }) {
  const network = useQuery(queries.network)
  const signer = useSigner()
  const publicClient = useL2Client()
  const queryClient = useQueryClient()
  const transact = useTransact()
  const [accepted, setAccepted] = useState('')
  const [reason, setReason] = useState('')
  const { id, stage, votes } = found
  const own = votes.find(
    ({ judge, round }) => judge === signer?.address && round === (found.appellant ? 1 : 0),
  )
  const panel =
    network.data && ({ address: network.data.deployment.l2.validatorPanel, abi: validatorPanelAbi } as const)
  const isReady = panel !== undefined && signer !== undefined && transact.isReady
  const chosen = accepted.trim() === '' ? [] : indexesOf(accepted, contribution.recordCount)
  const isVote = chosen?.every((index) => found.disputed.includes(index)) === true
  const step = () =>
    transact.start(async () => {
      const args = [BigInt(id)] as const
      if (stage === 'draw') await transact.send({ ...panel!, functionName: 'draw', args })
      if (stage === 'conclude') await transact.send({ ...panel!, functionName: 'conclude', args })
      if (stage !== 'carryOut') return
      const detail = await client.followContribution(contribution.id)
      await transact.send({
        ...panel!,
        functionName: 'carryOut',
        args: PanelRecords.carryOutArguments(id, detail),
      })
      // the verdict that was recorded is shown at once
      const { queryKey } = queries.contribution(contribution.id)
      queryClient.setQueryData(queryKey, await client.followContribution(contribution.id))
    })
  const appeal = () =>
    transact.start(() =>
      transact.send({
        ...panel!,
        functionName: 'appeal',
        args: [BigInt(id)],
        valueWei: BigInt(found.appealCostWei),
      }),
    )
  const commit = () =>
    transact.start(async () => {
      const sealed = await ValidatorPanel.seal(signer!, network.data!.deployment, id, chosen!)
      const args = [BigInt(id), sealed.commitment, sealed.sealedVote] as const
      await transact.send({ ...panel!, functionName: 'commitVote', args })
    })
  const reveal = () =>
    transact.start(async () => {
      const { word, salt } = await ValidatorPanel.open(publicClient!, signer!, network.data!.deployment, id)
      await transact.send({ ...panel!, functionName: 'revealVote', args: [BigInt(id), word, salt, reason] })
    })
  return (
    <div>
      <Group gap="xs" mb={4}>
        <Text size="sm" fw={600}>
          Case {id}: records {numbersOf(found.disputed)}
        </Text>
        <Badge color={found.outcome === 'decided' ? 'green' : found.outcome === 'open' ? 'yellow' : 'gray'}>
          {found.outcome}
        </Badge>
        <Text size="sm" c="dimmed">
          {STAGE_TEXT[stage]}
          {found.until !== null && ` until ${moment(found.until)}`}
        </Text>
      </Group>
      {found.outcome === 'decided' && (
        <Text size="sm" mb={4}>
          Accepted: {numbersOf(found.accepted)}. Rejected: {numbersOf(found.rejected)}.
        </Text>
      )}
      {votes.length > 0 && <Votes votes={votes} />}
      <Group align="flex-end" gap="xs" mt="xs">
        {(stage === 'draw' || stage === 'conclude' || stage === 'carryOut') && (
          <Button
            size="xs"
            variant="light"
            disabled={!isReady || (stage === 'draw' && !found.isDrawable)}
            loading={transact.isBusy}
            onClick={step}
          >
            {stage === 'draw' ? 'Draw the judges' : stage === 'conclude' ? 'Count the votes' : 'Record it'}
          </Button>
        )}
        {stage === 'commit' && own !== undefined && (
          <>
            <TextInput
              label="Records that you accept, of those disputed"
              placeholder="none"
              size="xs"
              value={accepted}
              onChange={(event) => setAccepted(event.currentTarget.value)}
              error={isVote ? undefined : `of ${numbersOf(found.disputed)}`}
            />
            <Button size="xs" disabled={!isReady || !isVote} loading={transact.isBusy} onClick={commit}>
              Commit
            </Button>
          </>
        )}
        {stage === 'reveal' && own?.state === 'committed' && (
          <>
            <TextInput
              label="Why"
              size="xs"
              w={320}
              value={reason}
              onChange={(event) => setReason(event.currentTarget.value)}
            />
            <Button size="xs" disabled={!isReady} loading={transact.isBusy} onClick={reveal}>
              Reveal
            </Button>
          </>
        )}
        {stage === 'appeal' && (
          <>
            <Button size="xs" disabled={!isReady} loading={transact.isBusy} onClick={appeal}>
              Appeal
            </Button>
            <Text size="sm" c="dimmed">
              <Amount wei={found.appealCostWei} />, half of it back if the verdict changes
            </Text>
          </>
        )}
      </Group>
      <TransactionState progress={transact.progress} />
    </div>
  )
}

function Votes({ votes }: { votes: Http.PanelCase['votes'] }) {
  return (
    <Table withRowBorders={false} aria-label="Votes">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Judge</Table.Th>
          <Table.Th>Stake</Table.Th>
          <Table.Th>Accepts</Table.Th>
          <Table.Th>Why</Table.Th>
          <Table.Th>Paid</Table.Th>
          <Table.Th>Slashed</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {votes.map((vote) => (
          <Table.Tr key={vote.judge}>
            <Table.Td>
              <Address value={vote.judge} /> {vote.round === 1 && '(appeal)'}
            </Table.Td>
            <Table.Td>
              <Amount wei={vote.weightWei} />
            </Table.Td>
            <Table.Td>{vote.accepted === null ? vote.state : numbersOf(vote.accepted)}</Table.Td>
            <Table.Td style={{ overflowWrap: 'anywhere' }}>{vote.reason}</Table.Td>
            <Table.Td>
              <Amount wei={vote.paidWei} />
            </Table.Td>
            <Table.Td>
              <Amount wei={vote.slashedWei} />
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  )
}

/** People count records from one. */
const numbersOf = (indexes: readonly number[]): string =>
  indexes.length === 0 ? 'none' : indexes.map((index) => index + 1).join(', ')
