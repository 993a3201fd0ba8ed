import { Text } from '@mantine/core'
import { type Http, RecordForm } from '@openledger/protocol'

type Props = { record: Pick<Http.RecordDetail, 'text' | 'echoes'>; size: 'xs' | 'sm' }

/** What of a record does not count, because models had said it before the record came. */
export function Echoes({ record: { text, echoes }, size }: Props) {
  if (text === null || echoes.length === 0) return null
  const plain = RecordForm.plainText(text)
  return (
    <Text size={size} mb={6} style={{ overflowWrap: 'anywhere' }}>
      neither learned nor paid, because models here had answered it before the record came:{' '}
      {echoes.map(([start, end], index) => (
        <span key={start}>
          {index > 0 && ', '}
          <q>{plain.slice(start, end)}</q>
        </span>
      ))}
    </Text>
  )
}
