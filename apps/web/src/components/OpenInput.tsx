import { TextInput } from '@mantine/core'
import { weiOf } from './weiOf.ts'

type Props = {
  label?: string
  /** As the person wrote it: a number would lose digits, and the smallest prices with them. */
  value: string
  onChange: (text: string) => void
  /** Why an amount that can be read is still not right. */
  problem?: string | undefined
  w?: number
}

/** An amount of OPEN. `weiOf(value)` is what it means. */
export function OpenInput({ label = 'OPEN', value, onChange, problem, w = 130 }: Props) {
  const isUnread = value.trim() !== '' && weiOf(value) === undefined
  return (
    <TextInput
      label={label}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      error={isUnread ? 'Write it as 12 or 0.25' : problem}
      inputWrapperOrder={['label', 'error', 'input']}
      inputMode="decimal"
      w={w}
      size="xs"
    />
  )
}
