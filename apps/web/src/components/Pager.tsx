import { Button, Group } from '@mantine/core'

type Props = {
  /** Undefined where the newest are shown. */
  onNewest: (() => void) | undefined
  /** Undefined where nothing is older. */
  onOlder: (() => void) | undefined
}

/** Goes from the newest of a list to older ones, and back. */
export function Pager({ onNewest, onOlder }: Props) {
  return (
    <Group mt="sm" gap="xs">
      <Button size="xs" variant="default" disabled={onNewest === undefined} onClick={onNewest}>
        Newest
      </Button>
      <Button size="xs" variant="default" disabled={onOlder === undefined} onClick={onOlder}>
        Older
      </Button>
    </Group>
  )
}
