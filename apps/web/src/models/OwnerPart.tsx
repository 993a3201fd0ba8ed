import { Button, Group, Text } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { settlementAbi } from '@openledger/protocol/abi/settlement'
import { useQuery } from '@tanstack/react-query'
import type { Hex, PublicClient } from 'viem'
import { Amount } from '../components/Amount.tsx'
import { AsyncView } from '../components/AsyncView.tsx'
import { Figure } from '../components/Figure.tsx'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useTransact } from '../wallet/useTransact.ts'

type Props = {
  account: Hex
  deployment: Http.Network['deployment']
  publicClient: PublicClient
}

/** What fees have left an owner, and taking it. Settlement keeps one balance for all models of an account. */
export function OwnerPart({ account, deployment, publicClient }: Props) {
  const transact = useTransact()
  const settlement = { address: deployment.l2.settlement, abi: settlementAbi } as const
  const balance = useQuery({
    queryKey: ['balance', account],
    refetchInterval: 2_000,
    queryFn: () => publicClient.readContract({ ...settlement, functionName: 'balanceOf', args: [account] }),
  })
  return (
    <AsyncView query={balance}>
      {(balanceWei) => (
        <>
          <Group align="flex-end" gap="md">
            <Figure label="Your part of the fees, not taken yet">
              <Amount wei={balanceWei} />
            </Figure>
            <Button
              size="xs"
              disabled={balanceWei === 0n || transact.isBusy}
              onClick={() =>
                transact.start(() =>
                  transact.send({ ...settlement, functionName: 'withdrawBalance', args: [account] }),
                )
              }
            >
              Take it
            </Button>
          </Group>
          <TransactionState progress={transact.progress} />
          <Text size="xs" c="dimmed">
            Of all models that this account owns or owned, within seconds of each answer.
          </Text>
        </>
      )}
    </AsyncView>
  )
}
