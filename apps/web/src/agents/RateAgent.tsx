import { Button, Group, NumberInput } from '@mantine/core'
import * as RegistryCalls from '@openledger/agent/RegistryCalls'
import { useState } from 'react'
import type { Hex } from 'viem'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useTransact } from '../wallet/useTransact.ts'

type Props = { agentId: string; agentReputation: Hex }

/** Rates an agent of somebody else's; anyone may, and it counts for who has paid for an answer that its owner sells. */
export function RateAgent({ agentId, agentReputation }: Props) {
  const transact = useTransact()
  const [score, setScore] = useState<number | string>(80)
  const isScore = typeof score === 'number' && Number.isInteger(score)
  return (
    <>
      <Group align="flex-end" gap="xs" mt="md">
        <NumberInput label="Your rating" min={0} max={100} w={110} value={score} onChange={setScore} />
        <Button
          size="xs"
          variant="default"
          disabled={!isScore || transact.isBusy}
          onClick={() =>
            transact.start(() =>
              transact.send(RegistryCalls.rate(agentReputation, BigInt(agentId), Number(score))),
            )
          }
        >
          Rate it
        </Button>
      </Group>
      <TransactionState progress={transact.progress} />
    </>
  )
}
