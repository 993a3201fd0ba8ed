import { Http } from '@openledger/protocol'
import { type Answering, choicesOf, tokensOf } from '../completions/Answering.ts'
import * as Completions from '../completions/Completions.ts'
import type { Routes } from './Routes.ts'

/** Adds what tells a request's price before anybody pays: the same bodies as the routes that answer, and the same refusals. */
export function addQuoteRoutes(routes: Routes, { answering }: { readonly answering: Answering }): void {
  const quote = async (
    request: Completions.ChatRequest | Completions.CompletionRequest,
    read: ReturnType<typeof Completions.fromChat>,
  ): Promise<Http.Quote> => {
    const choices = choicesOf(await answering.quote(read, request.passages ?? []), request.n ?? 1)
    const [{ sold, inputTokens, prepared }] = choices as [(typeof choices)[number]]
    const { outputTokensMax } = prepared
    return {
      model: request.model,
      choices: choices.length,
      inputTokens,
      outputTokensMax,
      parts: sold.map((one, index) => {
        const part = tokensOf(one, { inputTokens, outputTokens: outputTokensMax })
        return {
          model: request.adapters?.[index]?.name ?? request.model,
          inputTokens: part.inputTokens,
          outputTokensMax: part.outputTokens,
          inputPriceWei: one.terms.inputPriceWei.toString(),
          outputPriceWei: one.terms.outputPriceWei.toString(),
        }
      }),
      maxWei: choices.reduce((sum, { maxWei }) => sum + maxWei, 0n).toString(),
    }
  }
  const response = Http.quoteSchema

  routes.post(
    '/v1/chat/completions/quote',
    {
      tag: 'OpenAI',
      summary: 'Say what answering a conversation would cost at most. Costs nothing.',
      body: Completions.chatRequestSchema,
      response,
    },
    ({ body }) => quote(body, Completions.fromChat(body, 'unknown')),
  )
  routes.post(
    '/v1/completions/quote',
    {
      tag: 'OpenAI',
      summary: 'Say what continuing a text would cost at most. Costs nothing.',
      body: Completions.completionRequestSchema,
      response,
    },
    ({ body }) => quote(body, Completions.fromCompletion(body, 'unknown')),
  )
}
