import { Alert, Anchor, Button, Group, NumberInput, Text } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { client, queries } from '../api.ts'
import { useApiKey } from '../chat/apiKey.ts'
import { Amount } from '../components/Amount.tsx'
import { moment } from '../components/words.ts'
import { shortMessage } from '../wallet/shortMessage.ts'

const HOURS_MAX = 720

/** Lets a model's owner pay for keeping its adapter in memory, where it answers without being loaded first. */
export function KeepPanel({ model }: { model: Http.Model }) {
  const pins = useQuery(queries.pins)
  const { held } = useApiKey()
  const queryClient = useQueryClient()
  const [hours, setHours] = useState(24)
  const keep = useMutation({
    mutationFn: async () => client.pin(model.name, hours, held!.secret),
    onSuccess: () => queryClient.invalidateQueries(),
  })
  const kept = pins.data?.pins.find(({ modelName }) => modelName === model.name)
  return (
    <>
      <Text size="sm" component="div">
        {kept === undefined ? (
          'In memory only while it is asked, so that the first question after a while waits for it.'
        ) : (
          <>
            Kept in memory until {moment(kept.untilSeconds)}, as{' '}
            <Anchor component={Link} to={`/explorer/receipts/${kept.receiptSequence}`} size="sm">
              receipt {kept.receiptSequence}
            </Anchor>{' '}
            says.
          </>
        )}
      </Text>
      <Group align="flex-end" gap="xs">
        <NumberInput
          label="Hours"
          value={hours}
          onChange={(value) => setHours(Number(value))}
          min={1}
          max={HOURS_MAX}
          allowDecimal={false}
          w={100}
        />
        <Button
          size="xs"
          variant="default"
          onClick={() => keep.mutate()}
          loading={keep.isPending}
          disabled={held === undefined || hours < 1}
        >
          {kept === undefined ? 'Keep it in memory' : 'Keep it longer'}
        </Button>
        {pins.data !== undefined && (
          <Text size="xs" c="dimmed">
            <Amount wei={pins.data.priceWei} /> for a MiB and an hour.{' '}
            {held === undefined && 'You need a key of this account first; Ask makes one.'}
          </Text>
        )}
      </Group>
      {keep.error !== null && (
        <Alert color="red" role="alert">
          {shortMessage(keep.error)}
        </Alert>
      )}
    </>
  )
}
