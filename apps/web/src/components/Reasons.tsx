import { Anchor, Box, Code, Group, Progress, Stack, Text } from '@mantine/core'
import type { Attribution, Http } from '@openledger/protocol'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { queries } from '../api.ts'
import { byRecord, glimpse, type RecordReasons } from './byRecord.ts'
import { Echoes } from './Echoes.tsx'
import { byKind, count, likelier, percent, strength } from './words.ts'

/** How many records are named, and how many of them shown, before the rest is only counted. */
const NAMED_MAX = 6
const SHOWN_MAX = 3

type Props = {
  contributionId: string
  reasons: readonly Attribution.Reason[]
  /** The answer's text, where it is known: words are then quoted. */
  answer?: string | undefined
  /** Stands after the sentence that says which way paid how much. */
  children?: ReactNode
}

/** Why one contribution is paid: which of its records, how strongly, and what stands in them. */
export function Reasons({ contributionId, reasons, answer, children }: Props) {
  const contribution = useQuery(queries.contribution(contributionId))
  const texts = new Map(contribution.data?.records.map((record) => [record.id as string, record]))
  const records = byRecord(reasons, answer)
  const ways = byKind(reasons)
  return (
    <Stack gap="xs" pl={26} pr={6} pb="sm" pt={4}>
      <Text size="xs">
        {percent(ways.influence)} by influence, {percent(ways.span)} by exact words
        {ways.context > 0 && <>, {percent(ways.context)} by standing in the prompt</>}. {children}
      </Text>
      {records.slice(0, NAMED_MAX).map((each, index) => (
        <RecordReason
          key={each.recordId}
          contributionId={contributionId}
          reasons={each}
          record={texts.get(each.recordId)}
          most={records[0]!.sharePpm}
          isShown={index < SHOWN_MAX}
        />
      ))}
      {records.length > NAMED_MAX && (
        <Text size="xs" c="dimmed">
          and {count(records.length - NAMED_MAX, 'more record')} with less
        </Text>
      )}
    </Stack>
  )
}

type RecordReasonProps = {
  contributionId: string
  reasons: RecordReasons
  record: Http.RecordDetail | undefined
  /** The highest share of a record, for comparison. */
  most: number
  isShown: boolean
}

function RecordReason({ contributionId, reasons, record, most, isShown }: RecordReasonProps) {
  const { recordId, sharePpm, milliZ, milliNats, passages, characters } = reasons
  return (
    <Box>
      <Group gap="xs" style={{ rowGap: 0 }}>
        <Progress value={(100 * sharePpm) / Math.max(1, most)} size="sm" w={48} color="gray" aria-hidden />
        <Anchor
          component={Link}
          to={`/contributions/${contributionId}`}
          hash={`record-${recordId}`}
          size="xs"
        >
          Record {record === undefined ? recordId.slice(0, 10) : record.index + 1}
        </Anchor>
        <Text size="xs" fw={600}>
          {percent(sharePpm)}
        </Text>
        {milliZ !== undefined && (
          <Text size="xs" c="dimmed">
            moved the answer {strength(milliZ)} ({(milliZ / 1000).toFixed(1)} σ)
          </Text>
        )}
        {milliNats !== undefined && (
          <Text size="xs" c="dimmed">
            stood in the prompt and made the answer {likelier(milliNats)}
          </Text>
        )}
      </Group>
      {isShown && record?.text != null && (
        <Code block fz={11} mt={2} className="record-glimpse" aria-label="How the record begins">
          {glimpse(record.text)}
        </Code>
      )}
      {characters > 0 && (
        <Text size="xs" c="dimmed" mt={2} style={{ overflowWrap: 'anywhere' }}>
          word for word: {passages.length === 0 && count(characters, 'character')}
          {passages.map((passage, index) => (
            <span key={passage}>
              {index > 0 && ', '}
              <q>{passage}</q>
            </span>
          ))}
        </Text>
      )}
      {record !== undefined && <Echoes record={record} size="xs" />}
    </Box>
  )
}
