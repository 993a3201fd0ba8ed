import { Anchor, Badge, Card, Table, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Amount } from '../components/Amount.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { STATUS_TEXT } from './status.ts'

type Props = { of: { readonly datanetId: string } | { readonly contributor: string } }

/** What was given to a Datanet, or by one contributor: what became of it, and what it earned. */
export function Contributions({ of }: Props) {
  const isOwn = 'contributor' in of
  const contributions = useQuery(queries.contributions(of))
  return (
    <Card withBorder component="section" aria-labelledby="contributions">
      <Title order={2} size="h4" mb="sm" id="contributions">
        {isOwn ? 'Your contributions' : 'Contributions'}
      </Title>
      <AsyncView
        query={contributions}
        empty={{
          when: (list) => list.length === 0,
          view: isOwn ? (
            <Empty title="Nothing contributed yet">
              <Anchor component={Link} to="/datanets" inherit>
                Choose a Datanet
              </Anchor>{' '}
              and sign some text into it: what answers pay for it shows here.
            </Empty>
          ) : (
            <Empty title="Nobody has contributed yet">
              Be the first: whoever comes first owns what others repeat.
            </Empty>
          ),
        }}
      >
        {(list) => (
          <Table horizontalSpacing={6}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Contribution</Table.Th>
                <Table.Th visibleFrom="sm">{isOwn ? 'Datanet' : 'Contributor'}</Table.Th>
                <Table.Th>Accepted</Table.Th>
                <Table.Th visibleFrom="sm">State</Table.Th>
                <Table.Th ta="right">Earned</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {list.map((contribution) => (
                <Table.Tr key={contribution.id}>
                  <Table.Td style={{ overflowWrap: 'anywhere' }}>
                    <Anchor component={Link} to={`/contributions/${contribution.id}`} size="sm">
                      {contribution.title}
                    </Anchor>
                  </Table.Td>
                  <Table.Td visibleFrom="sm">
                    {isOwn ? (
                      <Anchor component={Link} to={`/datanets/${contribution.datanetId}`} size="sm">
                        {contribution.datanetName}
                      </Anchor>
                    ) : (
                      <Address value={contribution.contributor} />
                    )}
                  </Table.Td>
                  <Table.Td>
                    <Text size="sm" inherit>
                      {contribution.acceptedCount} of {contribution.recordCount}
                    </Text>
                  </Table.Td>
                  <Table.Td visibleFrom="sm">
                    <Badge color={contribution.status === 'versioned' ? 'green' : 'yellow'}>
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
        )}
      </AsyncView>
    </Card>
  )
}
