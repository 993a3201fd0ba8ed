import { Anchor, Badge, Card, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { PageTitle } from '../Layout.tsx'

export const HEAD_COLOUR = { unsafe: 'gray', safe: 'cyan', finalized: 'green' } as const

/** The latest blocks and the latest receipts. */
export function ExplorerPage() {
  const blocks = useQuery(queries.blocks)
  const receipts = useQuery(queries.receipts({ limit: 20 }))
  return (
    <>
      <PageTitle title="Explorer">
        The chain as it grows. A block is safe once L1 holds the data to rebuild it, and final once L1 itself
        is.
      </PageTitle>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
        <Card withBorder>
          <Title order={2} size="h4" mb="sm">
            Blocks
          </Title>
          <AsyncView query={blocks}>{(list) => <Blocks list={list} />}</AsyncView>
        </Card>
        <Card withBorder>
          <Title order={2} size="h4" mb="sm">
            Receipts
          </Title>
          <AsyncView
            query={receipts}
            empty={{
              when: (list) => list.length === 0,
              view: <Empty title="No answer yet">Every answer leaves a receipt here.</Empty>,
            }}
          >
            {(list) => (
              <Stack gap={8}>
                {list.map((receipt) => (
                  <div key={receipt.sequence}>
                    <Anchor component={Link} to={`/explorer/receipts/${receipt.sequence}`} size="sm">
                      Receipt {receipt.sequence}
                    </Anchor>{' '}
                    <Text span size="sm">
                      {receipt.modelName}, {receipt.outputTokens} tokens, <Amount wei={receipt.feeWei} />
                    </Text>{' '}
                    <Badge
                      size="xs"
                      variant="light"
                      color={receipt.settlementTransaction === null ? 'gray' : 'green'}
                    >
                      {receipt.settlementTransaction === null ? 'settling' : 'on chain'}
                    </Badge>
                  </div>
                ))}
              </Stack>
            )}
          </AsyncView>
        </Card>
      </SimpleGrid>
    </>
  )
}

function Blocks({ list }: { list: readonly Http.Block[] }) {
  return (
    <Table>
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
              <Badge size="xs" variant="light" color={HEAD_COLOUR[block.status]}>
                {block.status}
              </Badge>
            </Table.Td>
            <Table.Td ta="right">
              <Text size="sm">{new Date(block.timestamp * 1000).toLocaleTimeString()}</Text>
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  )
}
