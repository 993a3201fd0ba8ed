import { Alert, Button, Modal, Stack, Text, Textarea, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDisclosure } from '@mantine/hooks'
import { CanonicalJson } from '@openledger/primitives'
import { datanetsAbi } from '@openledger/protocol/abi/datanets'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useConnection } from 'wagmi'
import { client, queries } from '../api.ts'
import { shortMessage } from '../wallet/shortMessage.ts'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useTransact } from '../wallet/useTransact.ts'

/** A button and a form: the owner's wallet creates the Datanet on chain. */
export function CreateDatanet() {
  const [opened, { open, close }] = useDisclosure()
  const { address } = useConnection()
  const network = useQuery(queries.network)
  const transact = useTransact()
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const form = useForm({
    initialValues: { name: '', summary: '', licence: 'MIT' },
    validate: {
      name: (value) =>
        /^[a-z0-9][a-z0-9.-]{1,62}$/.test(value) ? null : 'Use 2 to 63 of a-z, 0-9, full stop and hyphen',
      summary: (value) => (value.trim() === '' ? 'Say in a sentence what belongs in it' : null),
      licence: (value) => (value.trim() === '' ? 'Name the licence contributors give' : null),
    },
  })
  const create = useMutation({
    mutationFn: async ({ name, summary, licence }: typeof form.values) => {
      if (address === undefined || network.data === undefined) throw new Error('Connect a wallet first.')
      const registry = { address: network.data.deployment.l2.datanets, abi: datanetsAbi } as const
      const { transactionHash } = await transact.send({
        ...registry,
        functionName: 'createDatanet',
        args: [name, CanonicalJson.hash({ summary }), licence, address],
      })
      const datanet = await client.registerDatanet({ transactionHash, summary })
      await transact.send({
        ...registry,
        functionName: 'addValidator',
        args: [BigInt(datanet.id), network.data.validator],
      })
      return datanet
    },
    onSuccess: async (datanet) => {
      close()
      await queryClient.invalidateQueries({ queryKey: ['datanets'] })
      await navigate({ to: '/datanets/$id', params: { id: datanet.id } })
    },
  })
  return (
    <>
      <Button
        onClick={open}
        disabled={address === undefined}
        title={address === undefined ? 'Connect a wallet first' : undefined}
      >
        {address === undefined ? 'Connect a wallet to open one' : 'New Datanet'}
      </Button>
      <Modal opened={opened} onClose={close} title="New Datanet">
        <form onSubmit={form.onSubmit((values) => create.mutate(values))}>
          <Stack>
            <TextInput
              label="Name"
              placeholder="solidity-audits"
              {...form.getInputProps('name')}
              data-autofocus
            />
            <Textarea label="What belongs in it" autosize minRows={2} {...form.getInputProps('summary')} />
            <TextInput
              label="Licence of contributions"
              description="An SPDX identifier"
              {...form.getInputProps('licence')}
            />
            <Text size="xs" c="dimmed">
              Your wallet signs two transactions: the first creates it, the second names this server as the
              one that checks records. You own the Datanet and receive what no contributor’s data explains.
            </Text>
            <TransactionState progress={transact.progress} />
            {create.error !== null && transact.progress.stage !== 'failed' && (
              <Alert color="red" role="alert">
                {shortMessage(create.error)}
              </Alert>
            )}
            <Button type="submit" loading={create.isPending}>
              Create on chain
            </Button>
          </Stack>
        </form>
      </Modal>
    </>
  )
}
