import { Anchor, Group, Progress, Stack, Text, UnstyledButton } from '@mantine/core'
import type { Attribution } from '@openledger/protocol'
import { Link } from '@tanstack/react-router'
import { shorten } from './Address.tsx'
import { Amount } from './Amount.tsx'
import { payeeColours } from './payeeColours.ts'
import { ranked } from './pieces.ts'
import { Reasons } from './Reasons.tsx'
import { type Payees, payeeName } from './usePayees.ts'
import { byKind, inShort, percent } from './words.ts'

type Props = {
  attribution: Attribution.Attribution
  payees: Payees
  /** Its text, where it is known: spans are then quoted. */
  answer?: string
  selected: string | undefined
  onSelect: (contributionId: string | undefined) => void
}

/** Who is paid for an answer and why, highest share first, the commons last; the bar adds up to the whole. */
export function Shares({ attribution, payees, answer, selected, onSelect }: Props) {
  const colours = payeeColours(attribution)
  const shares = ranked(attribution)
  const paid = byKind(shares.flatMap(({ reasons }) => reasons))
  return (
    <Stack gap="sm">
      <Progress.Root size={14} aria-hidden>
        {shares.map(({ contributionId, sharePpm }) => (
          <Progress.Section
            key={contributionId}
            value={sharePpm / 10_000}
            color={colours.get(contributionId)!}
            style={{ opacity: selected === undefined || selected === contributionId ? 1 : 0.35 }}
          />
        ))}
        <Progress.Section value={attribution.commons.sharePpm / 10_000} color="gray.5" />
      </Progress.Root>
      <Text size="xs" c="dimmed">
        {percent(paid.influence)} by influence (what moved the answer), {percent(paid.span)} by exact words
        (what it repeats)
        {paid.context > 0 && <>, {percent(paid.context)} by records that stood in the prompt</>},{' '}
        {percent(attribution.commons.sharePpm)} to the commons.
      </Text>
      <Stack gap={2} component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
        {shares.map((share) => (
          <ShareRow
            key={share.contributionId}
            share={share}
            payees={payees}
            answer={answer}
            colour={colours.get(share.contributionId)!}
            isSelected={selected === share.contributionId}
            onToggle={() => onSelect(selected === share.contributionId ? undefined : share.contributionId)}
          />
        ))}
        {attribution.commons.sharePpm > 0 && (
          <li>
            <Group justify="space-between" wrap="nowrap" gap="md" p={6} align="flex-start">
              <Text size="xs" c="dimmed">
                To the Datanet’s commons. {attribution.commons.reason}
              </Text>
              <ShareFigures sharePpm={attribution.commons.sharePpm} wei={attribution.commons.amountWei} />
            </Group>
          </li>
        )}
      </Stack>
    </Stack>
  )
}

type RowProps = {
  share: Attribution.Share
  payees: Payees
  answer: string | undefined
  colour: string
  isSelected: boolean
  onToggle: () => void
}

function ShareRow({ share, payees, answer, colour, isSelected, onToggle }: RowProps) {
  return (
    <li>
      <UnstyledButton
        w="100%"
        p={6}
        aria-expanded={isSelected}
        onClick={onToggle}
        style={{
          borderRadius: 8,
          background: isSelected ? `var(--mantine-color-${colour}-light)` : undefined,
        }}
      >
        <Group justify="space-between" wrap="nowrap" gap="xs" align="flex-start">
          <Group gap={8} wrap="nowrap" miw={0} align="flex-start">
            <span
              className="swatch"
              aria-hidden
              style={{ marginTop: 4, background: `var(--mantine-color-${colour}-filled)` }}
            />
            <div style={{ minWidth: 0 }}>
              <Text size="sm" fw={600} truncate>
                {payeeName(payees, share.contributionId)}
              </Text>
              <Text size="xs" c="dimmed">
                pays {shorten(share.beneficiary)} · {inShort(share.reasons)}
              </Text>
            </div>
          </Group>
          <ShareFigures sharePpm={share.sharePpm} wei={share.amountWei} />
        </Group>
      </UnstyledButton>
      {isSelected && (
        <Reasons contributionId={share.contributionId} reasons={share.reasons} answer={answer}>
          <Anchor component={Link} to={`/contributions/${share.contributionId}`} size="xs">
            Open the whole contribution
          </Anchor>
        </Reasons>
      )}
    </li>
  )
}

function ShareFigures({ sharePpm, wei }: { sharePpm: number; wei: string }) {
  return (
    <Text size="sm" ta="right" component="div" style={{ flexShrink: 0 }}>
      <Text inherit fw={650} style={{ fontVariantNumeric: 'tabular-nums' }}>
        {percent(sharePpm)}
      </Text>
      <Text size="xs" component="div">
        <Amount wei={wei} />
      </Text>
    </Text>
  )
}
