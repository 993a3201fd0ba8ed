import { Button, Group, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useNavigate } from '@tanstack/react-router'
import { addressOf } from './addressOf.ts'

/** Goes to a block by its number or a transaction by its hash. */
export function Find() {
  const navigate = useNavigate()
  const form = useForm({
    initialValues: { value: '' },
    validate: {
      value: (value) =>
        addressOf(value) === undefined
          ? 'Give a block number or a transaction hash (0x and 64 digits)'
          : null,
    },
  })
  return (
    <form onSubmit={form.onSubmit(({ value }) => void navigate({ to: addressOf(value)! }))}>
      <Group align="flex-start" gap="xs" wrap="nowrap">
        <TextInput
          aria-label="Block number or transaction hash"
          placeholder="Block number or transaction hash"
          flex={1}
          maw={560}
          {...form.getInputProps('value')}
        />
        <Button type="submit" variant="default">
          Find
        </Button>
      </Group>
    </form>
  )
}
