import { Text } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { count, moment } from './words.ts'

/** Says what a receipt is for, where it is not one model's whole answer. */
export function PaidFor({ receipt: { attribution, modelName } }: { receipt: Http.SignedReceipt }) {
  const { merge, pin } = attribution
  if (pin !== undefined)
    return (
      <Text size="sm" mb="xs">
        {modelName} is kept in memory until {moment(pin.untilSeconds)}, paid for by size and time:{' '}
        {(pin.sizeBytes / 2 ** 20).toFixed(1)} MiB for {count(pin.seconds / 3600, 'hour')}. No record shaped
        an answer here, so the contributors’ part goes to the commons.
      </Text>
    )
  if (merge === undefined) return null
  const { models, index, inputTokens, outputTokens } = merge
  return (
    <Text size="sm" mb="xs">
      {count(models.length, 'model')} answered together; {modelName} with weight{' '}
      {models[index]!.weightPpm / 1e6}. It is paid for that part of {count(inputTokens, 'token')} of prompt
      and {outputTokens} of answer, each of the others by a receipt of its own.
    </Text>
  )
}
