import { Alert, Button, Card, Text, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { client } from '../api.ts'
import { shortMessage } from '../wallet/shortMessage.ts'
import { useSigner } from '../wallet/useSigner.ts'

/** Taking a contribution back; only for the wallet that contributed it. */
export function WithdrawContribution({ contribution }: { contribution: Http.Contribution }) {
  const signer = useSigner()
  const queryClient = useQueryClient()
  const [isAsked, setAsked] = useState(false)
  const withdraw = useMutation({
    mutationFn: () => client.withdrawContribution(contribution.id, signer!),
    onSuccess: () => queryClient.invalidateQueries(),
  })
  return (
    <Card withBorder component="section" aria-labelledby="withdraw">
      <Title order={2} size="h4" mb={4} id="withdraw">
        Take it back
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        No version of the Datanet from now on will hold it, for good. If none has yet, its texts are deleted;
        versions that have it, and models trained on them, stay and go on paying it.
      </Text>
      <Button
        size="xs"
        color="red"
        style={{ alignSelf: 'flex-start' }}
        variant={isAsked ? 'filled' : 'light'}
        disabled={signer === undefined}
        loading={withdraw.isPending}
        onClick={() => (isAsked ? withdraw.mutate() : setAsked(true))}
      >
        {isAsked ? 'Yes, take it back for good' : 'Take it back'}
      </Button>
      {withdraw.error !== null && (
        <Alert color="red" mt="sm" role="alert">
          {shortMessage(withdraw.error)}
        </Alert>
      )}
    </Card>
  )
}
