import { Anchor, Button, Card, CopyButton, Group, Stack, Text, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { AsyncView } from '../components/AsyncView.tsx'
import { Bill } from '../components/Bill.tsx'
import { Command } from '../components/Command.tsx'
import { PageTitle } from '../components/PageTitle.tsx'
import { PaidFor } from '../components/PaidFor.tsx'
import { Row, Rows } from '../components/Rows.tsx'
import { Shares } from '../components/Shares.tsx'
import { usePayees } from '../components/usePayees.ts'
import { moment } from '../components/words.ts'

/** One receipt: the bill, who it pays and why, and what an auditor needs. */
export function ReceiptPage() {
  const { sequence } = useParams({ strict: false }) as { sequence: string }
  const receipt = useQuery(queries.receipt(Number(sequence)))
  return (
    <AsyncView query={receipt} title={`Receipt ${sequence}`}>
      {(data) => (
        <Stack gap="lg">
          <div>
            <PageTitle title={`Receipt ${data.sequence}`}>
              {data.attribution.pin === undefined
                ? `${data.modelName} answered with ${data.outputTokens} tokens to a prompt of ${data.inputTokens}`
                : `${data.modelName} is kept in memory`}
              , on {moment(data.timestamp)}.
            </PageTitle>
            <Card withBorder component="section" aria-labelledby="bill">
              <Title order={2} size="h4" mb={4} id="bill">
                The bill
              </Title>
              <PaidFor receipt={data} />
              <Bill receipt={data} />
              <Text size="sm" mt="sm" component="div">
                Divided by version {data.splitVersion} of{' '}
                <Anchor component={Link} to="/governance" inherit>
                  the split
                </Anchor>
                .{' '}
                {data.settlementTransaction === null ? (
                  'Not on chain yet; it will be within seconds.'
                ) : (
                  <>
                    Settled in <Address value={data.settlementTransaction} kind="transaction" />
                  </>
                )}
              </Text>
            </Card>
          </div>
          <Payment receipt={data} />
          <ForAuditors receipt={data} />
        </Stack>
      )}
    </AsyncView>
  )
}

function Payment({ receipt: { attribution } }: { receipt: Http.SignedReceipt }) {
  const payees = usePayees()
  const [selected, setSelected] = useState<string>()
  const nats = attribution.liftMilliNats / 1000
  const without = (attribution.merge?.models.length ?? 1) > 1 ? 'what else answered' : 'the base model alone'
  return (
    <Card withBorder component="section" aria-labelledby="payment">
      <Title order={2} size="h4" mb={4} id="payment">
        Who it pays and why
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        The model’s policy pays {attribution.policy.influenceBps / 100} % by influence and{' '}
        {attribution.policy.spansBps / 100} % by exact words.{' '}
        {nats > 0
          ? `Its training made this answer likelier than ${without} does, by ${nats.toFixed(1)} nats in all: that is what influence is paid for.`
          : `Without it, ${without} makes this answer as likely, so influence pays nobody.`}{' '}
        Choose a contribution to see its records.
      </Text>
      <Shares attribution={attribution} payees={payees} selected={selected} onSelect={setSelected} />
    </Card>
  )
}

function ForAuditors({ receipt }: { receipt: Http.SignedReceipt }) {
  const hashes = [
    ['Receipt hash', receipt.hash],
    ['Receipt before', receipt.previousHash],
    ['Payer', receipt.payer],
    ['Prompt hash', receipt.promptHash],
    ['Answer hash', receipt.answerHash],
    ['Shares root', receipt.sharesRoot],
    ['Attribution hash', receipt.attributionHash],
    ['Inference commitment', receipt.inferenceCommitment],
    ['Node signature', receipt.signature],
  ] as const
  return (
    <Card withBorder component="section" aria-labelledby="audit">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4" id="audit">
          For auditors
        </Title>
        <CopyButton value={JSON.stringify(receipt, null, 2)}>
          {({ copied, copy }) => (
            <Button size="xs" variant="default" onClick={copy}>
              {copied ? 'Copied' : 'Copy as JSON'}
            </Button>
          )}
        </CopyButton>
      </Group>
      <Rows>
        {hashes.map(([label, value]) => (
          <Row label={label} key={label}>
            <Address value={value} />
          </Row>
        ))}
      </Rows>
      <Text size="sm" c="dimmed" mt="md" mb={4}>
        Recompute what it claims, from the chain and the receipt alone:
      </Text>
      <Command>{`npm run openledger -- verify ${receipt.sequence}`}</Command>
    </Card>
  )
}
