import { Alert, Anchor, Button, Card, Group, Stack, Table, Text, Title } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useAccount } from 'wagmi'
import { client, queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { percent, reasonText } from '../components/Shares.tsx'
import { PageTitle } from '../Layout.tsx'

/** What the connected wallet earned, answer by answer, each with its reason; and claiming it. */
export function EarningsPage() {
  const { address } = useAccount()
  return (
    <>
      <PageTitle title="Earnings">
        Every payout with the answer it came from and the record or words that earned it.
      </PageTitle>
      {address === undefined ? (
        <Empty title="Whose earnings?">Connect the wallet that contributed.</Empty>
      ) : (
        <Earnings address={address.toLowerCase()} />
      )}
    </>
  )
}

function Earnings({ address }: { address: string }) {
  const earnings = useQuery(queries.earnings(address))
  const account = useQuery(queries.account(address))
  const queryClient = useQueryClient()
  const claim = useMutation({
    mutationFn: () => client.claim(address),
    onSuccess: () => queryClient.invalidateQueries(),
  })
  return (
    <AsyncView query={earnings}>
      {(data) => (
        <Stack gap="lg">
          <Card withBorder>
            <Group justify="space-between" align="flex-end">
              <Group gap="xl">
                <Figure label="Earned in all" wei={data.creditedWei} />
                <Figure label="Ready to claim" wei={data.claimableWei} />
                <Figure label="Claimed" wei={data.claimedWei} />
                <Figure label="In the wallet on L2" wei={account.data?.l2Wei} />
                <Figure label="In the wallet on L1" wei={account.data?.l1Wei} />
              </Group>
              <Button
                onClick={() => claim.mutate()}
                loading={claim.isPending}
                disabled={BigInt(data.claimableWei) === 0n}
              >
                Claim
              </Button>
            </Group>
            <Text size="xs" c="dimmed" mt="sm">
              There is no minimum. The claim is checked on chain against the ledger’s root and can only pay
              this wallet. Taking it on to Ethereum: <code>npm run openledger -- withdraw</code>.
            </Text>
            {claim.error !== null && (
              <Alert color="red" mt="sm" role="alert">
                {claim.error.message}
              </Alert>
            )}
            {claim.data !== undefined && (
              <Alert color="green" mt="sm" role="status">
                <Text size="sm" component="div">
                  <Amount wei={claim.data.amountWei} /> claimed in{' '}
                  <Address value={claim.data.transactionHash} kind="transaction" />
                </Text>
              </Alert>
            )}
          </Card>
          <Card withBorder>
            <Title order={2} size="h4" mb="sm">
              Payouts
            </Title>
            {data.payouts.length === 0 ? (
              <Empty title="No payout yet">
                When an answer is shaped by your data, it shows here within seconds.
              </Empty>
            ) : (
              <Table.ScrollContainer minWidth={640}>
                <Table>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>Answer</Table.Th>
                      <Table.Th>Because</Table.Th>
                      <Table.Th>Share</Table.Th>
                      <Table.Th ta="right">Amount</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {data.payouts.map((payout) => (
                      <Table.Tr key={`${payout.receiptSequence}-${payout.contributionId}`}>
                        <Table.Td>
                          <Anchor
                            component={Link}
                            to={`/explorer/receipts/${payout.receiptSequence}`}
                            size="sm"
                          >
                            Receipt {payout.receiptSequence}
                          </Anchor>
                          <Text size="xs" c="dimmed">
                            {payout.modelName} · {payout.settled ? 'on chain' : 'settling'}
                          </Text>
                        </Table.Td>
                        <Table.Td>
                          <Anchor component={Link} to={`/contributions/${payout.contributionId}`} size="sm">
                            {payout.contributionTitle}
                          </Anchor>
                          {payout.reasons.slice(0, 3).map((reason, index) => (
                            // biome-ignore lint/suspicious/noArrayIndexKey: reasons never change order
                            <Text size="xs" c="dimmed" key={index}>
                              {reasonText(reason)}
                            </Text>
                          ))}
                          {payout.reasons.length > 3 && (
                            <Text size="xs" c="dimmed">
                              and {payout.reasons.length - 3} more
                            </Text>
                          )}
                        </Table.Td>
                        <Table.Td>{percent(payout.sharePpm)}</Table.Td>
                        <Table.Td ta="right">
                          <Amount wei={payout.amountWei} />
                        </Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
            )}
          </Card>
        </Stack>
      )}
    </AsyncView>
  )
}

function Figure({ label, wei }: { label: string; wei: string | undefined }) {
  return (
    <div>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      {wei === undefined ? '…' : <Amount wei={wei} strong />}
    </div>
  )
}
