import { z } from 'zod'
import { type Answering, toBase64 } from '../completions/Answering.ts'
import type { Paywall } from '../completions/Paywall.ts'
import type { Routes } from './Routes.ts'

const INPUTS_MAX = 256

const idsSchema = z.array(z.number().int().nonnegative()).min(1)
const embeddingRequestSchema = z.object({
  model: z.string().min(1).max(128),
  input: z.union([
    z.string().min(1),
    z.array(z.string().min(1)).min(1).max(INPUTS_MAX),
    idsSchema,
    z.array(idsSchema).min(1).max(INPUTS_MAX),
  ]),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.never('expected no dimensions: vectors are as wide as the model').nullish(),
  user: z.string().max(512).nullish(),
})

/** Adds OpenAI's route for vectors of texts, priced by the model's input tokens. */
export function addEmbeddingRoutes(
  routes: Routes,
  { answering, paywall }: { readonly answering: Answering; readonly paywall: Paywall },
): void {
  routes.post(
    '/v1/embeddings',
    {
      tag: 'OpenAI',
      summary: 'Give texts vectors for comparing them. Needs an API key, or a payment by x402.',
      body: embeddingRequestSchema,
      response: z.looseObject({}),
    },
    async ({ context, body }) => {
      const { model, input, encoding_format: encoding } = body
      const quote = await answering.quoteEmbeddings(model, inputsOf(input))
      const { payer, headers } = await paywall.admit({
        url: context.req.url,
        description: `Embeddings by ${model}`,
        maxWei: quote.maxWei,
        authorization: context.req.header('authorization'),
        paymentSignature: context.req.header('payment-signature'),
      })
      const { vectors, receipt, answer } = await answering.embed(quote, payer)
      const tokens = receipt.inputTokens
      const written = (vector: Float32Array) => (encoding === 'base64' ? toBase64(vector) : [...vector])
      return context.json(
        {
          object: 'list',
          data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: written(vector) })),
          model,
          usage: { prompt_tokens: tokens, total_tokens: tokens },
          openledger: { receipt, answer },
        },
        200,
        headers,
      )
    },
  )
}

type Input = z.output<typeof embeddingRequestSchema>['input']

/** One text or list of tokens for each vector. */
function inputsOf(input: Input): readonly (string | number[])[] {
  if (typeof input === 'string') return [input]
  const [first] = input
  return typeof first === 'number' ? [input as number[]] : (input as (string | number[])[])
}
