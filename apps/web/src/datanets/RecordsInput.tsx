import { TextInput } from '@mantine/core'
import { useState } from 'react'
import { indexesOf } from './places.ts'

/** Takes records of a contribution as a person counts them, from one; `indexes` count from zero and are undefined while there are none. */
export function useRecordsInput(label: string, recordCount: number) {
  const [numbers, setNumbers] = useState('')
  const indexes = indexesOf(numbers, recordCount)
  const input = (
    <TextInput
      label={label}
      placeholder="1, 4, 5"
      size="xs"
      value={numbers}
      onChange={(event) => setNumbers(event.currentTarget.value)}
      error={numbers !== '' && indexes === undefined ? `1 to ${recordCount}` : undefined}
    />
  )
  return { indexes, input }
}
