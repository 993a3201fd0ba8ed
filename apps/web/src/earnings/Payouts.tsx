import { Card, Stack, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { Empty } from '../components/AsyncView.tsx'
import { PayoutRow } from '../components/PayoutRow.tsx'
import { Standing } from '../components/Standing.tsx'

/** Each payout with the answer it came from and why, the newest spelled out. */
export function Payouts({ list }: { list: Http.Earnings['payouts'] }) {
  return (
    <Card withBorder component="section" aria-labelledby="payouts">
      <Title order={2} size="h4" mb="sm" id="payouts">
        What paid you
      </Title>
      {list.length === 0 ? (
        <Empty title="No payout yet">
          When an answer is shaped by your data, it shows here within seconds.
        </Empty>
      ) : (
        <Stack gap={0} component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
          {list.map((payout, index) => (
            <PayoutRow
              key={`${payout.receiptSequence}-${payout.contributionId}`}
              payout={payout}
              standing={<Standing of={payout} />}
              title={payout.contributionTitle}
              isOpen={index === 0}
            />
          ))}
        </Stack>
      )}
    </Card>
  )
}
