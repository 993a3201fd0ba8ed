import { Anchor, Badge, Card, Group, SimpleGrid, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { PageTitle } from '../components/PageTitle.tsx'
import { count } from '../components/words.ts'
import { CreateDatanet } from './CreateDatanet.tsx'

/** Every Datanet on this network. */
export function DatanetsPage() {
  const datanets = useQuery(queries.datanets)
  return (
    <>
      <Group justify="space-between" align="flex-start" mb="xs">
        <PageTitle title="Datanets">
          Shared, specialised data. Each record is checked, each version is fixed for ever, and its
          contributors earn when it is used.
        </PageTitle>
        <CreateDatanet />
      </Group>
      <AsyncView
        query={datanets}
        empty={{
          when: (list) => list.length === 0,
          view: <Empty title="No Datanet yet">Create the first one with the button above.</Empty>,
        }}
      >
        {(list) => (
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            {list.map((datanet) => (
              <Card key={datanet.id} withBorder>
                <Group justify="space-between" wrap="nowrap" mb={4}>
                  <Anchor component={Link} to={`/datanets/${datanet.id}`} fw={650} size="lg">
                    {datanet.name}
                  </Anchor>
                  <Badge>{datanet.version === 0 ? 'no version yet' : `version ${datanet.version}`}</Badge>
                </Group>
                <Text size="sm" mb="sm">
                  {datanet.summary}
                </Text>
                <Group gap="lg">
                  <Text size="sm" c="dimmed">
                    {count(datanet.recordCount, 'record')} by {count(datanet.contributorCount, 'contributor')}
                  </Text>
                  <Text size="sm" c="dimmed">
                    earned <Amount wei={datanet.earnedWei} />
                  </Text>
                  <Text size="sm" c="dimmed">
                    {datanet.licence}
                  </Text>
                </Group>
              </Card>
            ))}
          </SimpleGrid>
        )}
      </AsyncView>
    </>
  )
}
