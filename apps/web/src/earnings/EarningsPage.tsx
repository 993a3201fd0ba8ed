import { Alert, Button, Card, Group, SimpleGrid, Stack, Text } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Hex } from 'viem'
import { useConnection } from 'wagmi'
import { client, queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { Figure } from '../components/Figure.tsx'
import { PageTitle } from '../components/PageTitle.tsx'
import { Contributions } from '../datanets/Contributions.tsx'
import { shortMessage } from '../wallet/shortMessage.ts'
import { BridgePanel } from './BridgePanel.tsx'
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
  const network = useQuery(queries.network)
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
              <SimpleGrid cols={{ base: 2, sm: 4 }} spacing="xl" verticalSpacing="sm">
                <Figure label="Earned in all">
                  <Amount wei={data.creditedWei} />
                </Figure>
                <Figure label="Claimed">
                  <Amount wei={data.claimedWei} />
                </Figure>
                <Figure label="On its way">
                  <Amount wei={onItsWayWei(data)} />
                </Figure>
                <Figure label="Ready to claim">
                  <Amount wei={data.claimableWei} strong />
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
              A payout can be claimed once its batch is beyond challenge: what is on its way says below how
              far it is. There is no minimum, and a claim costs this wallet nothing and can pay nobody else.
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
          <Contributions of={{ contributor: address }} />
          {network.data !== undefined && <BridgePanel address={address as Hex} network={network.data} />}
        </Stack>
      )}
    </AsyncView>
  )
}

/** Earned, and neither claimed nor ready to be; a claim may be counted a moment before what it was for. */
function onItsWayWei({ creditedWei, claimedWei, claimableWei }: Http.Earnings): bigint {
  const wei = BigInt(creditedWei) - BigInt(claimedWei) - BigInt(claimableWei)
  return wei > 0n ? wei : 0n
}
