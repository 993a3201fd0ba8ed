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
        <Figure label="Price">nothing</Figure>
        <Figure label="Memory, at most about">{(data.memoryBytes / 1e9).toFixed(1)} GB</Figure>
        <Figure label="Steps">{data.stepCount.toLocaleString('en')}</Figure>
        <Figure label="Tokens a pass">{data.tokenCount.toLocaleString('en')}</Figure>
      </Figures>
      <Text size="sm">
        {splitWords(data)} {formWords(data)}{' '}
        {data.rehearsedTokenCount > 0 &&
          `With each pass it rehearses ${data.rehearsedTokenCount.toLocaleString('en')} tokens that the base writes, so that it forgets little of what the base knows.`}
      </Text>
      <UnstyledButton onClick={toggle} aria-expanded={opened}>
        <Text size="sm" td="underline">
          {opened ? 'Hide' : 'Show'} how the model reads the first records
        </Text>
      </UnstyledButton>
      <Collapse expanded={opened}>
        <Stack gap="sm">
          {data.samples.map((sample) => (
            <Group gap={4} key={sample.recordId} aria-label="Tokens of a record">
              <Text size="xs" c="dimmed" w="100%">
                {FORMS[sample.form]}
              </Text>
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

const splitWords = ({
  recordCount,
  trainingCount,
  validationCount,
  testCount,
}: Http.TrainingEstimate): string =>
  validationCount === 0
    ? `All ${recordCount} records are learned: too few to keep any out, so the loss will say what it remembers, not what it understood.`
    : `${trainingCount} records are learned; ${validationCount} say when to stop and ${testCount} are measured at the end, so that the loss says what it understood, not what it remembers.`

const FORMS = {
  text: 'Text: all of it is learned.',
  completion: 'Prompt with completion: the completion is learned.',
  chat: 'Conversation: what the assistant says is learned.',
  preference: 'Preference: the chosen answer, against the rejected one.',
} as const

/** Says what else than plain text there is; nothing when there is nothing else. */
const formWords = ({ forms }: Http.TrainingEstimate): string => {
  const names = { completion: 'prompts with completions', chat: 'conversations', preference: 'preferences' }
  const parts = (['completion', 'chat', 'preference'] as const).flatMap((kind) =>
    forms[kind] ? [`${forms[kind]} ${names[kind]}`] : [],
  )
  return parts.length === 0 ? '' : `Among them are ${parts.join(', ')}.`
}

/** Line ends and spaces as signs, so that no token looks empty. */
const visible = (text: string): string =>
  text.replaceAll('\n', '⏎').replaceAll('\t', '⇥').replaceAll(' ', '·')
