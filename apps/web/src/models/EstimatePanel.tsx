import { Alert, Badge, Collapse, Group, Stack, Text, UnstyledButton } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import type { Http } from '@openledger/protocol'
import { useQuery } from '@tanstack/react-query'
import { queries } from '../api.ts'
import { Figure, Figures } from '../components/Figure.tsx'
import { shortMessage } from '../wallet/shortMessage.ts'
import { duration } from './duration.ts'

export type EstimateOf = Parameters<typeof queries.trainingEstimate>[0]

/** What a run would do, before anyone signs it: its size, time and memory, and how the model reads a record. */
export function EstimatePanel({ of }: { of: EstimateOf }) {
  const { data, error } = useQuery(queries.trainingEstimate(of))
  const [opened, { toggle }] = useDisclosure()
  if (error) {
    return (
      <Alert color="red" title="No estimate" role="alert">
        {shortMessage(error)}
      </Alert>
    )
  }
  if (data === undefined) return null
  return (
    <Stack gap="xs" component="section" aria-label="Estimate">
      <Figures>
        <Figure label="Takes about">
          {data.seconds === null ? 'known after a first run' : duration(data.seconds)}
        </Figure>
        <Figure label="Memory, at most about">{(data.memoryBytes / 1e9).toFixed(1)} GB</Figure>
        <Figure label="Steps">{data.stepCount.toLocaleString('en')}</Figure>
        <Figure label="Tokens a pass">{data.tokenCount.toLocaleString('en')}</Figure>
      </Figures>
      <Text size="sm">{splitWords(data)}</Text>
      <UnstyledButton onClick={toggle} aria-expanded={opened}>
        <Text size="sm" td="underline">
          {opened ? 'Hide' : 'Show'} how the model reads the first records
        </Text>
      </UnstyledButton>
      <Collapse expanded={opened}>
        <Stack gap="sm">
          {data.samples.map((sample) => (
            <Group gap={4} key={sample.recordId} aria-label="Tokens of a record">
              {sample.tokens.map(({ text, isLearned }, i) => (
                // tokens repeat, and a record never changes
                // biome-ignore lint/suspicious/noArrayIndexKey: the place is the identity
                <Badge key={i} variant={isLearned ? 'light' : 'outline'} radius="sm" tt="none" ff="monospace">
                  {visible(text)}
                </Badge>
              ))}
            </Group>
          ))}
          <Text size="xs" c="dimmed">
            Filled tokens are learned; outlined ones are only read. Long records are cut off here.
          </Text>
        </Stack>
      </Collapse>
    </Stack>
  )
}

const splitWords = ({ recordCount, heldOutCount }: Http.TrainingEstimate): string =>
  heldOutCount === 0
    ? `All ${recordCount} records are learned: too few to keep any out, so the loss will say what it remembers, not what it understood.`
    : `${recordCount - heldOutCount} records are learned; ${heldOutCount} are kept out, so that the loss says what it understood, not what it remembers.`

/** Line ends and spaces as signs, so that no token looks empty. */
const visible = (text: string): string =>
  text.replaceAll('\n', '⏎').replaceAll('\t', '⇥').replaceAll(' ', '·')
