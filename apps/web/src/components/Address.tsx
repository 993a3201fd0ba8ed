import { Anchor, CopyButton, Group, Text, Tooltip, UnstyledButton } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'

/** Shortens a long hexadecimal value to what a person can compare. */
export const shorten = (hex: string): string => `${hex.slice(0, 6)}…${hex.slice(-4)}`

type Kind = 'transaction' | 'contribution' | 'account'

/** An address or hash: short, monospaced, copied whole, linked where it leads somewhere. */
export function Address({ value, kind, label }: { value: string; kind?: Kind; label?: string }) {
  const text = label ?? shorten(value)
  return (
    <Group gap={4} wrap="nowrap" display="inline-flex">
      {kind === 'transaction' ? (
        <Anchor
          component={Link}
          to={`/explorer/transactions/${value}`}
          ff="monospace"
          size="sm"
          title={value}
        >
          {text}
        </Anchor>
      ) : kind === 'contribution' ? (
        <Anchor component={Link} to={`/contributions/${value}`} size="sm" title={value}>
          {text}
        </Anchor>
      ) : (
        <Text ff="monospace" size="sm" title={value} span>
          {text}
        </Text>
      )}
      <CopyButton value={value}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? 'Copied' : 'Copy'}>
            <UnstyledButton onClick={copy} aria-label={`Copy ${value}`} lh={1}>
              {copied ? <IconCheck size={13} /> : <IconCopy size={13} opacity={0.5} />}
            </UnstyledButton>
          </Tooltip>
        )}
      </CopyButton>
    </Group>
  )
}
