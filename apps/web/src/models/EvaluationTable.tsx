import { Table, Text } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { perplexity } from './perplexity.ts'

const MEASURES = [
  ['Exact match', 'exactMatchPpm'],
  ['ROUGE-1', 'rouge1Ppm'],
  ['ROUGE-2', 'rouge2Ppm'],
  ['ROUGE-L', 'rougeLPpm'],
  ["The owner's checks passed", 'checksPassedPpm'],
] as const

const percent = (ppm: number): string => `${(ppm / 1e4).toFixed(1)}\u00a0%`

/** How a model and its base answer test records. */
export function EvaluationTable({ evaluation }: { evaluation: Http.Evaluation }) {
  const { prompts, ours, base, previous, baseTexts, scale, judged } = evaluation
  return (
    <>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Measure</Table.Th>
            <Table.Th ta="right">Model</Table.Th>
            <Table.Th ta="right">Base</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {MEASURES.flatMap(([label, key]) => {
            const [own, its] = [ours[key], base[key]]
            if (own === null || its === null) return []
            return (
              <Table.Tr key={key}>
                <Table.Td>{label}</Table.Td>
                <Table.Td ta="right">{percent(own)}</Table.Td>
                <Table.Td ta="right">{percent(its)}</Table.Td>
              </Table.Tr>
            )
          })}
        </Table.Tbody>
      </Table>
      <Text size="sm" c="dimmed" mt="xs">
        To {prompts} prompts of the test records, which neither taught nor chose the adapter, always with the
        likeliest token.
        {previous !== null &&
          ` On the same records ${previous.name}, the model before, has a loss of ${previous.testLoss.toFixed(3)}.`}{' '}
        On texts that the base writes, the model has a perplexity of {perplexity(baseTexts.loss)} where the
        base has {perplexity(baseTexts.baseLoss)}: what it forgot.
        {scale < 1 && ` It was scaled to ${scale.toFixed(2)} of what it learned so that this is not more.`}
      </Text>
      {judged !== null && <Judged judged={judged} />}
    </>
  )
}

/** What a judge chose between the model's answers and others'. */
function Judged({ judged: { judge, rounds, failure } }: { judged: NonNullable<Http.Evaluation['judged']> }) {
  if (failure !== null)
    return (
      <Text size="sm" mt="md">
        No judge compared its answers: {failure}
      </Text>
    )
  return (
    <Table mt="md">
      <Table.Caption>
        {judge} chose between two answers to each prompt, in both orders; what it chose in one order alone is
        a tie. The score counts a tie as half, with the bounds that hold it in 95 of 100 samples.
      </Table.Caption>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Against</Table.Th>
          <Table.Th ta="right">Won</Table.Th>
          <Table.Th ta="right">Tied</Table.Th>
          <Table.Th ta="right">Lost</Table.Th>
          <Table.Th ta="right">Score</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {rounds.map(({ against, wins, ties, losses, scorePpm, lowPpm, highPpm }) => (
          <Table.Tr key={against}>
            <Table.Td>{against}</Table.Td>
            <Table.Td ta="right">{wins}</Table.Td>
            <Table.Td ta="right">{ties}</Table.Td>
            <Table.Td ta="right">{losses}</Table.Td>
            <Table.Td ta="right">
              {percent(scorePpm)} ({percent(lowPpm)} to {percent(highPpm)})
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  )
}
