import { Anchor, Badge, Card, Group, Stack, Table, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { PageTitle } from '../Layout.tsx'
import { ContributeForm } from './ContributeForm.tsx'

export const STATUS_TEXT = {
  registered: 'on chain, being checked',
  validated: 'checked',
  versioned: 'in a version',
} as const

/** One Datanet: its contributions, its versions, and the form to contribute. */
export function DatanetPage() {
  const { id } = useParams({ strict: false }) as { id: string }
  const datanet = useQuery(queries.datanet(id))
  const contributions = useQuery(queries.contributions({ datanetId: id }))
  const versions = useQuery(queries.versions(id))
  return (
    <AsyncView query={datanet}>
      {(data) => (
        <Stack gap="lg">
          <div>
            <PageTitle title={data.name}>{data.summary}</PageTitle>
            <Group gap="lg">
              <Text size="sm">
                {data.recordCount.toLocaleString('en')} records, {data.contributorCount} contributors
              </Text>
              <Text size="sm">licence {data.licence}</Text>
              <Text size="sm">
                earned <Amount wei={data.earnedWei} />
              </Text>
              <Text size="sm" component="div">
                owner <Address value={data.owner} />
              </Text>
            </Group>
          </div>
          <ContributeForm datanet={data} />
          <Card withBorder>
            <Title order={2} size="h4" mb="sm">
              Contributions
            </Title>
            <AsyncView
              query={contributions}
              empty={{
                when: (list) => list.length === 0,
                view: (
                  <Empty title="Nobody has contributed yet">
                    Be the first: whoever comes first owns what others repeat.
                  </Empty>
                ),
              }}
            >
              {(list) => (
                <Table.ScrollContainer minWidth={620}>
                  <Table>
                    <Table.Thead>
                      <Table.Tr>
                        <Table.Th>Contribution</Table.Th>
                        <Table.Th>Contributor</Table.Th>
                        <Table.Th>Accepted</Table.Th>
                        <Table.Th>State</Table.Th>
                        <Table.Th ta="right">Earned</Table.Th>
                      </Table.Tr>
                    </Table.Thead>
                    <Table.Tbody>
                      {list.map((contribution) => (
                        <Table.Tr key={contribution.id}>
                          <Table.Td>
                            <Anchor component={Link} to={`/contributions/${contribution.id}`} size="sm">
                              {contribution.title}
                            </Anchor>
                          </Table.Td>
                          <Table.Td>
                            <Address value={contribution.contributor} />
                          </Table.Td>
                          <Table.Td>
                            {contribution.acceptedCount} of {contribution.recordCount}
                          </Table.Td>
                          <Table.Td>
                            <Badge
                              variant="light"
                              color={contribution.status === 'versioned' ? 'green' : 'yellow'}
                            >
                              {STATUS_TEXT[contribution.status]}
                            </Badge>
                          </Table.Td>
                          <Table.Td ta="right">
                            <Amount wei={contribution.earnedWei} />
                          </Table.Td>
                        </Table.Tr>
                      ))}
                    </Table.Tbody>
                  </Table>
                </Table.ScrollContainer>
              )}
            </AsyncView>
          </Card>
          <Card withBorder>
            <Title order={2} size="h4" mb="sm">
              Versions
            </Title>
            <AsyncView
              query={versions}
              empty={{
                when: (list) => list.length === 0,
                view: <Empty title="No version yet">The first accepted records make version 1.</Empty>,
              }}
            >
              {(list) => (
                <Stack gap={6}>
                  {[...list]
                    .sort((a, b) => b.version - a.version)
                    .slice(0, 10)
                    .map((version) => (
                      <Group key={version.version} gap="md">
                        <Badge variant="light">version {version.version}</Badge>
                        <Text size="sm">{version.recordCount.toLocaleString('en')} records</Text>
                        <Text size="sm" component="div">
                          root <Address value={version.recordsRoot} />
                        </Text>
                        <Text size="sm" component="div">
                          transaction <Address value={version.transactionHash} kind="transaction" />
                        </Text>
                      </Group>
                    ))}
                </Stack>
              )}
            </AsyncView>
          </Card>
        </Stack>
      )}
    </AsyncView>
  )
}
