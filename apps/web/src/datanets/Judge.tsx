import { Alert, Button, Card, Group, Text, TextInput, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { datanetsAbi } from '@openledger/protocol/abi/datanets'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useConnection } from 'wagmi'
import { client, queries } from '../api.ts'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useSigner } from '../wallet/useSigner.ts'
import { useTransact } from '../wallet/useTransact.ts'
import { useL2Client } from '../wallet/useWallet.ts'
import { useRecordsInput } from './RecordsInput.tsx'

/** Giving a verdict of one's own; only for wallets that the Datanet's owner named validators. */
export function Judge({ contribution }: { contribution: Http.ContributionDetail }) {
  const { address } = useConnection()
  const publicClient = useL2Client()
  const network = useQuery(queries.network)
  const signer = useSigner()
  const transact = useTransact()
  const { indexes, input } = useRecordsInput('Records', contribution.recordCount)
  const [reason, setReason] = useState('')
  const registry =
    network.data && ({ address: network.data.deployment.l2.datanets, abi: datanetsAbi } as const)
  const isValidator = useQuery({
    queryKey: ['is-validator', contribution.datanetId, address],
    enabled: publicClient !== undefined && registry !== undefined && address !== undefined,
    queryFn: () =>
      publicClient!.readContract({
        ...registry!,
        functionName: 'isValidator',
        args: [BigInt(contribution.datanetId), address!],
      }),
  })
  const isJudged = contribution.status === 'versioned' || contribution.status === 'validated'
  if (isValidator.data !== true || !isJudged) return null
  const record = (verdict: 'accepted' | 'rejected') =>
    transact.start(async () => {
      const { acceptedRoot, acceptedCount, reasonsHash } = await client.writeJudgement(
        contribution.id,
        indexes!.map((index) => ({ index, verdict, reason })),
        signer!,
      )
      await transact.send({
        ...registry!,
        functionName: 'recordVerdict',
        args: [contribution.id, acceptedRoot, acceptedCount, reasonsHash],
      })
      await client.followContribution(contribution.id)
    })
  const isReady = indexes !== undefined && reason.trim() !== '' && signer !== undefined && transact.isReady
  return (
    <Card withBorder component="section" aria-labelledby="judge">
      <Title order={2} size="h4" mb={4} id="judge">
        Your verdict
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        You are a validator of {contribution.datanetName}. The rules’ findings stand below with each record;
        what you decide replaces them, goes on chain in your name with its reason, and makes the next version.
      </Text>
      <Group align="flex-end" gap="xs">
        {input}
        <TextInput
          label="Reason"
          size="xs"
          w={320}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        <Button
          size="xs"
          color="red"
          disabled={!isReady}
          loading={transact.isBusy}
          onClick={() => record('rejected')}
        >
          Reject
        </Button>
        <Button
          size="xs"
          color="green"
          disabled={!isReady}
          loading={transact.isBusy}
          onClick={() => record('accepted')}
        >
          Accept
        </Button>
      </Group>
      {contribution.access !== null && (
        <Alert color="gray" mt="sm">
          Sign below to read the texts first.
        </Alert>
      )}
      <TransactionState progress={transact.progress} />
    </Card>
  )
}
