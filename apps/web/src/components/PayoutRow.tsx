import { Anchor, Group, Text, UnstyledButton } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import type { Http } from '@openledger/protocol'
import { IconChevronDown, IconChevronRight } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { Amount } from './Amount.tsx'
import { Reasons } from './Reasons.tsx'
import { inShort, moment, percent } from './words.ts'

type Props = {
  payout: Omit<Http.PaidAnswer, 'beneficiary' | 'settlementTransaction'>
  /** How far the money is. */
  standing: ReactNode
  /** Of the contribution, on a page that is about more than one. */
  title?: string
  /** Whether the records and words are shown before anybody asks. */
  isOpen: boolean
}

/** What one answer paid a contribution, when, and which of its records and words were the reason. */
export function PayoutRow({ payout, standing, title, isOpen }: Props) {
  const { receiptSequence, modelName, contributionId, sharePpm, amountWei, reasons, timestamp } = payout
  const [isShown, { toggle }] = useDisclosure(isOpen)
  const Chevron = isShown ? IconChevronDown : IconChevronRight
  return (
    <li className="payout">
      <Group justify="space-between" wrap="nowrap" align="flex-start" gap="md">
        <div style={{ minWidth: 0 }}>
          {title !== undefined && (
            <Anchor component={Link} to={`/contributions/${contributionId}`} size="sm" fw={600}>
              {title}
            </Anchor>
          )}
          <Group gap="xs" style={{ rowGap: 2 }}>
            <Anchor component={Link} to={`/explorer/receipts/${receiptSequence}`} size="sm">
              Receipt {receiptSequence}
            </Anchor>
            <Text size="sm">{modelName}</Text>
            <Text size="sm" c="dimmed">
              {moment(timestamp)}
            </Text>
            {standing}
          </Group>
        </div>
        <Text size="sm" component="div" ta="right" style={{ flexShrink: 0 }}>
          <Amount wei={amountWei} strong />
          <Text size="xs" c="dimmed" maw={{ base: 110, sm: 'none' }}>
            {percent(sharePpm)} of the contributors’ part
          </Text>
        </Text>
      </Group>
      <UnstyledButton onClick={toggle} aria-expanded={isShown} py={4}>
        <Group gap={4} wrap="nowrap">
          <Chevron size={14} aria-hidden style={{ flexShrink: 0 }} />
          <Text size="xs" c="dimmed">
            {inShort(reasons)}
          </Text>
        </Group>
      </UnstyledButton>
      {isShown && <Reasons contributionId={contributionId} reasons={reasons} />}
    </li>
  )
}
