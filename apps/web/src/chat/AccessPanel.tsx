import { Alert, Button, Card, Stack, Text } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useConnection } from 'wagmi'
import { client, queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { Command } from '../components/Command.tsx'
import { shortMessage } from '../wallet/shortMessage.ts'
import { useSigner } from '../wallet/useSigner.ts'
import { useApiKey } from './apiKey.ts'
import { Purse } from './Purse.tsx'
import { TakeBack } from './TakeBack.tsx'

/** What stands between a visitor and an answer: a wallet, a prepaid balance, a key with a limit. */
export function AccessPanel() {
  const { address } = useConnection()
  if (address === undefined)
    return (
      <Alert color="gray" title="Connect a wallet to ask">
        The button is at the top right. On a development network, wallets with OPEN are offered.
      </Alert>
    )
  return <Access key={address} address={address} />
}

function Access({ address }: { address: `0x${string}` }) {
  const account = useQuery(queries.account(address))
  const keys = useQuery(queries.apiKeys(address))
  const { held } = useApiKey()
  const key = keys.data?.find(({ id }) => id === held?.id)
  const balance = account.data && <Amount wei={account.data.availableWei} strong />
  if (held === undefined || key === undefined)
    return (
      <Card withBorder padding="sm" component="section" aria-label="Your access">
        <Stack gap="sm">
          <Text size="sm">
            Two steps: prepay some OPEN, then sign for a key that may spend up to a limit. The key stays in
            this tab; what is not spent stays yours. Prepaid: {balance ?? '…'}
          </Text>
          <Purse address={address} account={account.data} />
          {account.data && BigInt(account.data.prepaidWei) > 0n && (
            <TakeBack address={address} availableWei={BigInt(account.data.availableWei)} />
          )}
        </Stack>
      </Card>
    )
  return (
    <Card withBorder padding="sm" component="section" aria-label="Your access">
      <details>
        <Text component="summary" size="sm" style={{ cursor: 'pointer' }}>
          Prepaid: {balance ?? '…'} · spent with your key: <Amount wei={key.spentWei} /> of{' '}
          <Amount wei={key.limitWei} />
        </Text>
        <Stack gap="sm" mt="sm">
          <Purse address={address} account={account.data} />
          <Text size="sm">The key, for programs; whoever has it can spend up to its limit:</Text>
          <Command>{`export OPENLEDGER_API_KEY=${held.secret}`}</Command>
          <Revoke apiKey={key} />
          {account.data && <TakeBack address={address} availableWei={BigInt(account.data.availableWei)} />}
        </Stack>
      </details>
    </Card>
  )
}

function Revoke({ apiKey }: { apiKey: Http.ApiKey }) {
  const { forget } = useApiKey()
  const signer = useSigner()
  const queryClient = useQueryClient()
  const revoke = useMutation({
    mutationFn: async () => {
      if (signer === undefined) throw new Error('Connect a wallet first.')
      await client.revokeApiKey(apiKey.id, signer)
      await forget()
    },
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['api-keys'] }),
  })
  return (
    <>
      <Button
        size="compact-sm"
        variant="default"
        onClick={() => revoke.mutate()}
        loading={revoke.isPending}
        style={{ alignSelf: 'flex-start' }}
      >
        Revoke the key
      </Button>
      {revoke.error !== null && (
        <Alert color="red" role="alert">
          {shortMessage(revoke.error)}
        </Alert>
      )}
    </>
  )
}
