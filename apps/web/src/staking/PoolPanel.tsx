import { Button, Group, Stack, Text } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { securityStakeAbi } from '@openledger/protocol/abi/securityStake'
import { SecurityStake } from '@openledger/sdk'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useConnection } from 'wagmi'
import { queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { AsyncView } from '../components/AsyncView.tsx'
import { Figure, Figures } from '../components/Figure.tsx'
import { OpenInput } from '../components/OpenInput.tsx'
import { weiOf } from '../components/weiOf.ts'
import { duration } from '../components/words.ts'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useTransact } from '../wallet/useTransact.ts'
import { useL2Client } from '../wallet/useWallet.ts'
import { TakenOut } from './TakenOut.tsx'

/** The stake behind a validator or an agent: what stands there, what was slashed, and staking and leaving. */
export function PoolPanel({
  subject,
  canStake = true,
}: {
  subject: SecurityStake.Subject
  canStake?: boolean
}) {
  const network = useQuery(queries.network)
  return (
    <AsyncView query={network}>
      {({ deployment }) => <Pool subject={subject} canStake={canStake} deployment={deployment} />}
    </AsyncView>
  )
}

type Props = {
  subject: SecurityStake.Subject
  canStake: boolean
  deployment: Http.Network['deployment']
}

function Pool({ subject, canStake, deployment }: Props) {
  const { address } = useConnection()
  const publicClient = useL2Client()
  const transact = useTransact()
  const [amount, setAmount] = useState('5')
  const amountWei = weiOf(amount) ?? 0n
  const pool = useQuery({
    queryKey: ['pool', subject.role, subject.subject.toString(), address],
    refetchInterval: 5_000,
    enabled: publicClient !== undefined,
    queryFn: () => SecurityStake.read(publicClient!, deployment, subject, address),
  })
  const contract = { address: deployment.l2.securityStake, abi: securityStakeAbi } as const
  const args = SecurityStake.argumentsOf(subject)
  const canAct = address !== undefined && amountWei > 0n && !transact.isBusy

  async function leave(mine: SecurityStake.Pool): Promise<void> {
    const shares = await SecurityStake.sharesFor(publicClient!, deployment, subject, mine, amountWei)
    await transact.send({ ...contract, functionName: 'requestUnstake', args: [...args, shares] })
  }
  return (
    <AsyncView query={pool}>
      {(data) => (
        <Stack gap="xs">
          <Figures>
            <Figure label={`Stake behind this ${subject.role}`}>
              <Amount wei={data.assetsWei} />
            </Figure>
            <Figure label="Yours of it">
              <Amount wei={data.stakedWei} />
            </Figure>
          </Figures>
          <Group align="flex-end" gap="xs">
            <OpenInput value={amount} onChange={setAmount} w={110} />
            <Button
              size="xs"
              disabled={!canAct || !canStake}
              onClick={() =>
                transact.start(() =>
                  transact.send({ ...contract, functionName: 'stake', args, valueWei: amountWei }),
                )
              }
            >
              Stake behind it
            </Button>
            <Button
              size="xs"
              variant="default"
              disabled={!canAct || amountWei > data.stakedWei}
              onClick={() => transact.start(() => leave(data))}
            >
              Take out
            </Button>
          </Group>
          {data.unstakings.map(({ id, worthWei, readyAt }) => (
            <TakenOut
              key={id.toString()}
              amountWei={worthWei}
              chainTime={data.chainTime}
              readyAt={readyAt}
              isBusy={transact.isBusy}
              onWithdraw={() =>
                transact.start(() => transact.send({ ...contract, functionName: 'unstake', args: [id] }))
              }
            />
          ))}
          {data.slashes.map(({ amountWei: slashedWei, slasher, transactionHash }) => (
            <Text key={transactionHash} size="sm" component="div">
              <Amount wei={slashedWei} /> slashed by <Address value={slasher} /> in{' '}
              <Address value={transactionHash} kind="transaction" />
            </Text>
          ))}
          <TransactionState progress={transact.progress} />
          <Text size="xs" c="dimmed">
            {subject.role === 'agent'
              ? 'At least 1 OPEN, and its owner’s alone: it pays clients whose guaranteed work failed.'
              : 'At least 1 OPEN. The panel of validators and contracts that a vote entitled can slash it, everyone’s in proportion.'}{' '}
            What is taken out waits {duration(data.unbondingSeconds)} and can be slashed until then. It earns
            nothing but what somebody pays in.
          </Text>
        </Stack>
      )}
    </AsyncView>
  )
}
