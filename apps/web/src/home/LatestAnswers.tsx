import { Anchor, Card, Stack, Text, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import type { UseQueryResult } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Amount } from '../components/Amount.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { ranked } from '../components/pieces.ts'
import { payeeName, usePayees } from '../components/usePayees.ts'
import { percent } from '../components/words.ts'

/** The last answers, and whom each paid most. */
export function LatestAnswers({ query }: { query: UseQueryResult<Http.SignedReceipt[]> }) {
  const payees = usePayees()
  return (
    <Card withBorder component="section" aria-labelledby="latest">
      <Title order={2} size="h4" mb="xs" id="latest">
        Whom the last answers paid
      </Title>
      <AsyncView
        query={query}
        empty={{
          when: (list) => list.length === 0,
          view: <Empty title="No answer yet">Ask a model: whom it pays shows here within seconds.</Empty>,
        }}
      >
        {(list) => (
          <Stack gap={8}>
            {list.map(({ sequence, modelName, contributorsWei, attribution }) => (
              <Text size="sm" component="div" key={sequence}>
                <Anchor component={Link} to={`/explorer/receipts/${sequence}`} size="sm">
                  Receipt {sequence}
                </Anchor>{' '}
                · {modelName} · <Amount wei={contributorsWei} />
                <Text size="xs" c="dimmed">
                  {ranked(attribution)
                    .slice(0, 3)
                    .map((share) => `${payeeName(payees, share.contributionId)} ${percent(share.sharePpm)}`)
                    .join(', ') || 'nobody’s data stands out: the commons'}
                </Text>
              </Text>
            ))}
          </Stack>
        )}
      </AsyncView>
    </Card>
  )
}
