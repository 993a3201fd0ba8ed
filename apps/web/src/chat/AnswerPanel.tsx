import { Alert, Anchor, Card, Loader, Stack, Text, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { Empty } from '../components/AsyncView.tsx'
import { AttributedText } from '../components/AttributedText.tsx'
import { Bill } from '../components/Bill.tsx'
import { Shares } from '../components/Shares.tsx'
import { usePayees } from '../components/usePayees.ts'
import type { Answer } from './useAnswer.ts'

type Props = { answer: Answer | undefined; failure: string | undefined; isBusy: boolean }

/** The answer with its words marked, who is paid for it and why, and its bill. */
export function AnswerPanel({ answer, failure, isBusy }: Props) {
  return (
    <Stack>
      {failure !== undefined && (
        <Alert color="red" title="There is no whole answer" role="alert">
          {failure}
        </Alert>
      )}
      {answer?.receipt !== undefined ? (
        <Attributed key={answer.receipt.sequence} answer={answer} receipt={answer.receipt} />
      ) : answer === undefined || (answer.text === '' && !isBusy) ? (
        <Card withBorder>
          <Empty title="The answer comes here">
            Words that stand in someone’s contribution are marked in that person’s colour, and beside them
            stands who is paid for the answer, how much, and why.
          </Empty>
        </Card>
      ) : (
        <Card withBorder aria-busy={isBusy}>
          <div className="answer">
            <span className="answer-prompt">{answer.prompt}</span>
            {answer.text}
            {isBusy && <Loader size={12} ml={6} aria-label="Writing" />}
          </div>
        </Card>
      )}
    </Stack>
  )
}

function Attributed({ answer, receipt }: { answer: Answer; receipt: Http.SignedReceipt }) {
  const payees = usePayees()
  const [selected, setSelected] = useState<string>()
  const { attribution } = receipt
  const hasSpans = attribution.shares.some(({ reasons }) => reasons.some(({ kind }) => kind === 'span'))
  const choice = { selected, onSelect: setSelected }
  return (
    <>
      <Card withBorder component="section" aria-label="The answer">
        <AttributedText
          prompt={answer.prompt}
          answer={answer.text}
          {...{ attribution, payees }}
          {...choice}
        />
        <Text size="xs" c="dimmed" mt="sm">
          {hasSpans
            ? 'Marked words stand word for word in the contribution of that colour. A match shows where the same words are; it is no proof that the model has them from there. What moved the model is measured apart, as influence.'
            : 'No passage stands word for word in the training data, so nothing is marked. What moved the model to these words is measured as influence.'}
        </Text>
      </Card>
      <Card withBorder component="section" aria-labelledby="payees">
        <Title order={2} size="h4" mb={4} id="payees">
          Who this answer pays
        </Title>
        <Text size="sm" c="dimmed" mb="sm" component="div">
          <Amount wei={receipt.contributorsWei} /> of a fee of <Amount wei={receipt.feeWei} /> goes to
          contributors. Choose one to see their words and records.
        </Text>
        <Shares {...{ attribution, payees }} answer={answer.text} {...choice} />
      </Card>
      <Card withBorder component="section" aria-labelledby="bill">
        <Title order={2} size="h4" mb={4} id="bill">
          The bill
        </Title>
        <Bill receipt={receipt} />
        <Settled sequence={receipt.sequence} />
      </Card>
    </>
  )
}

function Settled({ sequence }: { sequence: number }) {
  const receipt = useQuery(queries.receipt(sequence))
  return (
    <Text size="sm" mt="xs" role="status">
      <Anchor component={Link} to={`/explorer/receipts/${sequence}`} size="sm">
        Receipt {sequence}
      </Anchor>{' '}
      {receipt.data?.settlementTransaction
        ? 'is settled on chain.'
        : 'is signed, and being settled on chain …'}
    </Text>
  )
}
