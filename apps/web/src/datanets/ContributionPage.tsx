import { Alert, Anchor, Badge, Button, Card, Code, Group, Stack, Text, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, useLocation, useParams } from '@tanstack/react-router'
import { useEffect } from 'react'
import { useConnection } from 'wagmi'
import { client, queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { AsyncView } from '../components/AsyncView.tsx'
import { Echoes } from '../components/Echoes.tsx'
import { PageTitle } from '../components/PageTitle.tsx'
import { Row, Rows } from '../components/Rows.tsx'
import { shortMessage } from '../wallet/shortMessage.ts'
import { useSigner } from '../wallet/useSigner.ts'
import { Beneficiary } from './Beneficiary.tsx'
import { Judge } from './Judge.tsx'
import { PaidAnswers } from './PaidAnswers.tsx'
import { PanelCard } from './PanelCard.tsx'
import { STATUS_TEXT } from './status.ts'
import { WithdrawContribution } from './WithdrawContribution.tsx'

const VERDICT_COLOUR = { pending: 'yellow', accepted: 'green', rejected: 'red', withdrawn: 'gray' } as const

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
          <PaidAnswers contributionId={data.id} />
          {address?.toLowerCase() === data.beneficiary.toLowerCase() && <Beneficiary contribution={data} />}
          {address?.toLowerCase() === data.contributor &&
            data.status !== 'withdrawing' &&
            data.status !== 'withdrawn' && <WithdrawContribution contribution={data} />}
          <Judge contribution={data} />
          <PanelCard contribution={data} />
          <Texts contribution={data} />
        </Stack>
      )}
    </AsyncView>
  )
}

/** The records; where their licence is not open, with the way for those who may read them. */
function Texts({ contribution }: { contribution: Http.ContributionDetail }) {
  const signer = useSigner()
  const read = useMutation({
    mutationFn: () => client.readContribution(contribution.id, signer!),
  })
  // what was read stays while verdicts and earnings move on
  const textOf = new Map(read.data?.records.map(({ index, text }) => [index, text]))
  const isWithdrawn = contribution.status === 'withdrawing' || contribution.status === 'withdrawn'
  return (
    <>
      {contribution.access !== null && read.data === undefined && (
        <Alert title={isWithdrawn ? 'Taken back' : 'The texts are private'} color="gray">
          <Text size="sm" mb="xs">
            {contribution.access}
          </Text>
          {!isWithdrawn && (
            <Button
              size="xs"
              loading={read.isPending}
              disabled={signer === undefined}
              onClick={() => read.mutate()}
            >
              {signer === undefined ? 'Connect a wallet to read them' : 'Sign and read the texts'}
            </Button>
          )}
          {read.error !== null && (
            <Text size="sm" c="red" mt="xs" role="alert">
              {shortMessage(read.error)}
            </Text>
          )}
        </Alert>
      )}
      <Records
        list={contribution.records.map((record) => ({
          ...record,
          text: record.text ?? textOf.get(record.index) ?? null,
        }))}
      />
    </>
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
            {record.verdict === 'accepted' && <Echoes record={record} size="sm" />}
            {record.text === null ? (
              <Text size="sm" c="dimmed">
                {record.characterCount.toLocaleString('en')} characters that are not shown
              </Text>
            ) : (
              <Code block mah={320} tabIndex={0} aria-label={`Text of record ${record.index + 1}`}>
                {record.text}
              </Code>
            )}
          </Card>
        )
      })}
    </Stack>
  )
}
