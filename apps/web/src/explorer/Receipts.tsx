import { Anchor, Badge, Card, Group, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { count } from '../components/words.ts'

/** The latest answers that were paid for. */
export function Receipts() {
  const receipts = useQuery(queries.receipts({ limit: 15 }))
  return (
    <Card withBorder component="section" aria-labelledby="receipts">
      <Title order={2} size="h4" mb="sm" id="receipts">
        Receipts
      </Title>
      <AsyncView
        query={receipts}
        empty={{
          when: (list) => list.length === 0,
          view: <Empty title="No answer yet">Every answer leaves a receipt here.</Empty>,
        }}
      >
        {(list) => (
          <Stack gap={8}>
            {list.map((receipt) => (
              <Group key={receipt.sequence} gap="xs" style={{ rowGap: 0 }}>
                <Anchor component={Link} to={`/explorer/receipts/${receipt.sequence}`} size="sm">
                  Receipt {receipt.sequence}
                </Anchor>
                <Text size="sm">
                  {receipt.modelName}, {count(receipt.outputTokens, 'token')}, <Amount wei={receipt.feeWei} />
                </Text>
                <Badge size="sm" color={receipt.settlementTransaction === null ? 'gray' : 'green'}>
                  {receipt.settlementTransaction === null ? 'settling' : 'on chain'}
                </Badge>
              </Group>
            ))}
          </Stack>
        )}
      </AsyncView>
    </Card>
  )
}
