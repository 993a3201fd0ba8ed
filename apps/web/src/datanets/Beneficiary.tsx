import { Alert, Button, Card, Group, Text, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { getAddress, isAddress } from 'viem'
import { client } from '../api.ts'
import { AddressInput } from '../components/AddressInput.tsx'
import { shortMessage } from '../wallet/shortMessage.ts'
import { useSigner } from '../wallet/useSigner.ts'

/** Handing a contribution's future rewards to someone else; only for the wallet that receives them now. */
export function Beneficiary({ contribution }: { contribution: Http.Contribution }) {
  const signer = useSigner()
  const queryClient = useQueryClient()
  const [to, setTo] = useState('')
  const change = useMutation({
    mutationFn: async () => {
      if (signer === undefined) throw new Error('Connect a wallet first.')
      await client.changeBeneficiary(contribution.id, getAddress(to), signer)
    },
    onSuccess: () => queryClient.invalidateQueries(),
  })
  return (
    <Card withBorder component="section" aria-labelledby="beneficiary">
      <Title order={2} size="h4" mb={4} id="beneficiary">
        Future rewards
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        They are paid to your wallet. You can hand them to another address, without gas; what was earned until
        then stays yours, and only the new receiver can hand them on.
      </Text>
      <Group align="flex-end" gap="xs">
        <AddressInput label="Pay from now on" value={to} onChange={setTo} />
        <Button
          size="xs"
          disabled={!isAddress(to) || signer === undefined}
          loading={change.isPending}
          onClick={() => change.mutate()}
        >
          Hand over
        </Button>
      </Group>
      {change.error !== null && (
        <Alert color="red" mt="sm" role="alert">
          {shortMessage(change.error)}
        </Alert>
      )}
    </Card>
  )
}
