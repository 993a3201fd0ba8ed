import { Button, Card, Group, Text, TextInput, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { datanetsAbi } from '@openledger/protocol/abi/datanets'
import { useState } from 'react'
import { getAddress, type Hex, isAddress } from 'viem'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useTransact } from '../wallet/useTransact.ts'

/** Handing a contribution's future rewards to someone else; only for the wallet that receives them now. */
export function Beneficiary({ contribution, datanets }: { contribution: Http.Contribution; datanets: Hex }) {
  const transact = useTransact()
  const [to, setTo] = useState('')
  return (
    <Card withBorder component="section" aria-labelledby="beneficiary">
      <Title order={2} size="h4" mb={4} id="beneficiary">
        Future rewards
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        They are paid to your wallet. You can hand them to another address; what was earned until then stays
        yours, and only the new receiver can hand them on.
      </Text>
      <Group align="flex-end" gap="xs">
        <TextInput
          label="Pay from now on"
          placeholder="0x…"
          value={to}
          onChange={(event) => setTo(event.currentTarget.value)}
          error={to !== '' && !isAddress(to) ? 'Not an address' : undefined}
          w={320}
          size="xs"
        />
        <Button
          size="xs"
          disabled={!isAddress(to) || transact.isBusy}
          onClick={() =>
            transact.start(() =>
              transact.send({
                address: datanets,
                abi: datanetsAbi,
                functionName: 'setBeneficiary',
                args: [contribution.id as Hex, getAddress(to)],
              }),
            )
          }
        >
          Hand over
        </Button>
      </Group>
      <TransactionState progress={transact.progress} />
    </Card>
  )
}
