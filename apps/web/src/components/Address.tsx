import { Anchor, CopyButton, Group, Text, Tooltip, UnstyledButton } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'

/** Shortens a long hexadecimal value to what a person can compare. */
export const shorten = (hex: string): string => `${hex.slice(0, 6)}…${hex.slice(-4)}`

/** Where a hash leads, by what it names. */
const pages = { transaction: '/explorer/transactions', contribution: '/contributions' } as const

type Props = { value: string; kind?: keyof typeof pages; label?: string }

/** An address or hash: short, monospaced, copied whole, linked where it leads somewhere. */
export function Address({ value, kind, label }: Props) {
  const text = label ?? shorten(value)
  const font = label === undefined ? { ff: 'monospace' as const } : {}
  return (
    <Group gap={4} wrap="nowrap" display="inline-flex">
      {kind === undefined ? (
        <Text span inherit {...font} title={value}>
          {text}
        </Text>
      ) : (
        <Anchor component={Link} to={`${pages[kind]}/${value}`} inherit {...font} title={value}>
          {text}
        </Anchor>
      )}
      <CopyButton value={value}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? 'Copied' : 'Copy'}>
            <UnstyledButton onClick={copy} aria-label={`Copy ${shorten(value)}`} lh={1} p={2}>
              {copied ? <IconCheck size={14} /> : <IconCopy size={14} opacity={0.65} />}
            </UnstyledButton>
          </Tooltip>
        )}
      </CopyButton>
    </Group>
  )
}
