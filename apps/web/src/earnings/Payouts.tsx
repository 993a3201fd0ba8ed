import { Anchor, Card, Group, Stack, Text, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { Link } from '@tanstack/react-router'
import { Amount } from '../components/Amount.tsx'
import { Empty } from '../components/AsyncView.tsx'
import { Standing } from '../components/Standing.tsx'
import { byKind, percent, reasonText } from '../components/words.ts'

/** How many reasons are spelled out before the rest is only counted. */
const REASONS_MAX = 3

/** Each payout with the answer it came from and why. */
export function Payouts({ list }: { list: Http.Earnings['payouts'] }) {
  return (
    <Card withBorder component="section" aria-labelledby="payouts">
      <Title order={2} size="h4" mb="sm" id="payouts">
        Payouts
      </Title>
      {list.length === 0 ? (
        <Empty title="No payout yet">
          When an answer is shaped by your data, it shows here within seconds.
        </Empty>
      ) : (
        <Stack gap={0} component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
          {list.map((payout) => (
            <li key={`${payout.receiptSequence}-${payout.contributionId}`} className="payout">
              <Group justify="space-between" wrap="nowrap" align="flex-start" gap="md">
                <Group gap="xs" style={{ rowGap: 2 }}>
                  <Anchor component={Link} to={`/explorer/receipts/${payout.receiptSequence}`} size="sm">
                    Receipt {payout.receiptSequence}
                  </Anchor>
                  <Text size="sm">{payout.modelName}</Text>
                  <Standing of={payout} />
                </Group>
                <Text size="sm" component="div">
                  <Amount wei={payout.amountWei} strong />
                </Text>
              </Group>
              <Text size="sm" component="div">
                {percent(payout.sharePpm)} of the contributors’ part, because of{' '}
                <Anchor component={Link} to={`/contributions/${payout.contributionId}`} size="sm">
                  {payout.contributionTitle}
                </Anchor>
                <Ways reasons={payout.reasons} />
              </Text>
              {[...payout.reasons]
                .sort((a, b) => b.sharePpm - a.sharePpm)
                .slice(0, REASONS_MAX)
                .map((reason, index) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: reasons never change order
                  <Text size="xs" c="dimmed" key={index}>
                    <Anchor
                      component={Link}
                      to={`/contributions/${payout.contributionId}`}
                      hash={`record-${reason.recordId}`}
                      size="xs"
                    >
                      A record
                    </Anchor>
                    : {reasonText(reason)}, {percent(reason.sharePpm)}
                  </Text>
                ))}
              {payout.reasons.length > REASONS_MAX && (
                <Text size="xs" c="dimmed">
                  and {payout.reasons.length - REASONS_MAX} more
                </Text>
              )}
            </li>
          ))}
        </Stack>
      )}
    </Card>
  )
}

function Ways({ reasons }: { reasons: Http.Earnings['payouts'][number]['reasons'] }) {
  const { influence, span, context } = byKind(reasons)
  return (
    <Text span size="xs" c="dimmed">
      {' '}
      ({percent(influence)} by influence, {percent(span)} by exact words
      {context > 0 && <>, {percent(context)} by standing in the prompt</>})
    </Text>
  )
}
