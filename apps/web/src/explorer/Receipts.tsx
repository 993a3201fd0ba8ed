import { Anchor, Card, Group, Stack, Text, Title } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { Pager } from '../components/Pager.tsx'
import { Settled } from '../components/Standing.tsx'
import { count } from '../components/words.ts'

const COUNT = 15

/** Answers that were paid for, the newest as they come, or older ones. */
export function Receipts() {
  const [before, setBefore] = useState<number>()
  const receipts = useQuery({
    ...queries.receipts({ limit: COUNT, ...(before === undefined ? {} : { before }) }),
    placeholderData: keepPreviousData,
  })
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
          <>
            <Stack gap={8}>
              {list.map((receipt) => (
                <Group key={receipt.sequence} gap="xs" style={{ rowGap: 0 }}>
                  <Anchor component={Link} to={`/explorer/receipts/${receipt.sequence}`} size="sm">
                    Receipt {receipt.sequence}
                  </Anchor>
                  <Text size="sm">
                    {receipt.modelName}, {count(receipt.outputTokens, 'token')},{' '}
                    <Amount wei={receipt.feeWei} />
                  </Text>
                  <Settled transaction={receipt.settlementTransaction} />
                </Group>
              ))}
            </Stack>
            <Pager
              onNewest={before === undefined ? undefined : () => setBefore(undefined)}
              onOlder={
                (list.at(-1)?.sequence ?? 1) === 1 ? undefined : () => setBefore(list.at(-1)?.sequence)
              }
            />
          </>
        )}
      </AsyncView>
    </Card>
  )
}
