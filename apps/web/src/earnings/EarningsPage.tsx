import { Alert, Button, Card, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useConnection } from 'wagmi'
import { client, queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { Command } from '../components/Command.tsx'
import { Figure, Figures } from '../components/Figure.tsx'
import { PageTitle } from '../components/PageTitle.tsx'
import { shortMessage } from '../wallet/shortMessage.ts'
import { Payouts } from './Payouts.tsx'

/** What the connected wallet earned, answer by answer, each with its reason; and claiming it. */
export function EarningsPage() {
  const { address } = useConnection()
  return (
    <>
      <PageTitle title="Earnings">
        Every payout with the answer it came from and the records or words that earned it.
      </PageTitle>
      {address === undefined ? (
        <Card withBorder>
          <Empty title="Whose earnings?">Connect the wallet that contributed, at the top right.</Empty>
        </Card>
      ) : (
        <Earnings key={address} address={address.toLowerCase()} />
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
          <Card withBorder component="section" aria-label="Balance">
            <Group justify="space-between" align="flex-end" mb="md">
              <SimpleGrid cols={{ base: 2, xs: 3 }} spacing="xl" verticalSpacing="sm">
                <Figure label="Earned in all">
                  <Amount wei={data.creditedWei} />
                </Figure>
                <Figure label="Claimed">
                  <Amount wei={data.claimedWei} />
                </Figure>
                <Figure label="Ready to claim">
                  <Amount wei={data.claimableWei} />
                </Figure>
              </SimpleGrid>
              <Button
                onClick={() => claim.mutate()}
                loading={claim.isPending}
                disabled={BigInt(data.claimableWei) === 0n}
              >
                Claim
              </Button>
            </Group>
            <Text size="sm" c="dimmed">
              There is no minimum. The claim is checked on chain against the ledger’s root, can only pay this
              wallet, and costs it nothing.
            </Text>
            {claim.error !== null && (
              <Alert color="red" mt="sm" role="alert">
                {shortMessage(claim.error)}
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
          <Payouts list={data.payouts} />
          <Card withBorder component="section" aria-labelledby="onward">
            <Title order={2} size="h4" mb="sm" id="onward">
              On to Ethereum
            </Title>
            <Figures mb="sm">
              <Figure label="In this wallet on L2">
                {account.data && <Amount wei={account.data.l2Wei} />}
              </Figure>
              <Figure label="In this wallet on L1">
                {account.data && <Amount wei={account.data.l1Wei} />}
              </Figure>
            </Figures>
            <Text size="sm" c="dimmed" mb="xs">
              Claimed OPEN is on the L2. This takes one OPEN to L1 with a proof, signed by the key in{' '}
              <code>OPENLEDGER_PRIVATE_KEY</code>:
            </Text>
            <Command>npm run openledger -- withdraw 1</Command>
          </Card>
        </Stack>
      )}
    </AsyncView>
  )
}
