import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { BaseError, type Hex } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import { ExactEvmScheme } from '@x402/evm'
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch'
import type { LocalAccount } from 'viem'
import { z } from 'zod'

/** What an agent's process holds: its wallet's address, and a key that can pay from it within limits. */
export type AgentOptions = {
  /** The wallet contract; it pays, the session key only signs. */
  readonly wallet: Hex
  readonly sessionAccount: LocalAccount
  readonly chainId: number
  readonly serverUrl: string
  readonly fetch?: typeof fetch
}

/** An answer that the agent has paid for. */
export type PaidAnswer = {
  readonly text: string
  readonly receipt: Http.SignedReceipt
  /** The L2 transaction that moved the money. */
  readonly paymentTransaction: string
}

export type Agent = {
  /** Asks the MCP server for models and picks the best that mentions `topic` in its name: lowest loss first. */
  readonly findModel: (topic: string) => Promise<Http.Model>
  /** Asks a model, paying by x402; needs neither account nor API key. */
  readonly ask: (question: { model: string; prompt: string; maxTokens: number }) => Promise<PaidAnswer>
}

/**
 * Creates an agent that finds models through MCP and pays for them by x402.
 *
 * The x402 client is the ordinary one: the payment names the wallet as payer and carries the session key's signature, which
 * the wallet checks against its limits on chain.
 *
 * @throws {PaymentRefusedError} from `ask` when the payment is refused, with the chain's reason, e.g. a limit.
 */
export function createAgent({
  wallet,
  sessionAccount,
  chainId,
  serverUrl,
  fetch: send = fetch,
}: AgentOptions): Agent {
  const signer = {
    address: wallet,
    signTypedData: (typedData: Parameters<LocalAccount['signTypedData']>[0]) =>
      sessionAccount.signTypedData(typedData),
  }
  const scheme = new ExactEvmScheme(signer as ConstructorParameters<typeof ExactEvmScheme>[0])
  const client = new x402Client().register(`eip155:${chainId}`, scheme)
  // the client would pay in well-known dollar tokens only; what limits this agent is its wallet, on chain
  client.setSpendControls(false)
  const pay = wrapFetchWithPayment(send, client)

  return {
    async findModel(topic) {
      const mcp = new Client({ name: 'openledger-agent', version: '0.1.0' })
      await mcp.connect(new StreamableHTTPClientTransport(new URL(`${serverUrl}/mcp`), { fetch: send }))
      try {
        const { structuredContent } = await mcp.callTool({ name: 'list_models', arguments: {} })
        const { models } = z.object({ models: Http.modelSchema.array() }).parse(structuredContent)
        const [best] = models
          .filter((model) => model.name.includes(topic))
          .sort((a, b) => a.testLoss - b.testLoss)
        if (best === undefined) throw new NoModelError(topic, models.length)
        return best
      } finally {
        await mcp.close()
      }
    },

    async ask({ model, prompt, maxTokens }) {
      const response = await pay(`${serverUrl}/v1/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model, prompt, max_tokens: maxTokens, temperature: 0 }),
      })
      const body = (await response.json().catch(() => ({}))) as {
        error?: { message?: string; code?: string } | string
        openledger?: unknown
      }
      if (!response.ok) throw new PaymentRefusedError(response.status, body.error)
      const { answer, receipt } = Http.answerExtensionSchema.parse(body.openledger)
      const header = response.headers.get('payment-response') ?? ''
      return { text: answer, receipt, paymentTransaction: decodePaymentResponseHeader(header).transaction }
    },
  }
}

export class NoModelError extends BaseError {
  constructor(topic: string, count: number) {
    super({
      code: 'agent.no_model',
      message: `Expected a published model with ${JSON.stringify(topic)} in its name, but none of the ${count} has it.`,
      context: { topic, count },
    })
  }
}

export class PaymentRefusedError extends BaseError {
  constructor(status: number, error: { message?: string; code?: string } | string | undefined) {
    const reason = typeof error === 'string' ? error : (error?.message ?? 'no reason was given')
    super({
      code: 'agent.payment_refused',
      message: `Expected the payment to be taken, but it was refused (${status}): ${reason}`,
      context: { status, reason },
    })
  }
}
