import { Alert, Button, Card, Group, List, Text, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import type { Withdrawal } from '@openledger/sdk'
import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import type { Hex } from 'viem'
import { queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { Figure, Figures } from '../components/Figure.tsx'
import { OpenInput } from '../components/OpenInput.tsx'
import { weiOf } from '../components/weiOf.ts'
import { shortMessage } from '../wallet/shortMessage.ts'
import { bridgeOf, type Journey, useBridge, withdrawalsQuery } from './useBridge.ts'

/** What each step of a withdrawal means, in order. */
const STEPS: readonly { readonly stage: Journey['stage']; readonly words: string }[] = [
  { stage: 'asked', words: 'Confirm in your wallet: OPEN is burned on L2' },
  { stage: 'initiated', words: 'Burned on L2; waiting for an output root on L1 over its block' },
  { stage: 'ready-to-prove', words: 'Confirm in your wallet: prove the burning on L1' },
  { stage: 'proven', words: 'Proven on L1; waiting out the finalisation period' },
  { stage: 'ready-to-finalize', words: 'Confirm in your wallet: unlock on L1' },
  { stage: 'finalized', words: 'Unlocked: the OPEN is yours on L1' },
]

/** Taking OPEN from L2 to L1 with a proof, and from L1 to L2. */
export function BridgePanel({ address, network }: { address: Hex; network: Http.Network }) {
  const account = useQuery(queries.account(address))
  const bridge = useMemo(() => bridgeOf(network), [network])
  const withdrawals = useQuery(withdrawalsQuery(bridge, address))
  const { journey, withdraw, resume, deposit } = useBridge(bridge)
  const [amount, setAmount] = useState('')
  const amountWei = weiOf(amount) ?? 0n
  const isTooMuch =
    account.data !== undefined &&
    amountWei > BigInt(account.data.l2Wei) &&
    amountWei > BigInt(account.data.l1Wei)
  const isBusy = withdraw.isPending || resume.isPending || deposit.isPending
  const error = withdraw.error ?? resume.error ?? deposit.error
  const open = withdrawals.data?.filter(
    ({ stage, l2Hash }) => stage !== 'finalized' && !(isBusy && l2Hash === journey?.l2Hash),
  )
  return (
    <Card withBorder component="section" aria-labelledby="bridge">
      <Title order={2} size="h4" mb="sm" id="bridge">
        Between Ethereum and here
      </Title>
      <Figures mb="sm">
        <Figure label="In this wallet on L2">{account.data && <Amount wei={account.data.l2Wei} />}</Figure>
        <Figure label="In this wallet on L1">{account.data && <Amount wei={account.data.l1Wei} />}</Figure>
      </Figures>
      <Group align="flex-end" gap="xs" mb="xs">
        <OpenInput
          value={amount}
          onChange={setAmount}
          problem={isTooMuch ? 'More than this wallet has' : undefined}
        />
        <Button
          size="xs"
          onClick={() => withdraw.mutate(amountWei)}
          loading={withdraw.isPending || resume.isPending}
          disabled={isBusy || amountWei === 0n || BigInt(account.data?.l2Wei ?? 0) < amountWei}
        >
          Withdraw to L1
        </Button>
        <Button
          size="xs"
          variant="default"
          onClick={() => deposit.mutate(amountWei)}
          loading={deposit.isPending}
          disabled={isBusy || amountWei === 0n || BigInt(account.data?.l1Wei ?? 0) < amountWei}
        >
          Deposit to L2
        </Button>
      </Group>
      <Text size="sm" c="dimmed">
        A withdrawal takes three confirmations and about a minute. It can be left and gone on with at any
        time: what was burned here waits on L1 for its proof, for nobody but you.
      </Text>
      {journey !== undefined && <Steps at={journey.stage} isFailed={error !== null && !isBusy} />}
      {deposit.data !== undefined && !isBusy && (
        <Alert color="green" mt="sm" role="status">
          <Text size="sm" component="div">
            Arrived on L2 in <Address value={deposit.data.l2Hash} kind="transaction" />
          </Text>
        </Alert>
      )}
      {error !== null && !isBusy && (
        <Alert color="red" mt="sm" role="alert">
          {shortMessage(error)}
        </Alert>
      )}
      {open !== undefined && open.length > 0 && (
        <Waiting list={open} isBusy={isBusy} onResume={(l2Hash) => resume.mutate(l2Hash)} />
      )}
    </Card>
  )
}

/** The steps of the withdrawal in hand, done ones ticked. */
function Steps({ at, isFailed }: { at: Journey['stage']; isFailed: boolean }) {
  const reached = STEPS.findIndex(({ stage }) => stage === at)
  return (
    <List
      size="sm"
      mt="sm"
      listStyleType="none"
      aria-label="Steps of the withdrawal"
      role="list"
      withPadding={false}
    >
      {STEPS.map(({ stage, words }, index) => {
        const isDone = index < reached || at === 'finalized'
        const isNow = index === reached && !isDone
        return (
          <List.Item
            key={stage}
            {...(isDone || isNow ? {} : { c: 'dimmed' })}
            {...(isNow ? { 'aria-current': 'step' as const } : {})}
          >
            <span aria-hidden>{isDone ? '✓' : isNow ? (isFailed ? '✕' : '→') : '·'}</span> {words}
          </List.Item>
        )
      })}
    </List>
  )
}

type WaitingProps = {
  list: readonly Withdrawal[]
  isBusy: boolean
  onResume: (l2Hash: Hex) => void
}

/** Withdrawals that were begun, here or anywhere else, and are not at their end. */
function Waiting({ list, isBusy, onResume }: WaitingProps) {
  return (
    <>
      <Title order={3} size="h5" mt="md" mb="xs">
        Not finished
      </Title>
      {list.map(({ l2Hash, amountWei, stage }) => (
        <Group key={l2Hash} gap="xs" mb={4}>
          <Text size="sm" component="div">
            <Amount wei={amountWei} /> burned in <Address value={l2Hash} kind="transaction" />
            {stage === 'proven' ? ', proven on L1' : ', not proven yet'}
          </Text>
          <Button size="compact-xs" variant="default" disabled={isBusy} onClick={() => onResume(l2Hash)}>
            Go on
          </Button>
        </Group>
      ))}
    </>
  )
}
