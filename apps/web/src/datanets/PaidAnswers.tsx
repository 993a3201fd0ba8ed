import { Card, Stack, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { queries } from '../api.ts'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { PayoutRow } from '../components/PayoutRow.tsx'
import { Settled } from '../components/Standing.tsx'

/** The newest answers that a contribution shaped: what each paid for it, and which records were the reason. */
export function PaidAnswers({ contributionId }: { contributionId: string }) {
  const answers = useQuery(queries.contributionAnswers(contributionId))
  return (
    <Card withBorder component="section" aria-labelledby="answers">
      <Title order={2} size="h4" mb="sm" id="answers">
        Answers it shaped
      </Title>
      <AsyncView
        query={answers}
        empty={{
          when: (list) => list.length === 0,
          view: (
            <Empty title="No answer yet">
              When an answer is shaped by one of these records, it shows here within seconds.
            </Empty>
          ),
        }}
      >
        {(list) => (
          <Stack gap={0} component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
            {list.map((answer, index) => (
              <PayoutRow
                key={answer.receiptSequence}
                payout={answer}
                standing={<Settled transaction={answer.settlementTransaction} />}
                isOpen={index === 0}
              />
            ))}
          </Stack>
        )}
      </AsyncView>
    </Card>
  )
}
