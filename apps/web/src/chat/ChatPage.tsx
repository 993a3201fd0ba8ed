import { Card, SimpleGrid, Stack } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useQuery } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { queries } from '../api.ts'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { PageTitle } from '../components/PageTitle.tsx'
import { usePayees } from '../components/usePayees.ts'
import { AccessPanel } from './AccessPanel.tsx'
import { AnswerText } from './AnswerText.tsx'
import { useApiKey } from './apiKey.ts'
import { FromAProgram } from './FromAProgram.tsx'
import { Payment } from './Payment.tsx'
import { EXAMPLES, PromptForm, type Question } from './PromptForm.tsx'
import { useAnswer } from './useAnswer.ts'

/** Those that still answer. */
const served = (models: readonly Http.Model[]): readonly Http.Model[] =>
  models.filter(({ isRetired }) => !isRetired)

/** Ask a model, watch the answer come, and see on its words and beside it whose data shaped it. */
export function ChatPage() {
  const search = useSearch({ strict: false }) as { model?: string; passages?: string }
  const models = useQuery({ ...queries.models, select: served })
  const payees = usePayees()
  const { held } = useApiKey()
  const { answer, failure, isBusy, ask, stop } = useAnswer()
  const [selected, onSelect] = useState<string>()
  const [asked, setAsked] = useState<Question>({
    model: search.model ?? '',
    prompt: EXAMPLES[0]!.prompt,
    tokens: 96,
    passages: search.passages?.split(',') ?? [],
    adapters: [],
  })
  const question = { ...asked, model: asked.model || models.data?.[0]?.name || '' }
  const choosing = { payees, selected, onSelect }

  return (
    <>
      <PageTitle title="Ask a model">
        The answer is paid for in OPEN, and pays the people whose data shaped it.
      </PageTitle>
      <AsyncView
        query={models}
        empty={{
          when: (list) => list.length === 0,
          view: (
            <Empty title="No model is published yet">
              The first one appears here as soon as it is trained and published.
            </Empty>
          ),
        }}
      >
        {(list) => (
          <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
            <Stack miw={0}>
              <PromptForm
                models={list}
                question={question}
                onChange={setAsked}
                obstacle={obstacle(held !== undefined, question)}
                isBusy={isBusy}
                onAsk={() => {
                  if (held === undefined) return
                  onSelect(undefined)
                  void ask({ ...request(question), secret: held.secret })
                }}
                onStop={stop}
              >
                <AccessPanel />
              </PromptForm>
              <AnswerText answer={answer} failure={failure} isBusy={isBusy} {...choosing} />
            </Stack>
            <Stack miw={0}>
              {answer?.receipt === undefined ? (
                <Card withBorder>
                  <Empty title="Who is paid shows here">
                    With the answer come the contributions that shaped it: how much of it each explains, by
                    which records and words, and what its contributor gets.
                  </Empty>
                </Card>
              ) : (
                [answer.receipt, ...answer.mergedReceipts].map((receipt) => (
                  <Payment key={receipt.sequence} receipt={receipt} answer={answer.text} {...choosing} />
                ))
              )}
              <FromAProgram model={question.model} />
            </Stack>
          </SimpleGrid>
        )}
      </AsyncView>
    </>
  )
}

function obstacle(hasKey: boolean, { prompt, tokens, adapters }: Question): string | undefined {
  if (!hasKey) return 'You need a key first.'
  if (prompt.trim() === '') return 'Write a prompt first.'
  if (tokens < 1) return 'Ask for at least one token.'
  if (adapters.some(({ weight }) => weight === 0)) return 'Give each model a weight other than 0.'
  return undefined
}

const request = ({ model, prompt, tokens, passages, adapters }: Question) => ({
  model,
  prompt,
  passages,
  max_tokens: tokens,
  ...(adapters.length === 0 ? {} : { adapters }),
})
