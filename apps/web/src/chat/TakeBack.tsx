import { Button, Group, Text } from '@mantine/core'
import { settlementAbi } from '@openledger/protocol/abi/settlement'
import { useQuery } from '@tanstack/react-query'
import type { Hex, PublicClient } from 'viem'
import { queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { TransactionState } from '../wallet/TransactionState.tsx'
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

/** Prepaid money on its way back: asked for, then paid out once answers that it may still owe are settled. */
export function TakeBack({ address, availableWei }: { address: Hex; availableWei: bigint }) {
  const network = useQuery(queries.network)
  const settlement = network.data?.deployment.l2.settlement
  const withdrawal = useQuery(withdrawalQuery(useL2Client(), settlement, address))
  const transact = useTransact()
  if (settlement === undefined || withdrawal.data === undefined) return null
  const { amountWei, waitSeconds } = withdrawal.data
  const contract = { address: settlement, abi: settlementAbi } as const
  return (
    <>
      <Group gap="xs">
        {amountWei === '0' ? (
          <Button
            size="compact-sm"
            variant="default"
            disabled={availableWei === 0n || transact.isBusy}
            onClick={() =>
              transact.start(() =>
                transact.send({ ...contract, functionName: 'requestWithdrawal', args: [availableWei] }),
              )
            }
          >
            Take all prepaid OPEN back
          </Button>
        ) : (
          <>
            <Text size="sm" component="div">
              <Amount wei={amountWei} strong /> set aside
              {waitSeconds > 0 && `, to be paid out in ${waitSeconds} s`}
            </Text>
            <Button
              size="compact-sm"
              disabled={waitSeconds > 0 || transact.isBusy}
              onClick={() => transact.start(() => transact.send({ ...contract, functionName: 'withdraw' }))}
            >
              Pay it out
            </Button>
          </>
        )}
      </Group>
      <TransactionState progress={transact.progress} />
    </>
  )
}
