import { Button, Group, Stack, Text } from '@mantine/core'
import { Open } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import { modelsAbi } from '@openledger/protocol/abi/models'
import { useState } from 'react'
import { getAddress, type Hex, isAddress } from 'viem'
import { AddressInput } from '../components/AddressInput.tsx'
import { OpenInput } from '../components/OpenInput.tsx'
import { weiOf } from '../components/weiOf.ts'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useTransact } from '../wallet/useTransact.ts'
import { useL2Client } from '../wallet/useWallet.ts'
import { KeepPanel } from './KeepPanel.tsx'
import { OwnerPart } from './OwnerPart.tsx'

type Props = { model: Http.Model; account: Hex; deployment: Http.Network['deployment'] }

/** What a model's owner earns and decides: its prices, whose it is, and when it ends. */
export function OwnerPanel({ model, account, deployment }: Props) {
  const transact = useTransact()
  const publicClient = useL2Client()
  const [input, setInput] = useState(Open.format(BigInt(model.inputPriceWei)))
  const [output, setOutput] = useState(Open.format(BigInt(model.outputPriceWei)))
  const [to, setTo] = useState('')
  const [isRetiring, setRetiring] = useState(false)
  const [inputWei, outputWei] = [weiOf(input), weiOf(output)]
  const contract = { address: deployment.l2.models, abi: modelsAbi } as const
  const id = BigInt(model.id)
  return (
    <Stack gap="sm" mt="sm">
      <Text size="sm" c="dimmed">
        This model is yours. New prices hold for answers asked for afterwards; what was earned before a change
        of hands stays yours.
      </Text>
      {publicClient !== undefined && (
        <OwnerPart account={account} deployment={deployment} publicClient={publicClient} />
      )}
      <KeepPanel model={model} />
      <Group align="flex-end" gap="xs">
        <OpenInput label="OPEN per token read" value={input} onChange={setInput} w={150} />
        <OpenInput label="OPEN per token written" value={output} onChange={setOutput} w={160} />
        <Button
          size="xs"
          disabled={inputWei === undefined || outputWei === undefined || transact.isBusy}
          onClick={() =>
            transact.start(() =>
              transact.send({ ...contract, functionName: 'setPrices', args: [id, inputWei!, outputWei!] }),
            )
          }
        >
          Set prices
        </Button>
      </Group>
      <Group align="flex-end" gap="xs">
        <AddressInput label="New owner" value={to} onChange={setTo} />
        <Button
          size="xs"
          variant="default"
          disabled={!isAddress(to) || transact.isBusy}
          onClick={() =>
            transact.start(() =>
              transact.send({ ...contract, functionName: 'transferModel', args: [id, getAddress(to)] }),
            )
          }
        >
          Give it away
        </Button>
      </Group>
      <Group gap="xs">
        {isRetiring ? (
          <>
            <Text size="sm">It can never be asked again. Sure?</Text>
            <Button
              size="xs"
              color="red"
              disabled={transact.isBusy}
              onClick={() =>
                transact.start(() => transact.send({ ...contract, functionName: 'retire', args: [id] }))
              }
            >
              Retire {model.name}
            </Button>
            <Button size="xs" variant="default" onClick={() => setRetiring(false)}>
              Keep it
            </Button>
          </>
        ) : (
          <Button size="xs" variant="default" onClick={() => setRetiring(true)}>
            Retire …
          </Button>
        )}
      </Group>
      <TransactionState progress={transact.progress} />
    </Stack>
  )
}
