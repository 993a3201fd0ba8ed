import { Anchor, Card, Table, Text, Title } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { queries } from '../api.ts'
import { AsyncView } from '../components/AsyncView.tsx'
import { Pager } from '../components/Pager.tsx'
import { HeadBadge } from './HeadBadge.tsx'

const COUNT = 15

/** Blocks, the newest as they come, or older ones. */
export function Blocks() {
  const [before, setBefore] = useState<number>()
  const blocks = useQuery({
    ...queries.blocks({ limit: COUNT, ...(before === undefined ? {} : { before }) }),
    placeholderData: keepPreviousData,
  })
  return (
    <Card withBorder component="section" aria-labelledby="blocks">
      <Title order={2} size="h4" mb="sm" id="blocks">
        Blocks
      </Title>
      <AsyncView query={blocks}>
        {(list) => (
          <>
            <Table horizontalSpacing={6}>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Block</Table.Th>
                  <Table.Th>Transactions</Table.Th>
                  <Table.Th>State</Table.Th>
                  <Table.Th ta="right">Time</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {list.map((block) => (
                  <Table.Tr key={block.number}>
                    <Table.Td>
                      <Anchor component={Link} to={`/explorer/blocks/${block.number}`} size="sm">
                        {block.number.toLocaleString('en')}
                      </Anchor>
                    </Table.Td>
                    <Table.Td>{block.transactionCount}</Table.Td>
                    <Table.Td>
                      <HeadBadge status={block.status} />
                    </Table.Td>
                    <Table.Td ta="right">
                      <Text size="sm" style={{ fontVariantNumeric: 'tabular-nums' }}>
                        {new Date(block.timestamp * 1000).toLocaleTimeString('en-GB')}
                      </Text>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
            <Pager
              onNewest={before === undefined ? undefined : () => setBefore(undefined)}
              onOlder={(list.at(-1)?.number ?? 0) === 0 ? undefined : () => setBefore(list.at(-1)?.number)}
            />
          </>
        )}
      </AsyncView>
    </Card>
  )
}
