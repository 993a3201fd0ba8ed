import { Button, Group, Stack, Text } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { stakingAbi } from '@openledger/protocol/abi/staking'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Hex, PublicClient } from 'viem'
import { useConnection } from 'wagmi'
import { queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { AsyncView } from '../components/AsyncView.tsx'
import { Figure, Figures } from '../components/Figure.tsx'
import { OpenInput } from '../components/OpenInput.tsx'
import { weiOf } from '../components/weiOf.ts'
import { duration } from '../components/words.ts'
import { TakenOut } from '../staking/TakenOut.tsx'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useTransact } from '../wallet/useTransact.ts'
import { useL2Client } from '../wallet/useWallet.ts'
import { stakeQuery } from './stakeQuery.ts'

/** Backing a model: stake, what it earned, and taking it back. */
export function StakePanel({ model }: { model: Http.Model }) {
  const { address } = useConnection()
  const publicClient = useL2Client()
  const network = useQuery(queries.network)
  return (
    <Stack gap="sm" mt="sm">
      <Text size="sm" c="dimmed">
        Backers share {network.data === undefined ? 'a part' : `${network.data.split.stakersBps / 100} %`} of
        each fee this model earns, by what they have staked. There is no other yield.
      </Text>
      {address === undefined || publicClient === undefined || network.data === undefined ? (
        <Text size="sm">Connect a wallet to stake.</Text>
      ) : (
        <Stake
          model={model}
          account={address}
          deployment={network.data.deployment}
          publicClient={publicClient}
        />
      )}
    </Stack>
  )
}

type Props = {
  model: Http.Model
  account: Hex
  deployment: Http.Network['deployment']
  publicClient: PublicClient
}

function Stake({ model, account, deployment, publicClient }: Props) {
  const stake = useQuery(stakeQuery(publicClient, deployment, model.id, account))
  const transact = useTransact()
  const [amount, setAmount] = useState('5')
  const amountWei = weiOf(amount) ?? 0n
  const staking = { address: deployment.l2.staking, abi: stakingAbi } as const
  const modelId = BigInt(model.id)
  return (
    <AsyncView query={stake}>
      {({ stakedWei, rewardsWei, unstakings, unbondingSeconds, chainTime }) => (
        <>
          <Figures>
            <Figure label="Your stake">
              <Amount wei={stakedWei} />
            </Figure>
            <Figure label="Your rewards">
              <Amount wei={rewardsWei} />
            </Figure>
          </Figures>
          <Group align="flex-end" gap="xs">
            <OpenInput value={amount} onChange={setAmount} w={110} />
            <Button
              size="xs"
              disabled={amountWei === 0n || transact.isBusy}
              onClick={() =>
                transact.start(() =>
                  transact.send({ ...staking, functionName: 'stake', args: [modelId], valueWei: amountWei }),
                )
              }
            >
              Stake
            </Button>
            <Button
              size="xs"
              variant="default"
              disabled={amountWei === 0n || amountWei > stakedWei || transact.isBusy}
              onClick={() =>
                transact.start(() =>
                  transact.send({
                    ...staking,
                    functionName: 'requestUnstake',
                    args: [modelId, amountWei],
                  }),
                )
              }
            >
              Take out
            </Button>
            <Button
              size="xs"
              variant="default"
              disabled={rewardsWei === 0n || transact.isBusy}
              onClick={() =>
                transact.start(() =>
                  transact.send({ ...staking, functionName: 'claimRewards', args: [modelId] }),
                )
              }
            >
              Claim rewards
            </Button>
          </Group>
          {unstakings.map(({ id, amountWei: takenWei, readyAt }) => (
            <TakenOut
              key={id.toString()}
              amountWei={takenWei}
              chainTime={chainTime}
              readyAt={readyAt}
              isBusy={transact.isBusy}
              onWithdraw={() =>
                transact.start(() => transact.send({ ...staking, functionName: 'unstake', args: [id] }))
              }
            />
          ))}
          <TransactionState progress={transact.progress} />
          <Text size="xs" c="dimmed">
            At least 1 OPEN. What is taken out waits {duration(unbondingSeconds)}, then it can be withdrawn.
          </Text>
        </>
      )}
    </AsyncView>
  )
}
