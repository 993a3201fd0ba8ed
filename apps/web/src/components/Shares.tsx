import { Badge, Group, Progress, Stack, Text, UnstyledButton } from '@mantine/core'
import type { Attribution } from '@openledger/protocol'
import { Address } from './Address.tsx'
import { Amount } from './Amount.tsx'
import { colours } from './AttributedText.tsx'

/** Parts per million as a percentage with one decimal. */
export const percent = (ppm: number): string => `${(ppm / 10_000).toFixed(1)} %`

/** Says one reason for a share in words. */
export function reasonText(reason: Attribution.Reason): string {
  return reason.kind === 'influence'
    ? `moved this answer by ${(reason.milliZ / 1000).toFixed(1)} standard deviations more than chance`
    : `has these very words (found ${reason.occurrences} time${reason.occurrences === 1 ? '' : 's'} in the training data)`
}

type Props = {
  attribution: Attribution.Attribution
  titles: ReadonlyMap<string, string>
  selected?: string | undefined
  onSelect?: (contributionId: string | undefined) => void
}

/** Who is paid for an answer and why, highest share first, the commons last; the bars add up to the whole. */
export function Shares({ attribution, titles, selected, onSelect }: Props) {
  const colour = colours(attribution)
  const ranked = [...attribution.shares].sort((a, b) => b.sharePpm - a.sharePpm)
  return (
    <Stack gap="sm">
      <Progress.Root size="lg" aria-hidden>
        {ranked.map((share) => (
          <Progress.Section
            key={share.contributionId}
            value={share.sharePpm / 10_000}
            color={colour.get(share.contributionId)!}
          />
        ))}
        <Progress.Section value={attribution.commons.sharePpm / 10_000} color="gray" />
      </Progress.Root>
      <Stack gap={6} component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
        {ranked.map((share) => {
          const influence = share.reasons.filter((reason) => reason.kind === 'influence')
          const spans = share.reasons.filter((reason) => reason.kind === 'span')
          return (
            <li key={share.contributionId}>
              <UnstyledButton
                w="100%"
                p={6}
                aria-pressed={selected === share.contributionId}
                onClick={() =>
                  onSelect?.(selected === share.contributionId ? undefined : share.contributionId)
                }
                style={{
                  borderRadius: 8,
                  background:
                    selected === share.contributionId ? 'var(--mantine-color-default-hover)' : undefined,
                }}
              >
                <Group justify="space-between" wrap="nowrap" gap="xs">
                  <Group gap={8} wrap="nowrap" miw={0}>
                    <Badge circle size="xs" color={colour.get(share.contributionId)!} aria-hidden>
                      {' '}
                    </Badge>
                    <Text size="sm" fw={600} truncate>
                      {titles.get(share.contributionId) ?? share.contributionId.slice(0, 10)}
                    </Text>
                  </Group>
                  <Group gap="sm" wrap="nowrap">
                    <Text size="sm" style={{ fontVariantNumeric: 'tabular-nums' }}>
                      {percent(share.sharePpm)}
                    </Text>
                    <Amount wei={share.amountWei} />
                  </Group>
                </Group>
                <Text size="xs" c="dimmed">
                  {influence.length > 0 &&
                    `${influence.length} record${influence.length === 1 ? '' : 's'} moved the answer`}
                  {influence.length > 0 && spans.length > 0 && ' · '}
                  {spans.length > 0 &&
                    `${spans.length} passage${spans.length === 1 ? '' : 's'} word for word`}
                </Text>
              </UnstyledButton>
              {selected === share.contributionId && (
                <Stack gap={4} pl="lg" pb="xs">
                  <Address value={share.contributionId} kind="contribution" label="Open the contribution" />
                  {share.reasons.slice(0, 8).map((reason, index) => (
                    // biome-ignore lint/suspicious/noArrayIndexKey: reasons never change order
                    <Text size="xs" key={index}>
                      <Text span ff="monospace" size="xs">
                        record {reason.recordId.slice(0, 10)}
                      </Text>{' '}
                      {reasonText(reason)}: {percent(reason.sharePpm)}
                    </Text>
                  ))}
                </Stack>
              )}
            </li>
          )
        })}
        {attribution.commons.sharePpm > 0 && (
          <li>
            <Group justify="space-between" wrap="nowrap" p={6}>
              <Text size="sm" c="dimmed">
                Commons of the Datanet: {attribution.commons.reason}
              </Text>
              <Group gap="sm" wrap="nowrap">
                <Text size="sm">{percent(attribution.commons.sharePpm)}</Text>
                <Amount wei={attribution.commons.amountWei} />
              </Group>
            </Group>
          </li>
        )}
      </Stack>
    </Stack>
  )
}
