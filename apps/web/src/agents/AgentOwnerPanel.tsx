import { Button, Group, Stack } from '@mantine/core'
import * as WalletCalls from '@openledger/agent/WalletCalls'
import type { Http } from '@openledger/protocol'
import { wopenAbi } from '@openledger/protocol/abi/wopen'
import { useState } from 'react'
import type { Hex } from 'viem'
import { OpenInput } from '../components/OpenInput.tsx'
import { weiOf } from '../components/weiOf.ts'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useTransact } from '../wallet/useTransact.ts'
import { useL2Client } from '../wallet/useWallet.ts'

/** What an agent's owner can do: give it money, take it back, end its keys. */
export function AgentOwnerPanel({ agent, wopen }: { agent: Http.Agent; wopen: Hex }) {
  const transact = useTransact()
  const publicClient = useL2Client()
  const [amount, setAmount] = useState('1')
  const amountWei = weiOf(amount) ?? 0n
  const { wallet } = agent

  async function empty(): Promise<void> {
    if (publicClient === undefined) return
    const [openWei, wopenWei] = await Promise.all([
      publicClient.getBalance({ address: wallet }),
      publicClient.readContract({ address: wopen, abi: wopenAbi, functionName: 'balanceOf', args: [wallet] }),
    ])
    for (const call of WalletCalls.empty(wallet, wopen, agent.owner, { openWei, wopenWei }))
      await transact.send(call)
  }
  return (
    <Stack gap="xs" mt="md">
      <Group align="flex-end" gap="xs">
        <OpenInput value={amount} onChange={setAmount} w={110} />
        <Button
          size="xs"
          disabled={amountWei === 0n || transact.isBusy}
          onClick={() => transact.start(() => transact.send(WalletCalls.topUp(wallet, wopen, amountWei)))}
        >
          Give it more
        </Button>
        <Button
          size="xs"
          variant="default"
          disabled={BigInt(agent.walletWei) === 0n || transact.isBusy}
          onClick={() => transact.start(empty)}
        >
          Take all back
        </Button>
        <Button
          size="xs"
          variant="default"
          color="red"
          disabled={agent.sessions.every(({ revoked }) => revoked) || transact.isBusy}
          onClick={() => transact.start(() => transact.send(WalletCalls.revokeSessions(wallet)))}
        >
          End its keys
        </Button>
      </Group>
      <TransactionState progress={transact.progress} />
    </Stack>
  )
}
