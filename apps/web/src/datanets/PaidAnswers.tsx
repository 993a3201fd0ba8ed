import { Anchor, Badge, Card, Group, Stack, Text, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { percent, reasonText } from '../components/words.ts'

/** How many reasons of an answer are spelled out before the rest is only counted. */
const REASONS_MAX = 3

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
            {list.map((answer) => (
              <PaidAnswer key={answer.receiptSequence} answer={answer} />
            ))}
          </Stack>
        )}
      </AsyncView>
    </Card>
  )
}

function PaidAnswer({ answer }: { answer: Http.PaidAnswer }) {
  const { receiptSequence, modelName, settlementTransaction, amountWei, sharePpm, reasons } = answer
  return (
    <li className="payout">
      <Group justify="space-between" wrap="nowrap" align="flex-start" gap="md">
        <Group gap="xs" style={{ rowGap: 2 }}>
          <Anchor component={Link} to={`/explorer/receipts/${receiptSequence}`} size="sm">
            Receipt {receiptSequence}
          </Anchor>
          <Text size="sm">{modelName}</Text>
          <Badge size="sm" color={settlementTransaction === null ? 'gray' : 'green'}>
            {settlementTransaction === null ? 'settling' : 'on chain'}
          </Badge>
        </Group>
        <Text size="sm" component="div">
          {percent(sharePpm)} · <Amount wei={amountWei} strong />
        </Text>
      </Group>
      {reasons.slice(0, REASONS_MAX).map((reason, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: reasons never change order
        <Text size="xs" c="dimmed" key={index}>
          <Anchor href={`#record-${reason.recordId}`} size="xs">
            A record
          </Anchor>
          : {reasonText(reason)}, {percent(reason.sharePpm)}
        </Text>
      ))}
      {reasons.length > REASONS_MAX && (
        <Text size="xs" c="dimmed">
          and {reasons.length - REASONS_MAX} more
        </Text>
      )}
    </li>
  )
}
