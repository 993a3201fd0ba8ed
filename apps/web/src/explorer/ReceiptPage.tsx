import { Button, Card, Code, CopyButton, Group, Stack, Table, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { AsyncView } from '../components/AsyncView.tsx'
import { Shares } from '../components/Shares.tsx'
import { PageTitle } from '../Layout.tsx'

/** One receipt: the bill, who it pays and why, and what an auditor needs. */
export function ReceiptPage() {
  const { sequence } = useParams({ strict: false }) as { sequence: string }
  const receipt = useQuery(queries.receipt(Number(sequence)))
  const contributions = useQuery(queries.contributions({}))
  const [selected, setSelected] = useState<string>()
  const titles = useMemo(
    () => new Map(contributions.data?.map((each) => [each.id as string, each.title])),
    [contributions.data],
  )
  return (
    <AsyncView query={receipt}>
      {(data) => (
        <Stack gap="lg">
          <PageTitle title={`Receipt ${data.sequence}`}>
            {data.modelName} answered with {data.outputTokens} tokens to a prompt of {data.inputTokens}, on{' '}
            {new Date(data.timestamp * 1000).toLocaleString()}.
          </PageTitle>
          <Card withBorder>
            <Title order={2} size="h4" mb="sm">
              The bill
            </Title>
            <Table maw={460}>
              <Table.Tbody>
                {(
                  [
                    ['Contributors', data.contributorsWei],
                    ['Model owner', data.ownerWei],
                    ['Stakers', data.stakersWei],
                    ['Platform', data.platformWei],
                  ] as const
                ).map(([label, wei]) => (
                  <Table.Tr key={label}>
                    <Table.Td>{label}</Table.Td>
                    <Table.Td ta="right">
                      <Amount wei={wei} />
                    </Table.Td>
                  </Table.Tr>
                ))}
                <Table.Tr>
                  <Table.Td>
                    <b>Fee</b> (split version {data.splitVersion})
                  </Table.Td>
                  <Table.Td ta="right">
                    <Amount wei={data.feeWei} strong />
                  </Table.Td>
                </Table.Tr>
              </Table.Tbody>
            </Table>
            <Text size="sm" mt="sm" component="div">
              {data.settlementTransaction === null ? (
                'Not on chain yet; it will be within seconds.'
              ) : (
                <>
                  Settled in <Address value={data.settlementTransaction} kind="transaction" />
                </>
              )}
            </Text>
          </Card>
          <Card withBorder>
            <Title order={2} size="h4" mb={4}>
              Who it pays and why
            </Title>
            <Text size="sm" c="dimmed" mb="sm">
              The trained adapter made this answer {(data.attribution.liftMilliNats / 1000).toFixed(2)} nats
              more likely than the base model alone. Policy: {data.attribution.policy.influenceBps / 100} %
              influence, {data.attribution.policy.spansBps / 100} % exact words.
            </Text>
            <Shares
              attribution={data.attribution}
              titles={titles}
              selected={selected}
              onSelect={setSelected}
            />
          </Card>
          <Card withBorder>
            <Group justify="space-between" mb="sm">
              <Title order={2} size="h4">
                For auditors
              </Title>
              <CopyButton value={JSON.stringify(data, null, 2)}>
                {({ copied, copy }) => (
                  <Button size="xs" variant="default" onClick={copy}>
                    {copied ? 'Copied' : 'Copy as JSON'}
                  </Button>
                )}
              </CopyButton>
            </Group>
            <Stack gap={4}>
              {(
                [
                  ['receipt hash', data.hash],
                  ['receipt before', data.previousHash],
                  ['payer', data.payer],
                  ['prompt hash', data.promptHash],
                  ['answer hash', data.answerHash],
                  ['shares root', data.sharesRoot],
                  ['attribution hash', data.attributionHash],
                  ['inference commitment', data.inferenceCommitment],
                  ['node signature', data.signature],
                ] as const
              ).map(([label, value]) => (
                <Text size="sm" component="div" key={label}>
                  {label} <Address value={value} />
                </Text>
              ))}
            </Stack>
            <Code block mt="sm">{`npm run openledger -- verify ${data.sequence}`}</Code>
          </Card>
        </Stack>
      )}
    </AsyncView>
  )
}
