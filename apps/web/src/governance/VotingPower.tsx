import { Alert, Button, Card, Group, Text, Title } from '@mantine/core'
import { Open } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import { Governance } from '@openledger/sdk'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Amount } from '../components/Amount.tsx'
import { Figure } from '../components/Figure.tsx'
import { OpenInput } from '../components/OpenInput.tsx'
import { weiOf } from '../components/weiOf.ts'
import { shortMessage } from '../wallet/shortMessage.ts'
import { useL2Client, useWallet } from '../wallet/useWallet.ts'
import type { GovernanceView } from './governanceQuery.ts'

type Props = { governance: GovernanceView; deployment: Http.Network['deployment'] }

/** How many votes the connected wallet has, and turning OPEN into more. */
export function VotingPower({ governance, deployment }: Props) {
  const publicClient = useL2Client()
  const wallet = useWallet()
  const queryClient = useQueryClient()
  const [amount, setAmount] = useState(
    governance.thresholdWei === 0n ? '100' : Open.format(governance.thresholdWei),
  )
  const amountWei = weiOf(amount) ?? 0n
  const wrap = useMutation({
    mutationFn: async () => {
      if (wallet === undefined || publicClient === undefined) throw new Error('Connect a wallet first.')
      await Governance.becomeVoter(publicClient, await wallet.onL2(), deployment, amountWei)
    },
    onSuccess: () => queryClient.invalidateQueries(),
  })
  return (
    <Card withBorder component="section" aria-labelledby="power">
      <Title order={2} size="h4" mb={4} id="power">
        Your votes
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        One OPEN wrapped as gOPEN is one vote, and can be unwrapped again. Proposing takes the votes of{' '}
        <Amount wei={governance.thresholdWei} />; a proposal passes with more for it than against, and at
        least <Amount wei={governance.quorumWei} /> voting.
      </Text>
      <Group align="flex-end" gap="md">
        <Figure label="Votes you can cast">
          {wallet === undefined ? 'Connect a wallet' : <Amount wei={governance.votesWei} strong />}
        </Figure>
        <OpenInput value={amount} onChange={setAmount} w={110} />
        <Button
          size="xs"
          onClick={() => wrap.mutate()}
          loading={wrap.isPending}
          disabled={wallet === undefined || amountWei === 0n}
        >
          Turn into votes
        </Button>
      </Group>
      {wrap.error !== null && (
        <Alert color="red" mt="sm" role="alert">
          {shortMessage(wrap.error)}
        </Alert>
      )}
      {wrap.isSuccess && (
        <Text size="sm" mt="sm" role="status">
          Done: your wallet holds the gOPEN and votes with it.
        </Text>
      )}
    </Card>
  )
}
