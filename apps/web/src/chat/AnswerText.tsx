import { Alert, Card, Loader, Text } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { AttributedText } from '../components/AttributedText.tsx'
import type { Payees } from '../components/usePayees.ts'
import type { Answer } from './useAnswer.ts'

type Props = {
  answer: Answer | undefined
  failure: string | undefined
  isBusy: boolean
  payees: Payees
  selected: string | undefined
  onSelect: (contributionId: string | undefined) => void
}

/** The answer as it comes; once its receipt is there, with the words marked that stand in someone's data. */
export function AnswerText({ answer, failure, isBusy, ...marking }: Props) {
  return (
    <>
      {failure !== undefined && (
        <Alert color="red" title="There is no whole answer" role="alert">
          {failure}
        </Alert>
      )}
      {answer !== undefined && (isBusy || answer.text !== '') && (
        <Card withBorder component="section" aria-label="The answer" aria-busy={isBusy}>
          {answer.receipt === undefined ? (
            <div className="answer">
              <span className="answer-prompt">{answer.prompt}</span>
              {answer.text}
              {isBusy && <Loader size={12} ml={6} aria-label="Writing" />}
            </div>
          ) : (
            <Attributed answer={answer} receipt={answer.receipt} {...marking} />
          )}
        </Card>
      )}
    </>
  )
}

type AttributedProps = Omit<Props, 'answer' | 'failure' | 'isBusy'> & {
  answer: Answer
  receipt: Http.SignedReceipt
}

function Attributed({ answer, receipt: { attribution }, ...marking }: AttributedProps) {
  const hasSpans = attribution.shares.some(({ reasons }) => reasons.some(({ kind }) => kind === 'span'))
  return (
    <>
      <AttributedText prompt={answer.prompt} answer={answer.text} attribution={attribution} {...marking} />
      <Text size="xs" c="dimmed" mt="sm">
        {hasSpans
          ? 'Marked words stand word for word in the contribution of that colour. A match shows where the same words are; it is no proof that the model has them from there. What moved the model is measured apart, as influence.'
          : 'No passage stands word for word in the training data, so nothing is marked. What moved the model to these words is measured as influence.'}
      </Text>
    </>
  )
}
