import { Alert, Anchor, Button, Group, Text } from '@mantine/core'
import { settlementAbi } from '@openledger/protocol/abi/settlement'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Hex, PublicClient } from 'viem'
import { client, queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { shortMessage } from '../wallet/shortMessage.ts'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useSigner } from '../wallet/useSigner.ts'
import { useTransact } from '../wallet/useTransact.ts'
import { useL2Client } from '../wallet/useWallet.ts'

/** What an account asked to have back, and from when on it is paid out. */
const withdrawalQuery = (client: PublicClient | undefined, settlement: Hex | undefined, address: Hex) => ({
  queryKey: ['prepaid-withdrawal', settlement, address],
  queryFn: async () => {
    const [amountWei, readyAt] = await client!.readContract({
      address: settlement!,
      abi: settlementAbi,
      functionName: 'withdrawalOf',
      args: [address],
    })
    const { timestamp } = await client!.getBlock()
    return { amountWei: amountWei.toString(), waitSeconds: Math.max(0, Number(readyAt - timestamp)) }
  },
  enabled: client !== undefined && settlement !== undefined,
  refetchInterval: 3_000,
})

/**
 * Prepaid money on its way back: by a signature and at once, or by the contract alone, which pays it out once answers that it
 * may still owe are settled.
 */
export function TakeBack({ address, availableWei }: { address: Hex; availableWei: bigint }) {
  const network = useQuery(queries.network)
  const settlement = network.data?.deployment.l2.settlement
  const withdrawal = useQuery(withdrawalQuery(useL2Client(), settlement, address))
  const transact = useTransact()
  const signer = useSigner()
  const queryClient = useQueryClient()
  const refund = useMutation({
    mutationFn: async () => {
      if (signer === undefined) throw new Error('Connect a wallet first.')
      return client.refund(await client.signRefund(availableWei, signer))
    },
    onSuccess: () => queryClient.invalidateQueries(),
  })
  if (settlement === undefined || withdrawal.data === undefined) return null
  const { amountWei, waitSeconds } = withdrawal.data
  const contract = { address: settlement, abi: settlementAbi } as const
  return (
    <>
      <Group gap="xs">
        {amountWei === '0' ? (
          <>
            <Button
              size="compact-sm"
              variant="default"
              disabled={availableWei === 0n || transact.isBusy}
              loading={refund.isPending}
              onClick={() => refund.mutate()}
            >
              Take all prepaid OPEN back
            </Button>
            <Anchor
              component="button"
              type="button"
              size="sm"
              disabled={availableWei === 0n || transact.isBusy}
              onClick={() =>
                transact.start(() =>
                  transact.send({ ...contract, functionName: 'requestWithdrawal', args: [availableWei] }),
                )
              }
            >
              or by the contract alone, after a delay
            </Anchor>
          </>
        ) : (
          <>
            <Text size="sm" component="div">
              <Amount wei={amountWei} strong /> set aside
              {waitSeconds > 0 && `, to be paid out in ${waitSeconds} s`}
            </Text>
            <Button
              size="compact-sm"
              disabled={waitSeconds > 0 || transact.isBusy}
              onClick={() =>
                transact.start(() =>
                  transact.send({ ...contract, functionName: 'withdraw', args: [address] }),
                )
              }
            >
              Pay it out
            </Button>
          </>
        )}
      </Group>
      {refund.data !== undefined && (
        <Text size="sm" component="div" role="status">
          <Amount wei={refund.data.amountWei} strong /> paid back to your wallet
        </Text>
      )}
      {refund.error !== null && (
        <Alert color="red" role="alert">
          {shortMessage(refund.error)}
        </Alert>
      )}
      <TransactionState progress={transact.progress} />
    </>
  )
}
