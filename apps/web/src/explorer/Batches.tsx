import { Anchor, Card, Group, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { Standing } from '../components/Standing.tsx'
import { count } from '../components/words.ts'

/** The latest batches of receipts, and whether each can be challenged still. */
export function Batches() {
  const batches = useQuery(queries.batches({ limit: 15 }))
  return (
    <Card withBorder component="section" aria-labelledby="batches">
      <Title order={2} size="h4" mb="sm" id="batches">
        Batches
      </Title>
      <AsyncView
        query={batches}
        empty={{
          when: (list) => list.length === 0,
          view: (
            <Empty title="No batch yet">Receipts go on chain in batches, some seconds after an answer.</Empty>
          ),
        }}
      >
        {(list) => (
          <Stack gap={8}>
            {list.map((batch) => (
              <Group key={batch.number} gap="xs" style={{ rowGap: 0 }}>
                {batch.settlementTransaction === null ? (
                  <Text size="sm">Batch {batch.number}</Text>
                ) : (
                  <Anchor
                    component={Link}
                    to={`/explorer/transactions/${batch.settlementTransaction}`}
                    size="sm"
                  >
                    Batch {batch.number}
                  </Anchor>
                )}
                <Text size="sm">
                  {batch.receiptCount === 0 ? 'credits only' : count(batch.receiptCount, 'receipt')}
                </Text>
                <Standing of={batch} />
              </Group>
            ))}
          </Stack>
        )}
      </AsyncView>
    </Card>
  )
}
