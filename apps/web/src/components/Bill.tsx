import { Table, Text } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { Amount } from './Amount.tsx'
import { count } from './words.ts'

/** What an answer cost and how that was divided; the parts sum to the fee. */
export function Bill({ receipt }: { receipt: Http.SignedReceipt }) {
  const fee = BigInt(receipt.feeWei)
  const parts = [
    ['Contributors', receipt.contributorsWei],
    ['Model owner', receipt.ownerWei],
    ['Stakers', receipt.stakersWei],
    ['Platform', receipt.platformWei],
  ] as const
  return (
    <Table maw={460} verticalSpacing={4}>
      <Table.Tbody>
        {parts.map(([label, wei]) => (
          <Table.Tr key={label}>
            <Table.Td>{label}</Table.Td>
            <Table.Td ta="right" c="dimmed">
              {fee === 0n ? '' : `${(Number((BigInt(wei) * 10_000n) / fee) / 100).toFixed(1)} %`}
            </Table.Td>
            <Table.Td ta="right">
              <Amount wei={wei} />
            </Table.Td>
          </Table.Tr>
        ))}
        <Table.Tr>
          <Table.Td colSpan={2}>
            <b>Fee</b>{' '}
            <Text span size="xs" c="dimmed">
              {count(receipt.inputTokens, 'token')} of prompt, {receipt.outputTokens} of answer
            </Text>
          </Table.Td>
          <Table.Td ta="right">
            <Amount wei={receipt.feeWei} strong />
          </Table.Td>
        </Table.Tr>
      </Table.Tbody>
    </Table>
  )
}
