import { Text, Tooltip } from '@mantine/core'
import { Open } from '@openledger/primitives'

/** Shows wei as OPEN with four significant digits; the exact amount is in the tooltip and for screen readers. */
export function Amount({ wei, strong = false }: { wei: string | bigint; strong?: boolean }) {
  const exact = Open.format(BigInt(wei))
  return (
    <Tooltip label={`${exact} OPEN`} withArrow>
      <Text
        span
        size="sm"
        fw={strong ? 650 : 400}
        style={{ fontVariantNumeric: 'tabular-nums', whiteSpace: 'nowrap' }}
      >
        <span aria-hidden>{shortOpen(exact)} OPEN</span>
        <span className="visually-hidden">{exact} OPEN</span>
      </Text>
    </Tooltip>
  )
}

/** Keeps the whole part and at most four significant digits after it. */
export function shortOpen(exact: string): string {
  const [whole = '0', fraction = ''] = exact.split('.')
  if (fraction === '') return Number(whole).toLocaleString('en')
  if (whole !== '0') return `${Number(whole).toLocaleString('en')}.${fraction.slice(0, 2).padEnd(2, '0')}`
  const lead = fraction.match(/^0*/)![0].length
  if (lead > 8) return '< 0.00000001'
  return `0.${fraction.slice(0, lead + 4).replace(/0+$/, '')}`
}
