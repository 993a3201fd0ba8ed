import { Badge, Card, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { AsyncView } from '../components/AsyncView.tsx'
import { PageTitle } from '../Layout.tsx'
import { HEAD_COLOUR } from './ExplorerPage.tsx'

/** One block and its transactions in words. */
export function BlockPage() {
  const { number } = useParams({ strict: false }) as { number: string }
  const block = useQuery(queries.block(number))
  return (
    <AsyncView query={block}>
      {(data) => (
        <>
          <PageTitle title={`Block ${data.number.toLocaleString('en')}`}>
            {new Date(data.timestamp * 1000).toLocaleString()} ·{' '}
            <Badge variant="light" color={HEAD_COLOUR[data.status]}>
              {data.status}
            </Badge>
          </PageTitle>
          <Card withBorder mb="lg">
            <Stack gap={4}>
              <Text size="sm" component="div">
                hash <Address value={data.hash} /> · parent <Address value={data.parentHash} /> · state root{' '}
                <Address value={data.stateRoot} />
              </Text>
              <Text size="sm" component="div">
                {data.gasUsed} gas
                {data.l1Origin !== null && (
                  <>
                    {' '}
                    · derived from L1 block {data.l1Origin.number} <Address value={data.l1Origin.hash} />
                  </>
                )}
              </Text>
            </Stack>
          </Card>
          <Stack gap="xs">
            {data.transactions.map((transaction) => (
              <Card withBorder padding="sm" key={transaction.hash}>
                <Text size="sm" component="div">
                  <Address value={transaction.hash} kind="transaction" /> {transaction.summary}
                </Text>
                <Text size="xs" c={transaction.success ? 'dimmed' : 'red'}>
                  {transaction.success ? `${transaction.gasUsed} gas` : 'failed'}
                </Text>
              </Card>
            ))}
          </Stack>
        </>
      )}
    </AsyncView>
  )
}
