import { Badge, Card, Group, Stack, Text, Title } from '@mantine/core'
import { SecurityStake } from '@openledger/sdk'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { Figure, Figures } from '../components/Figure.tsx'
import { PageTitle } from '../components/PageTitle.tsx'
import { count } from '../components/words.ts'
import { PoolPanel } from '../staking/PoolPanel.tsx'
import { ContributeForm } from './ContributeForm.tsx'
import { Contributions } from './Contributions.tsx'
import { LicenceCard } from './LicenceCard.tsx'

const VERSIONS_SHOWN = 10

/** One Datanet: its contributions, its versions, and the form to contribute. */
export function DatanetPage() {
  const { id } = useParams({ strict: false }) as { id: string }
  const datanet = useQuery(queries.datanet(id))
  return (
    <AsyncView query={datanet} title="Datanet">
      {(data) => (
        <Stack gap="lg">
          <div>
            <PageTitle title={data.name}>{data.summary}</PageTitle>
            <Figures>
              <Figure label="Records">{data.recordCount.toLocaleString('en')}</Figure>
              <Figure label="Contributors">{data.contributorCount}</Figure>
              <Figure label="Version">{data.version === 0 ? 'none yet' : data.version}</Figure>
              <Figure label="Licence">{data.licence}</Figure>
              <Figure label="Earned">
                <Amount wei={data.earnedWei} strong />
              </Figure>
              <Figure label="Owner">
                <Address value={data.owner} />
              </Figure>
            </Figures>
          </div>
          <ContributeForm datanet={data} />
          <LicenceCard datanet={data} />
          <Contributions of={{ datanetId: id }} />
          <Versions datanetId={id} />
          <Validator />
        </Stack>
      )}
    </AsyncView>
  )
}

/** Who judges records here, and the stake that answers for it. */
function Validator() {
  const network = useQuery(queries.network)
  return (
    <Card withBorder component="section" aria-labelledby="validator">
      <Title order={2} size="h4" mb={4} id="validator">
        Who checks records
      </Title>
      <AsyncView query={network}>
        {({ validator }) => (
          <>
            <Text size="sm" c="dimmed" mb="sm" component="div">
              This network’s validator <Address value={validator} />, with what anyone puts behind it.
            </Text>
            <PoolPanel subject={SecurityStake.parse('validator', validator)} />
          </>
        )}
      </AsyncView>
    </Card>
  )
}

function Versions({ datanetId }: { datanetId: string }) {
  const versions = useQuery(queries.versions(datanetId))
  return (
    <Card withBorder component="section" aria-labelledby="versions">
      <Title order={2} size="h4" mb={4} id="versions">
        Versions
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        A version is the accepted records under one root on chain. It never changes, so a model trained on it
        can be checked for ever.
      </Text>
      <AsyncView
        query={versions}
        empty={{
          when: (list) => list.length === 0,
          view: <Empty title="No version yet">The first accepted records make version 1.</Empty>,
        }}
      >
        {(list) => (
          <Stack gap={8}>
            {[...list]
              .sort((a, b) => b.version - a.version)
              .slice(0, VERSIONS_SHOWN)
              .map((version) => (
                <Group key={version.version} gap="md" style={{ rowGap: 2 }}>
                  <Badge>version {version.version}</Badge>
                  <Text size="sm">{count(version.recordCount, 'record')}</Text>
                  <Text size="sm" component="div">
                    root <Address value={version.recordsRoot} />
                  </Text>
                  <Text size="sm" component="div">
                    transaction <Address value={version.transactionHash} kind="transaction" />
                  </Text>
                </Group>
              ))}
            {list.length > VERSIONS_SHOWN && (
              <Text size="sm" c="dimmed">
                and {count(list.length - VERSIONS_SHOWN, 'older version')}
              </Text>
            )}
          </Stack>
        )}
      </AsyncView>
    </Card>
  )
}
