import { Button, Group, Modal, NumberInput, Stack, Text, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDisclosure } from '@mantine/hooks'
import { type ProvisionStep, provisionAgent } from '@openledger/agent/Provisioning'
import type { Hex } from '@openledger/primitives'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { useConnection } from 'wagmi'
import { queries } from '../api.ts'
import { Command } from '../components/Command.tsx'
import { OpenInput } from '../components/OpenInput.tsx'
import { weiOf } from '../components/weiOf.ts'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useTransact } from '../wallet/useTransact.ts'
import { useL2Client } from '../wallet/useWallet.ts'

const STEPS: Record<ProvisionStep, string> = {
  wallet: '1 of 3: a wallet that only you command',
  identity: '2 of 3: its identity, and its first money',
  session: '3 of 3: the key that may pay',
}

/** An agent that was just made. */
type Made = { readonly name: string; readonly wallet: Hex; readonly secret: Hex }

const isAmount = (text: string) => ((weiOf(text) ?? 0n) > 0n ? null : 'More than 0')

/** A button and a form: the owner's wallet puts an agent on chain, and this page makes the key that its process holds. */
export function CreateAgent() {
  const [opened, { open, close }] = useDisclosure()
  const { address } = useConnection()
  const network = useQuery(queries.network)
  const models = useQuery(queries.models)
  const publicClient = useL2Client()
  const transact = useTransact()
  const [step, setStep] = useState<ProvisionStep>()
  const [made, setMade] = useState<Made>()
  const form = useForm({
    initialValues: { name: '', perPayment: '0.2', total: '1', fund: '1', days: 30 as number | string },
    validate: {
      name: (value) => (/^\S.{0,62}$/.test(value) ? null : 'Give it a name of up to 63 characters'),
      perPayment: isAmount,
      total: isAmount,
      fund: isAmount,
      days: (value) => (Number(value) > 0 ? null : 'More than 0'),
    },
  })
  const isReady = address !== undefined && publicClient !== undefined && network.data !== undefined

  async function create({ name, perPayment, total, fund, days }: typeof form.values): Promise<void> {
    if (!isReady) throw new Error('Connect a wallet first.')
    const secret = generatePrivateKey()
    const { timestamp } = await publicClient.getBlock()
    const { wallet } = await provisionAgent({
      publicClient,
      owner: { account: address, send: transact.send },
      deployment: network.data.deployment,
      name,
      description: 'An agent that asks models.',
      sessionKey: privateKeyToAccount(secret).address,
      session: {
        limitPerPaymentWei: weiOf(perPayment)!,
        limitTotalWei: weiOf(total)!,
        expiresAt: timestamp + BigInt(Math.round(Number(days) * 86_400)),
      },
      fundWei: weiOf(fund)!,
      serverUrl: window.location.origin,
      onStep: setStep,
    })
    setMade({ name, wallet, secret })
    form.reset()
  }
  const amount = (field: 'perPayment' | 'total' | 'fund') => ({
    value: form.values[field],
    onChange: (text: string) => form.setFieldValue(field, text),
    problem: form.errors[field]?.toString(),
  })
  const leave = () => {
    setMade(undefined)
    setStep(undefined)
    close()
  }
  return (
    <>
      <Button
        onClick={open}
        disabled={!isReady}
        title={address === undefined ? 'Connect a wallet first' : undefined}
      >
        {address === undefined ? 'Connect a wallet to make one' : 'New agent'}
      </Button>
      <Modal
        opened={opened}
        onClose={leave}
        title={made === undefined ? 'New agent' : `${made.name} is on chain`}
        closeOnClickOutside={!transact.isBusy && made === undefined}
        size="lg"
      >
        {made === undefined ? (
          <form onSubmit={form.onSubmit((values) => transact.start(() => create(values)))}>
            <Stack>
              <TextInput
                label="Name"
                description="What others see"
                placeholder="reviewer"
                {...form.getInputProps('name')}
                data-autofocus
              />
              <Group align="flex-start">
                <OpenInput label="Most at once, OPEN" w={130} {...amount('perPayment')} />
                <OpenInput label="Most in all, OPEN" w={130} {...amount('total')} />
                <OpenInput label="In its wallet, OPEN" w={130} {...amount('fund')} />
                <NumberInput
                  label="For days"
                  min={1}
                  max={3_650}
                  w={100}
                  size="xs"
                  {...form.getInputProps('days')}
                />
              </Group>
              <Text size="xs" c="dimmed">
                Your wallet signs three transactions. The agent’s key is made in this page and can pay for
                answers within these limits, nothing else; a contract holds it to them. You can end it, and
                take back what is left, at any time.
              </Text>
              {transact.isBusy && step !== undefined && <Text size="sm">{STEPS[step]}</Text>}
              <TransactionState progress={transact.progress} />
              <Button type="submit" loading={transact.isBusy}>
                Create on chain
              </Button>
            </Stack>
          </form>
        ) : (
          <Stack>
            <Text size="sm">
              This is its key, shown once: nobody else has it. Give it to the program that is the agent, or
              try it:
            </Text>
            <Command>{`OPENLEDGER_PRIVATE_KEY=${made.secret} npm run openledger -- agent-ask ${made.wallet} ${models.data?.[0]?.name ?? '<model>'} 'contract MyToken is'`}</Command>
            <Button onClick={leave}>I have kept it</Button>
          </Stack>
        )}
      </Modal>
    </>
  )
}
