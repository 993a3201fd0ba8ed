import { Alert, Button, Card, Code, CopyButton, Group, NumberInput, Text } from '@mantine/core'
import { Open } from '@openledger/primitives'
import { settlementAbi } from '@openledger/protocol/abi/settlement'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useAccount, usePublicClient, useWriteContract } from 'wagmi'
import { client, queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { useSigner } from '../wallet/useSigner.ts'

const storageKey = (address: string) => `openledger-api-key-${address.toLowerCase()}`

/** The API key that this tab holds for an account; it goes when the tab closes. */
export function useApiKey(address: string | undefined) {
  const { data } = useQuery({
    queryKey: ['api-key', address],
    queryFn: () => (address === undefined ? null : sessionStorage.getItem(storageKey(address))),
    staleTime: 0,
  })
  return { secret: data ?? undefined }
}

/** What stands between a visitor and an answer: a wallet, a prepaid balance, a key with a limit. */
export function AccessPanel() {
  const { address } = useAccount()
  const account = useQuery({ ...queries.account(address ?? ''), enabled: address !== undefined })
  const network = useQuery(queries.network)
  const { secret } = useApiKey(address)
  const signer = useSigner()
  const publicClient = usePublicClient()
  const { writeContractAsync } = useWriteContract()
  const queryClient = useQueryClient()
  const [amount, setAmount] = useState<number | string>(5)

  const deposit = useMutation({
    mutationFn: async () => {
      if (address === undefined || publicClient === undefined || network.data === undefined)
        throw new Error('Connect a wallet first.')
      const hash = await writeContractAsync({
        address: network.data.deployment.l2.settlement,
        abi: settlementAbi,
        functionName: 'deposit',
        args: [address],
        value: Open.parse(String(amount)),
      })
      await publicClient.waitForTransactionReceipt({ hash })
    },
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['account'] }),
  })
  const createKey = useMutation({
    mutationFn: async () => {
      if (signer === undefined || address === undefined) throw new Error('Connect a wallet first.')
      const key = await client.createApiKey(
        { name: 'This page', limitWei: Open.parse(String(amount)).toString() },
        signer,
      )
      sessionStorage.setItem(storageKey(address), key.secret)
    },
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['api-key'] }),
  })

  if (address === undefined) {
    return (
      <Alert color="cyan">
        Connect a wallet (top right) to ask. On a development network, wallets with OPEN are offered.
      </Alert>
    )
  }
  const failure = deposit.error ?? createKey.error
  const available = account.data === undefined ? undefined : BigInt(account.data.availableWei)
  return (
    <Card withBorder padding="sm">
      <Group justify="space-between" align="flex-end">
        <div>
          <Text size="xs" c="dimmed">
            Prepaid balance
          </Text>
          {available === undefined ? '…' : <Amount wei={available} strong />}
        </div>
        <Group align="flex-end" gap="xs">
          <NumberInput
            label="OPEN"
            value={amount}
            onChange={setAmount}
            min={0.01}
            max={1000}
            w={90}
            size="xs"
          />
          <Button size="xs" variant="default" onClick={() => deposit.mutate()} loading={deposit.isPending}>
            Add
          </Button>
          {secret === undefined && (
            <Button
              size="xs"
              onClick={() => createKey.mutate()}
              loading={createKey.isPending}
              disabled={signer === undefined}
            >
              Make a key with this limit
            </Button>
          )}
        </Group>
      </Group>
      {failure !== null && (
        <Alert color="red" mt="xs" role="alert">
          {failure.message}
        </Alert>
      )}
      {secret !== undefined && (
        <Group gap="xs" mt="xs" wrap="nowrap">
          <Text size="xs" c="dimmed">
            Any OpenAI client works with this key:
          </Text>
          <Code>{secret.slice(0, 10)}…</Code>
          <CopyButton value={secret}>
            {({ copied, copy }) => (
              <Button size="compact-xs" variant="subtle" onClick={copy}>
                {copied ? 'Copied' : 'Copy'}
              </Button>
            )}
          </CopyButton>
        </Group>
      )}
    </Card>
  )
}
