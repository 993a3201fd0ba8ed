import { Anchor, Badge, Card, Stack, Text, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { AsyncView } from '../components/AsyncView.tsx'
import { PageTitle } from '../components/PageTitle.tsx'
import { Row, Rows } from '../components/Rows.tsx'
import { moment } from '../components/words.ts'

/** One transaction: what it did, and every event it left. */
export function TransactionPage() {
  const { hash } = useParams({ strict: false }) as { hash: string }
  const transaction = useQuery(queries.transaction(hash))
  return (
    <AsyncView query={transaction} title="Transaction">
      {(data) => (
        <Stack gap="lg">
          <div>
            <PageTitle title="Transaction">{data.summary}</PageTitle>
            <Card withBorder>
              <Rows>
                <Row label="Outcome">
                  <Badge color={data.success ? 'green' : 'red'}>
                    {data.success ? 'succeeded' : 'failed'}
                  </Badge>{' '}
                  in{' '}
                  <Anchor component={Link} to={`/explorer/blocks/${data.blockNumber}`} inherit>
                    block {data.blockNumber.toLocaleString('en')}
                  </Anchor>
                  , {moment(data.timestamp)}
                </Row>
                <Row label="Hash">
                  <Address value={data.hash} />
                </Row>
                <Row label="From">
                  <Address value={data.from} />
                </Row>
                {data.to !== null && (
                  <Row label="To">
                    <Address value={data.to} />
                  </Row>
                )}
                <Row label="Value">
                  <Amount wei={data.valueWei} />
                </Row>
                <Row label="Gas used">
                  {Number(data.gasUsed).toLocaleString('en')} ({data.type})
                </Row>
              </Rows>
            </Card>
          </div>
          {data.events.length > 0 && <Events list={data.events} />}
        </Stack>
      )}
    </AsyncView>
  )
}

function Events({ list }: { list: Http.Transaction['events'] }) {
  return (
    <Card withBorder component="section" aria-labelledby="events">
      <Title order={2} size="h4" mb="sm" id="events">
        What it left on chain
      </Title>
      <Stack gap="md">
        {list.map((event, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the log index is the identity
          <div key={index}>
            <Text size="sm" fw={600} mb={4} style={{ overflowWrap: 'anywhere' }}>
              {event.contract}.{event.name}
            </Text>
            <Rows>
              {Object.entries(event.arguments).map(([name, value]) => (
                <Row label={name} key={name}>
                  {/^0x[0-9a-fA-F]{40,64}$/.test(value) ? (
                    <Address value={value} />
                  ) : /Wei$/.test(name) ? (
                    <Amount wei={value} />
                  ) : (
                    <span style={{ overflowWrap: 'anywhere' }}>{value}</span>
                  )}
                </Row>
              ))}
            </Rows>
          </div>
        ))}
      </Stack>
    </Card>
  )
}
