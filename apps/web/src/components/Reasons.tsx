import { Anchor, Box, Code, Group, Progress, Stack, Text } from '@mantine/core'
import type { Attribution } from '@openledger/protocol'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { byKind, count, percent, reasonText } from './words.ts'

/** How many records are named before the rest is only counted. */
const SHOWN_MAX = 6

/** Why one contribution is paid: which of its records, how strongly, and what stands in them. */
export function Reasons({ share, answer }: { share: Attribution.Share; answer: string | undefined }) {
  const contribution = useQuery(queries.contribution(share.contributionId))
  const records = new Map(contribution.data?.records.map((record) => [record.id as string, record]))
  const byRecord = Map.groupBy(share.reasons, ({ recordId }) => recordId as string)
  const strongest = [...byRecord]
    .map(([recordId, reasons]) => ({
      recordId,
      reasons,
      sharePpm: reasons.reduce((sum, reason) => sum + reason.sharePpm, 0),
    }))
    .sort((a, b) => b.sharePpm - a.sharePpm)
  const most = strongest[0]?.sharePpm ?? 1
  const ways = byKind(share.reasons)
  return (
    <Stack gap="xs" pl={26} pr={6} pb="sm" pt={4}>
      <Text size="xs">
        {percent(ways.influence)} by influence, {percent(ways.span)} by exact words.{' '}
        <Anchor component={Link} to={`/contributions/${share.contributionId}`} size="xs">
          Open the whole contribution
        </Anchor>
      </Text>
      {strongest.slice(0, SHOWN_MAX).map(({ recordId, reasons, sharePpm }) => {
        const record = records.get(recordId)
        return (
          <Box key={recordId}>
            <Group gap="xs" wrap="nowrap" mb={2}>
              <Progress value={(100 * sharePpm) / most} size="sm" w={60} color="gray" aria-hidden />
              <Anchor
                component={Link}
                to={`/contributions/${share.contributionId}`}
                hash={`record-${recordId}`}
                size="xs"
              >
                Record {record === undefined ? recordId.slice(0, 10) : record.index + 1}
              </Anchor>
              <Text size="xs" fw={600}>
                {percent(sharePpm)}
              </Text>
            </Group>
            {record !== undefined && (
              <Code block fz={11} mb={2} className="record-glimpse" aria-label="How the record begins">
                {glimpse(record.text)}
              </Code>
            )}
            {reasons.map((reason, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: reasons never change order
              <Text size="xs" c="dimmed" key={index} style={{ overflowWrap: 'anywhere' }}>
                {reasonText(reason)}
                {reason.kind === 'span' && answer !== undefined && (
                  <>
                    : <q>{answer.slice(reason.start, reason.end).replace(/\s+/g, ' ').trim()}</q>
                  </>
                )}
              </Text>
            ))}
          </Box>
        )
      })}
      {strongest.length > SHOWN_MAX && (
        <Text size="xs" c="dimmed">
          and {count(strongest.length - SHOWN_MAX, 'more record')} with less
        </Text>
      )}
    </Stack>
  )
}

/** The first lines of a record that say something. */
function glimpse(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return `${lines.slice(0, 3).join('\n').slice(0, 240)}${lines.length > 3 ? '\n…' : ''}`
}
