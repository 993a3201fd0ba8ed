import { Group, Text } from '@mantine/core'
import type { ReactNode } from 'react'

/** A number with its name above it; three dots while it is not known. */
export function Figure({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text fw={650} component="div">
        {children ?? '…'}
      </Text>
    </div>
  )
}

/** Figures in a row, or in several where there is no room. */
export function Figures({ children, mb = 0 }: { children: ReactNode; mb?: 'sm' | 0 }) {
  return (
    <Group gap="xl" mb={mb} style={{ rowGap: 'var(--mantine-spacing-xs)' }}>
      {children}
    </Group>
  )
}
