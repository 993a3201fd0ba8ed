import { Text } from '@mantine/core'
import type { ReactNode } from 'react'

/** Facts with their names beside them; on a narrow page the name stands above. Rows go into a `Rows`. */
export function Rows({ children }: { children: ReactNode }) {
  return <dl className="rows">{children}</dl>
}

/** One named fact. */
export function Row({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <Text size="sm" c="dimmed" component="dt">
        {label}
      </Text>
      <Text size="sm" component="dd" m={0} miw={0}>
        {children}
      </Text>
    </div>
  )
}
