import { Text } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { count } from './words.ts'

/** Says what part of an answer a receipt is for, where several models answered together. */
export function MergedPart({ receipt: { attribution, modelName } }: { receipt: Http.SignedReceipt }) {
  const { merge } = attribution
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
