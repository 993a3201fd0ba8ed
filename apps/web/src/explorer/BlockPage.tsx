import { Anchor, Badge, Button, Card, Group, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { PageTitle } from '../components/PageTitle.tsx'
import { Row, Rows } from '../components/Rows.tsx'
import { moment } from '../components/words.ts'
import { HeadBadge } from './HeadBadge.tsx'
import { HEADS } from './heads.ts'

/** One block and its transactions in words. */
export function BlockPage() {
  const { number } = useParams({ strict: false }) as { number: string }
  const block = useQuery(queries.block(number))
  const network = useQuery(queries.network)
  return (
    <AsyncView query={block} title={`Block ${number}`}>
      {(data) => (
        <Stack gap="lg">
          <div>
            <PageTitle title={`Block ${data.number.toLocaleString('en')}`}>
              {moment(data.timestamp)} · <HeadBadge status={data.status} /> {HEADS[data.status].means}
            </PageTitle>
            <Card withBorder>
              <Rows>
                <Row label="Hash">
                  <Address value={data.hash} />
                </Row>
                <Row label="Parent">
                  {data.number > 0 ? (
                    <Anchor component={Link} to={`/explorer/blocks/${data.number - 1}`} inherit>
                      Block {(data.number - 1).toLocaleString('en')}
                    </Anchor>
                  ) : (
                    'none: this is the first'
                  )}
                </Row>
                <Row label="State root">
                  <Address value={data.stateRoot} />
                </Row>
                <Row label="Gas used">{Number(data.gasUsed).toLocaleString('en')}</Row>
                {data.l1Origin !== null && (
                  <Row label="Follows L1 block">
                    {data.l1Origin.number.toLocaleString('en')}, <Address value={data.l1Origin.hash} />
                  </Row>
                )}
              </Rows>
              {network.data !== undefined && data.number < network.data.heads.unsafe && (
                <Button
                  component={Link}
                  to={`/explorer/blocks/${data.number + 1}`}
                  size="compact-sm"
                  variant="default"
                  mt="sm"
                >
                  Next block
                </Button>
              )}
            </Card>
          </div>
          <Card withBorder component="section" aria-labelledby="transactions">
            <Title order={2} size="h4" mb="sm" id="transactions">
              Transactions
            </Title>
            {data.transactions.length === 0 && <Empty title="An empty block" />}
            <Stack gap="xs">
              {data.transactions.map((transaction) => (
                <Group key={transaction.hash} justify="space-between" gap="xs" style={{ rowGap: 0 }}>
                  <Text size="sm" component="div" style={{ overflowWrap: 'anywhere' }}>
                    <Address value={transaction.hash} kind="transaction" /> {transaction.summary}
                  </Text>
                  {transaction.success ? (
                    <Text size="xs" c="dimmed">
                      {Number(transaction.gasUsed).toLocaleString('en')} gas
                    </Text>
                  ) : (
                    <Badge color="red">failed</Badge>
                  )}
                </Group>
              ))}
            </Stack>
          </Card>
        </Stack>
      )}
    </AsyncView>
  )
}
