import { hashSchema } from '@openledger/protocol/Scalars'
import { z } from 'zod'
import type { Answering } from '../completions/Answering.ts'
import { extensionOf } from '../completions/CompletionAnswers.ts'
import { PASSAGES_MAX } from '../completions/Completions.ts'
import type { Paywall } from '../completions/Paywall.ts'
import type { Routes } from './Routes.ts'

const requestSchema = z.object({
  model: z.string().min(1).max(128),
  /** What stood before the text when it was made. */
  prompt: z.string().min(1),
  text: z.string().min(1),
  passages: z.array(hashSchema).max(PASSAGES_MAX).nullish(),
})

/** Adds attribution of texts that were made elsewhere, priced as the model's own answers are. */
export function addTextAttributionRoutes(
  routes: Routes,
  { answering, paywall }: { readonly answering: Answering; readonly paywall: Paywall },
): void {
  routes.post(
    '/v1/attributions',
    {
      tag: 'Attribution',
      summary:
        'Say which training records of a model shaped a text that was made elsewhere, and pay them. Needs an API key, or a payment by x402.',
      body: requestSchema,
      response: z.looseObject({}),
    },
    async ({ context, body }) => {
      const { model, prompt, text, passages } = body
      const quote = await answering.quoteText({ model, caller: 'unknown', prompt }, text, passages ?? [])
      const { payer, headers } = await paywall.admit({
        url: context.req.url,
        description: `Attribution by ${model}`,
        maxWei: quote.maxWei,
        authorization: context.req.header('authorization'),
        paymentSignature: context.req.header('payment-signature'),
      })
      const { result, receipt } = await answering.attributeText(quote, payer)
      return context.json(
        {
          object: 'attribution',
          model,
          usage: {
            prompt_tokens: receipt.inputTokens,
            completion_tokens: receipt.outputTokens,
            total_tokens: receipt.inputTokens + receipt.outputTokens,
          },
          openledger: extensionOf(result, { receipt }),
        },
        200,
        headers,
      )
    },
  )
}
