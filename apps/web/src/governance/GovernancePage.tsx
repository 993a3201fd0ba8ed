import { Card, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useConnection } from 'wagmi'
import { queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { PageTitle } from '../components/PageTitle.tsx'
import { duration } from '../components/words.ts'
import { useL2Client } from '../wallet/useWallet.ts'
import { governanceQuery } from './governanceQuery.ts'
import { ProposalCard } from './ProposalCard.tsx'
import { ProposeChange } from './ProposeChange.tsx'
import { ProposeSplit } from './ProposeSplit.tsx'
import { SplitBar } from './SplitBar.tsx'
import { VotingPower } from './VotingPower.tsx'

/** How fees are split, and the votes that can change it. */
export function GovernancePage() {
  const { address } = useConnection()
  const publicClient = useL2Client()
  const network = useQuery(queries.network)
  const governance = useQuery(governanceQuery(publicClient, network.data?.deployment, address))
  return (
    <Stack gap="lg">
      <PageTitle title="Governance">
        Holders of gOPEN decide how fees are split, and all else that can be changed. What passes waits in a
        timelock, then anyone can carry it out; there is no other way to change it.
      </PageTitle>
      <AsyncView query={network}>
        {({ split, treasury, deployment }) => (
          <>
            <Card withBorder component="section" aria-labelledby="split">
              <Title order={2} size="h4" mb="sm" id="split">
                The split in force
              </Title>
              <SplitBar split={split} />
              <Text size="xs" c="dimmed" mt="sm" component="div">
                Version {split.version}. The platform’s part goes to the treasury <Address value={treasury} />
              </Text>
            </Card>
            <AsyncView query={governance}>
              {(data) => (
                <>
                  <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
                    <VotingPower governance={data} deployment={deployment} />
                    <ProposeSplit
                      key={split.version}
                      current={split}
                      bounds={data.bounds}
                      deployment={deployment}
                      hasVotes={address !== undefined && data.votesWei >= data.thresholdWei}
                    />
                  </SimpleGrid>
                  <ProposeChange
                    deployment={deployment}
                    hasVotes={address !== undefined && data.votesWei >= data.thresholdWei}
                  />
                  <Stack gap="sm" component="section" aria-labelledby="proposals">
                    <Title order={2} size="h4" id="proposals">
                      Proposals
                    </Title>
                    {data.proposals.length === 0 ? (
                      <Card withBorder>
                        <Empty title="Nobody has proposed anything">
                          A vote here lasts {duration(data.votingSeconds)}.
                        </Empty>
                      </Card>
                    ) : (
                      data.proposals.map((proposal) => (
                        <ProposalCard
                          key={proposal.id.toString()}
                          proposal={proposal}
                          deployment={deployment}
                          governance={data}
                        />
                      ))
                    )}
                  </Stack>
                </>
              )}
            </AsyncView>
          </>
        )}
      </AsyncView>
    </Stack>
  )
}
