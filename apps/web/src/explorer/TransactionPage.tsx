import { Anchor, Badge, Card, Stack, Table, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { AsyncView } from '../components/AsyncView.tsx'
import { PageTitle } from '../Layout.tsx'

/** One transaction: what it did, and every event it left. */
export function TransactionPage() {
  const { hash } = useParams({ strict: false }) as { hash: string }
  const transaction = useQuery(queries.transaction(hash))
  return (
    <AsyncView query={transaction}>
      {(data) => (
        <Stack gap="lg">
          <PageTitle title="Transaction">{data.summary}</PageTitle>
          <Card withBorder>
            <Stack gap={6}>
              <Text size="sm" component="div">
                <Badge color={data.success ? 'green' : 'red'} variant="light">
                  {data.success ? 'succeeded' : 'failed'}
                </Badge>{' '}
                in{' '}
                <Anchor component={Link} to={`/explorer/blocks/${data.blockNumber}`} size="sm">
                  block {data.blockNumber.toLocaleString('en')}
                </Anchor>
                , {new Date(data.timestamp * 1000).toLocaleString()}
              </Text>
              <Text size="sm" component="div">
                hash <Address value={data.hash} />
              </Text>
              <Text size="sm" component="div">
                from <Address value={data.from} />
                {data.to !== null && (
                  <>
                    {' '}
                    to <Address value={data.to} />
                  </>
                )}{' '}
                with <Amount wei={data.valueWei} />
              </Text>
              <Text size="sm">
                type {data.type}, {data.gasUsed} gas
              </Text>
            </Stack>
          </Card>
          {data.events.length > 0 && (
            <Card withBorder>
              <Title order={2} size="h4" mb="sm">
                Events
              </Title>
              <Table.ScrollContainer minWidth={480}>
                <Table>
                  <Table.Tbody>
                    {data.events.map((event, index) => (
                      // biome-ignore lint/suspicious/noArrayIndexKey: the log index is the identity
                      <Table.Tr key={index}>
                        <Table.Td>
                          <Text size="sm" fw={600}>
                            {event.contract}.{event.name}
                          </Text>
                        </Table.Td>
                        <Table.Td>
                          {Object.entries(event.arguments).map(([name, value]) => (
                            <Text size="xs" key={name} style={{ overflowWrap: 'anywhere' }}>
                              <Text span size="xs" c="dimmed">
                                {name}
                              </Text>{' '}
                              {value}
                            </Text>
                          ))}
                        </Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
            </Card>
          )}
        </Stack>
      )}
    </AsyncView>
  )
}
