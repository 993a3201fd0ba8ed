import { Anchor, Badge, Card, Code, Group, Stack, Text, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useQuery } from '@tanstack/react-query'
import { Link, useLocation, useParams } from '@tanstack/react-router'
import { useEffect } from 'react'
import { useConnection } from 'wagmi'
import { queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { AsyncView } from '../components/AsyncView.tsx'
import { PageTitle } from '../components/PageTitle.tsx'
import { Row, Rows } from '../components/Rows.tsx'
import { Beneficiary } from './Beneficiary.tsx'
import { PaidAnswers } from './PaidAnswers.tsx'
import { STATUS_TEXT } from './status.ts'

const VERDICT_COLOUR = { pending: 'yellow', accepted: 'green', rejected: 'red' } as const

/** One contribution: what was signed, what became of every record and why. */
export function ContributionPage() {
  const { id } = useParams({ strict: false }) as { id: string }
  const contribution = useQuery(queries.contribution(id))
  const { address } = useConnection()
  return (
    <AsyncView query={contribution} title="Contribution">
      {(data) => (
        <Stack gap="lg">
          <div>
            <PageTitle title={data.title}>
              A contribution to{' '}
              <Anchor component={Link} to={`/datanets/${data.datanetId}`}>
                {data.datanetName}
              </Anchor>
              : {data.acceptedCount} of {data.recordCount} records accepted, {STATUS_TEXT[data.status]}.
            </PageTitle>
            <Card withBorder>
              <Rows>
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
              </Rows>
            </Card>
          </div>
          {address?.toLowerCase() === data.beneficiary.toLowerCase() && <Beneficiary contribution={data} />}
          <PaidAnswers contributionId={data.id} />
          <Records list={data.records} />
        </Stack>
      )}
    </AsyncView>
  )
}

function Records({ list }: { list: readonly Http.RecordDetail[] }) {
  const { hash } = useLocation()
  useEffect(() => {
    // the record that a link leads to is drawn after the page: it is looked for once it is there
    if (hash !== '') document.getElementById(hash)?.scrollIntoView()
  }, [hash])
  return (
    <Stack component="section" aria-labelledby="records">
      <Title order={2} size="h4" id="records">
        Records
      </Title>
      {list.map((record) => {
        const anchor = `record-${record.id}`
        return (
          <Card
            withBorder
            key={record.index}
            padding="sm"
            id={anchor}
            className="record"
            data-meant={hash === anchor}
          >
            <Group justify="space-between" mb={6}>
              <Group gap="xs">
                <Text size="sm" fw={600}>
                  Record {record.index + 1}
                </Text>
                <Badge color={VERDICT_COLOUR[record.verdict]}>{record.verdict}</Badge>
              </Group>
              <Text size="sm" c="dimmed" component="div">
                {record.verdict === 'accepted' && (
                  <>
                    <Anchor component={Link} to={`/chat?passages=${record.id}`} size="sm">
                      Ask with it
                    </Anchor>{' '}
                    ·{' '}
                  </>
                )}
                earned <Amount wei={record.earnedWei} /> · <Address value={record.id} />
              </Text>
            </Group>
            {record.reason !== '' && (
              <Text size="sm" mb={6} style={{ overflowWrap: 'anywhere' }}>
                {record.reason}
              </Text>
            )}
            <Code block mah={320} tabIndex={0} aria-label={`Text of record ${record.index + 1}`}>
              {record.text}
            </Code>
          </Card>
        )
      })}
    </Stack>
  )
}
