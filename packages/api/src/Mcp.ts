import {
  type CallToolResult,
  createMcpHandler,
  fromJsonSchema,
  type McpHttpHandler,
  McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server'
import type { Datanets } from '@openledger/datanet'
import type { ModelFactory } from '@openledger/modelfactory'
import { Http } from '@openledger/protocol'
import type { Settlement } from '@openledger/settlement'
import { z } from 'zod'
import type { Answering } from './completions/Answering.ts'
import * as Completions from './completions/Completions.ts'
import { PaymentRequiredError, type Paywall } from './completions/Paywall.ts'
import { problemOf } from './Problems.ts'
import { toJsonSchema } from './routes/Routes.ts'

export type McpDependencies = {
  readonly modelFactory: Pick<ModelFactory, 'models' | 'model'>
  readonly datanets: Pick<Datanets, 'datanets'>
  readonly settlement: Pick<Settlement, 'receipts'>
  readonly answering: Answering
  readonly paywall: Paywall
}

const BODY_BYTES_MAX = 1024 * 1024
/** Where the x402 transport for MCP puts a payment and what became of it. */
const PAYMENT_META = 'x402/payment'
const PAYMENT_RESPONSE_META = 'x402/payment-response'

/** Shows a shape to clients; schemas that also change case cannot be shown as they are. */
const output = (shape: Record<string, z.ZodType>) =>
  fromJsonSchema(toJsonSchema(z.object(shape)) as Parameters<typeof fromJsonSchema>[0])

// once, because a server is made for every request
const OUTPUTS = {
  models: output({ models: Http.modelSchema.array() }),
  model: output({ model: Http.modelSchema }),
  datanets: output({ datanets: Http.datanetSchema.array() }),
  receipt: output({ receipt: Http.receiptSchema }),
}

const chatInput = z.object({
  model: z.string().max(128).describe('Name of a published model; list_models gives them'),
  messages: Completions.chatRequestSchema.shape.messages.describe('The conversation so far'),
  maxTokens: z.number().int().min(1).max(4_096).default(128).describe('Longest answer, in tokens'),
  temperature: z.number().min(0).max(2).default(0).describe('0 takes the likeliest token each time'),
  passages: Completions.chatRequestSchema.shape.passages.describe(
    'Ids of records to answer from; each is paid for what it does to the answer',
  ),
  adapters: Completions.chatRequestSchema.shape.adapters.describe(
    'Published models that answer together, each with a weight, "model" among them; each is paid',
  ),
})

/**
 * Creates the MCP server (streamable HTTP, no sessions): finding models and Datanets is free, an answer is paid for.
 *
 * An answer needs an API key in the `Authorization` header or an x402 payment in `_meta["x402/payment"]`; without either
 * the result is an error that carries the price.
 *
 * @see x402, "MCP transport".
 */
export function createMcp(deps: McpDependencies): McpHttpHandler {
  return createMcpHandler(() => createServer(deps), { maxRequestBodySize: BODY_BYTES_MAX })
}

function createServer(deps: McpDependencies): McpServer {
  const { modelFactory, datanets, settlement } = deps
  const server = new McpServer({ name: 'openledger', version: '0.1.0' })
  const free = { readOnlyHint: true, openWorldHint: false }

  server.registerTool(
    'list_models',
    {
      title: 'List models',
      description: 'Published models with their prices in wei of OPEN per token.',
      annotations: free,
      outputSchema: OUTPUTS.models,
    },
    () =>
      answered(async () => ({ models: (await modelFactory.models()).filter(({ isRetired }) => !isRetired) })),
  )
  server.registerTool(
    'get_model',
    {
      title: 'Look at a model',
      description: 'Price, training data and losses of one model.',
      annotations: free,
      inputSchema: z.object({ name: z.string().max(128) }),
      outputSchema: OUTPUTS.model,
    },
    ({ name }) => answered(async () => ({ model: await modelFactory.model(name) })),
  )
  server.registerTool(
    'list_datanets',
    {
      title: 'List Datanets',
      description: 'Datanets: what models are trained on, and who earns from them.',
      annotations: free,
      outputSchema: OUTPUTS.datanets,
    },
    () => answered(async () => ({ datanets: await datanets.datanets() })),
  )
  server.registerTool(
    'get_receipt',
    {
      title: 'Look at a receipt',
      description: 'What an answer cost, and which data it paid and why.',
      annotations: free,
      inputSchema: z.object({ sequence: z.number().int().positive() }),
      outputSchema: OUTPUTS.receipt,
    },
    ({ sequence }) => answered(async () => ({ receipt: await settlement.receipts.require(sequence) })),
  )
  server.registerTool(
    'chat',
    {
      title: 'Ask a model',
      description:
        'Answers a conversation and pays the data behind the answer. Costs OPEN: send an API key (Authorization: Bearer ol-…) or an x402 payment in _meta["x402/payment"]; called without, it quotes the price.',
      inputSchema: chatInput,
      annotations: { readOnlyHint: false, openWorldHint: false },
    },
    (input, context) => chat(deps, input, context),
  )
  return server
}

async function chat(
  { answering, paywall }: McpDependencies,
  { model, messages, maxTokens, temperature, passages, adapters }: z.output<typeof chatInput>,
  { mcpReq, http }: ServerContext,
): Promise<CallToolResult> {
  try {
    const request = { model, messages, max_tokens: maxTokens, temperature, adapters }
    const quote = await answering.quote(Completions.fromChat(request, 'mcp'), passages ?? [])
    const payment = mcpReq._meta?.[PAYMENT_META]
    const { payer, headers } = await paywall.admit({
      url: 'mcp://tool/chat',
      description: `Chat completion by ${model}`,
      maxWei: quote.maxWei,
      authorization: http?.req?.headers.get('authorization') ?? undefined,
      paymentSignature:
        payment === undefined ? undefined : Buffer.from(JSON.stringify(payment)).toString('base64'),
    })
    for await (const event of answering.answer(quote, payer, { signal: mcpReq.signal, isStreamed: false })) {
      if (event.kind !== 'done') continue
      const { result, receipt, mergedReceipts } = event
      const paid = headers['PAYMENT-RESPONSE']
      return {
        content: [{ type: 'text', text: result.text }],
        structuredContent: {
          answer: result.text,
          receipt,
          ...(mergedReceipts === undefined ? {} : { mergedReceipts }),
        },
        ...(paid === undefined
          ? {}
          : { _meta: { [PAYMENT_RESPONSE_META]: JSON.parse(Buffer.from(paid, 'base64').toString('utf8')) } }),
      }
    }
    return refused(new Error('The caller left.'))
  } catch (error) {
    if (!(error instanceof PaymentRequiredError)) return refused(error)
    const { paymentRequired } = error
    return {
      isError: true,
      structuredContent: { ...paymentRequired },
      content: [{ type: 'text', text: JSON.stringify(paymentRequired) }],
    }
  }
}

/** Gives an answer both as data and as text, because some clients read only one of the two. */
async function answered(read: () => Promise<Record<string, unknown>>): Promise<CallToolResult> {
  try {
    const structuredContent = await read()
    return { structuredContent, content: [{ type: 'text', text: JSON.stringify(structuredContent) }] }
  } catch (error) {
    return refused(error)
  }
}

const refused = (error: unknown): CallToolResult => ({
  isError: true,
  content: [{ type: 'text', text: problemOf(error).detail }],
})
