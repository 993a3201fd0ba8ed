import { TextInput } from '@mantine/core'
import { isAddress } from 'viem'

type Props = { label: string; value: string; onChange: (text: string) => void }

/** An address to send to; what is none, or has a wrong checksum, is said at once. */
export function AddressInput({ label, value, onChange }: Props) {
  return (
    <TextInput
      label={label}
      placeholder="0x…"
      value={value}
      onChange={(event) => onChange(event.currentTarget.value.trim())}
      error={value !== '' && !isAddress(value) ? 'Not an address' : undefined}
      w={320}
      maw="100%"
      size="xs"
    />
  )
}
