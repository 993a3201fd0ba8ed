import { Alert, Button, Card, Group, NumberInput, Stack, Text } from '@mantine/core'
import { Open } from '@openledger/primitives'
import { settlementAbi } from '@openledger/protocol/abi/settlement'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useConnection } from 'wagmi'
import { client, queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { Command } from '../components/Command.tsx'
import { Figure, Figures } from '../components/Figure.tsx'
import { shortMessage } from '../wallet/shortMessage.ts'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useSigner } from '../wallet/useSigner.ts'
import { useTransact } from '../wallet/useTransact.ts'
import { useApiKey } from './apiKey.ts'

/** What stands between a visitor and an answer: a wallet, a prepaid balance, a key with a limit. */
export function AccessPanel({ model }: { model: string | undefined }) {
  const { address } = useConnection()
  if (address === undefined)
    return (
      <Alert color="cyan" title="Connect a wallet to ask">
        The button is at the top right. On a development network, wallets with OPEN are offered.
      </Alert>
    )
  return <Access address={address} model={model} />
}

function Access({ address, model }: { address: `0x${string}`; model: string | undefined }) {
  const account = useQuery(queries.account(address))
  const network = useQuery(queries.network)
  const keys = useQuery(queries.apiKeys(address))
  const { held, hold, forget } = useApiKey()
  const signer = useSigner()
  const transact = useTransact()
  const queryClient = useQueryClient()
  const [amount, setAmount] = useState<number | string>(5)
  const amountWei = amount === '' ? 0n : Open.parse(String(amount))

  const prepay = () =>
    transact.send({
      address: network.data!.deployment.l2.settlement,
      abi: settlementAbi,
      functionName: 'deposit',
      args: [address],
      valueWei: amountWei,
    })
  const createKey = useMutation({
    mutationFn: async () => {
      if (signer === undefined) throw new Error('Connect a wallet first.')
      await hold(await client.createApiKey({ name: 'Page', limitWei: amountWei.toString() }, signer))
    },
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['api-keys'] }),
  })
  const revoke = useMutation({
    mutationFn: async (id: string) => {
      if (signer === undefined) throw new Error('Connect a wallet first.')
      await client.revokeApiKey(id, signer)
      await forget()
    },
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['api-keys'] }),
  })
  const key = keys.data?.find(({ id }) => id === held?.id)
  const failure = createKey.error ?? revoke.error
  const isPoor = account.data !== undefined && BigInt(account.data.availableWei) === 0n
  return (
    <Card withBorder padding="sm" component="section" aria-label="Your access">
      <Stack gap="sm">
        <Group justify="space-between" align="flex-end" gap="sm">
          <Figures>
            <Figure label="Prepaid balance">
              {account.data && <Amount wei={account.data.availableWei} strong />}
            </Figure>
            {key !== undefined && (
              <Figure label="Spent with this key">
                <Amount wei={key.spentWei} /> of <Amount wei={key.limitWei} />
              </Figure>
            )}
          </Figures>
          <Group align="flex-end" gap="xs">
            <NumberInput
              label="OPEN"
              value={amount}
              onChange={setAmount}
              min={0.01}
              max={1000}
              decimalScale={6}
              w={90}
              size="xs"
            />
            <Button
              size="xs"
              variant={isPoor ? 'filled' : 'default'}
              onClick={() => transact.start(prepay)}
              loading={transact.isBusy}
              disabled={amountWei === 0n || network.data === undefined || !transact.isReady}
            >
              Prepay
            </Button>
            {held === undefined && (
              <Button
                size="xs"
                variant={isPoor ? 'default' : 'filled'}
                onClick={() => createKey.mutate()}
                loading={createKey.isPending}
                disabled={signer === undefined || amountWei === 0n}
              >
                Make a key with this limit
              </Button>
            )}
          </Group>
        </Group>
        {held === undefined && (
          <Text size="xs" c="dimmed">
            Two steps: prepay some OPEN, then sign for a key that may spend up to a limit. The key stays in
            this tab; what is not spent stays yours.
          </Text>
        )}
        <TransactionState progress={transact.progress} />
        {failure !== null && (
          <Alert color="red" role="alert">
            {shortMessage(failure)}
          </Alert>
        )}
        {held !== undefined && (
          <details>
            <Text component="summary" size="xs" c="dimmed" style={{ cursor: 'pointer' }}>
              Any OpenAI client works with this key
            </Text>
            <Stack gap="xs" mt="xs">
              <Command>{curlOf(held.secret, model ?? 'solidity-1')}</Command>
              <Button
                size="compact-xs"
                variant="default"
                onClick={() => revoke.mutate(held.id)}
                loading={revoke.isPending}
                style={{ alignSelf: 'flex-start' }}
              >
                Revoke the key
              </Button>
            </Stack>
          </details>
        )}
      </Stack>
    </Card>
  )
}

/** The same question from a terminal. */
const curlOf = (secret: string, model: string): string =>
  [
    `curl ${window.location.origin}/v1/completions`,
    `-H 'authorization: Bearer ${secret}'`,
    `-H 'content-type: application/json'`,
    `-d '${JSON.stringify({ model, prompt: 'contract MyToken is ERC20 {', max_tokens: 64 })}'`,
  ].join(' \\\n  ')
