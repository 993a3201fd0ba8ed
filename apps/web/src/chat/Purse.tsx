import { Alert, Button, Group } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { settlementAbi } from '@openledger/protocol/abi/settlement'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Hex } from 'viem'
import { client, queries } from '../api.ts'
import { OpenInput } from '../components/OpenInput.tsx'
import { weiOf } from '../components/weiOf.ts'
import { shortMessage } from '../wallet/shortMessage.ts'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useSigner } from '../wallet/useSigner.ts'
import { useTransact } from '../wallet/useTransact.ts'
import { useApiKey } from './apiKey.ts'

/** An amount of OPEN, to prepay or to be the limit of a key. */
export function Purse({ address, account }: { address: Hex; account: Http.Account | undefined }) {
  const network = useQuery(queries.network)
  const { held, hold } = useApiKey()
  const signer = useSigner()
  const transact = useTransact()
  const queryClient = useQueryClient()
  const [amount, setAmount] = useState('5')
  const amountWei = weiOf(amount) ?? 0n
  const isPoor = account !== undefined && BigInt(account.availableWei) === 0n

  const prepay = (settlement: Hex) =>
    transact.send({
      address: settlement,
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
  return (
    <>
      <Group align="flex-end" gap="xs">
        <OpenInput value={amount} onChange={setAmount} w={110} />
        <Button
          size="xs"
          variant={isPoor ? 'filled' : 'default'}
          onClick={() => transact.start(() => prepay(network.data!.deployment.l2.settlement))}
          loading={transact.isBusy}
          disabled={amountWei === 0n || !transact.isReady || network.data === undefined}
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
      <TransactionState progress={transact.progress} />
      {createKey.error !== null && (
        <Alert color="red" role="alert">
          {shortMessage(createKey.error)}
        </Alert>
      )}
    </>
  )
}
