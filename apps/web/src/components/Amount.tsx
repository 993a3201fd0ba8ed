import { Text, Tooltip } from '@mantine/core'
import { Open } from '@openledger/primitives'
import { shortOpen } from './shortOpen.ts'

/** Shows wei as OPEN in few digits; the exact amount is in the tooltip and for screen readers. */
export function Amount({ wei, strong = false }: { wei: string | bigint; strong?: boolean }) {
  const exact = Open.format(BigInt(wei))
  return (
    <Tooltip label={`${exact} OPEN`} withArrow>
      <Text
        span
        inherit
        {...(strong ? { fw: 650 } : {})}
        style={{ fontVariantNumeric: 'tabular-nums', whiteSpace: 'nowrap' }}
      >
        <span aria-hidden>{shortOpen(exact)} OPEN</span>
        <span className="visually-hidden">{exact} OPEN</span>
      </Text>
    </Tooltip>
  )
}
