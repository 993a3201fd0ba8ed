import { Button, Group, NumberInput, Stack, Text, TextInput } from '@mantine/core'
import { Open } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import { modelsAbi } from '@openledger/protocol/abi/models'
import { useState } from 'react'
import { getAddress, type Hex, isAddress } from 'viem'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useTransact } from '../wallet/useTransact.ts'

const asNumber = (wei: string): number => Number(Open.format(BigInt(wei)))
const asWei = (amount: number | string): bigint | undefined =>
  amount === '' ? undefined : Open.parse(String(amount))

/** What a model's owner decides: its prices, whose it is, and when it ends. */
export function OwnerPanel({ model, models }: { model: Http.Model; models: Hex }) {
  const transact = useTransact()
  const [input, setInput] = useState<number | string>(asNumber(model.inputPriceWei))
  const [output, setOutput] = useState<number | string>(asNumber(model.outputPriceWei))
  const [to, setTo] = useState('')
  const [isRetiring, setRetiring] = useState(false)
  const [inputWei, outputWei] = [asWei(input), asWei(output)]
  const contract = { address: models, abi: modelsAbi } as const
  const id = BigInt(model.id)
  return (
    <Stack gap="sm" mt="sm">
      <Text size="sm" c="dimmed">
        This model is yours. New prices hold for answers asked for afterwards; what was earned before a change
        of hands stays yours.
      </Text>
      <Group align="flex-end" gap="xs">
        <NumberInput
          label="OPEN per token read"
          value={input}
          onChange={setInput}
          min={0}
          decimalScale={18}
          w={150}
          size="xs"
        />
        <NumberInput
          label="OPEN per token written"
          value={output}
          onChange={setOutput}
          min={0}
          decimalScale={18}
          w={160}
          size="xs"
        />
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
        <TextInput
          label="New owner"
          placeholder="0x…"
          value={to}
          onChange={(event) => setTo(event.currentTarget.value)}
          error={to !== '' && !isAddress(to) ? 'Not an address' : undefined}
          w={320}
          size="xs"
        />
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
