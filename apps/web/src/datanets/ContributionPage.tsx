import { Badge, Card, Code, Group, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { AsyncView } from '../components/AsyncView.tsx'
import { PageTitle } from '../Layout.tsx'
import { STATUS_TEXT } from './DatanetPage.tsx'

const VERDICT_COLOUR = { pending: 'yellow', accepted: 'green', rejected: 'red' } as const

/** One contribution: what was signed, what became of every record and why. */
export function ContributionPage() {
  const { id } = useParams({ strict: false }) as { id: string }
  const contribution = useQuery(queries.contribution(id))
  return (
    <AsyncView query={contribution}>
      {(data) => (
        <>
          <PageTitle title={data.title}>
            A contribution to {data.datanetName}: {data.acceptedCount} of {data.recordCount} records accepted,{' '}
            {STATUS_TEXT[data.status]}.
          </PageTitle>
          <Card withBorder mb="lg">
            <Stack gap={6}>
              <Row label="Contributor">
                <Address value={data.contributor} />
              </Row>
              <Row label="Paid to">
                <Address value={data.beneficiary} />
              </Row>
              <Row label="Earned">
                <Amount wei={data.earnedWei} strong />
              </Row>
              <Row label="Licence">{data.licence}</Row>
              <Row label="Records root">
                <Address value={data.recordsRoot} />
              </Row>
              <Row label="Content">
                <Address value={data.cid} />
              </Row>
              <Row label="Transaction">
                <Address value={data.transactionHash} kind="transaction" />
              </Row>
            </Stack>
          </Card>
          <Stack>
            {data.records.map((record) => (
              <Card withBorder key={record.index} padding="sm">
                <Group justify="space-between" mb={6}>
                  <Group gap="xs">
                    <Badge color={VERDICT_COLOUR[record.verdict]} variant="light">
                      {record.verdict}
                    </Badge>
                    <Text size="xs" ff="monospace" c="dimmed">
                      {record.id.slice(0, 14)}
                    </Text>
                  </Group>
                  <Amount wei={record.earnedWei} />
                </Group>
                {record.reason !== '' && (
                  <Text size="sm" mb={6}>
                    {record.reason}
                  </Text>
                )}
                <Code block>{record.text}</Code>
              </Card>
            ))}
          </Stack>
        </>
      )}
    </AsyncView>
  )
}

function Row({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <Group gap="md" wrap="nowrap">
      <Text size="sm" c="dimmed" w={120} style={{ flexShrink: 0 }}>
        {label}
      </Text>
      <Text size="sm" component="div" miw={0}>
        {children}
      </Text>
    </Group>
  )
}
