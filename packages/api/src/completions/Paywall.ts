import { BaseError, type Hex, Open } from '@openledger/primitives'
import type { Deployment } from '@openledger/protocol'
import { addressSchema, hashSchema } from '@openledger/protocol/Scalars'
import { PaymentInvalidError, type Settlement } from '@openledger/settlement'
import {
  decodePaymentSignatureHeader,
  encodePaymentRequiredHeader,
  encodePaymentResponseHeader,
} from '@x402/core/http'
import type { PaymentRequired, PaymentRequirements } from '@x402/core/types'
import { z } from 'zod'
import type { Payer } from './Answering.ts'

/** Who pays, and the header that tells them what became of a payment. */
export type Admission = { readonly payer: Payer; readonly headers: Readonly<Record<string, string>> }

export type PaidRequest = {
  /** The request's own address. */
  readonly url: string
  readonly description: string
  /** The most that it can cost. */
  readonly maxWei: bigint
  readonly authorization: string | undefined
  readonly paymentSignature: string | undefined
}

export type Paywall = {
  /**
   * Lets a request in that brings an API key or a payment.
   * @throws {ApiKeyUnknownError} when the key is none of ours.
   * @throws {PaymentRequiredError} with the price, when there is neither, or the payment is no good.
   */
  readonly admit: (request: PaidRequest) => Promise<Admission>
  /** The price of a request, as x402 writes it. */
  readonly requirements: (maxWei: bigint) => PaymentRequirements
}

/** How long a signed payment must stay good. */
const PAYMENT_SECONDS = 120
const X402_VERSION = 2
/** A payment header longer than this is no payment. */
const HEADER_LENGTH_MAX = 16_384

const wordSchema = z.string().regex(/^\d{1,78}$/)
const payloadSchema = z.object({
  x402Version: z.literal(X402_VERSION),
  accepted: z.object({
    scheme: z.string(),
    network: z.string(),
    asset: z.string(),
    amount: wordSchema,
    payTo: z.string(),
  }),
  payload: z.object({
    authorization: z.object({
      from: addressSchema,
      to: addressSchema,
      value: wordSchema,
      validAfter: wordSchema,
      validBefore: wordSchema,
      nonce: hashSchema,
    }),
    signature: z.string().regex(/^0x([0-9a-fA-F]{2}){1,4096}$/),
  }),
})

/**
 * Creates the gate of everything that costs money: API keys, and x402 (v2, scheme `exact`) for those who have none.
 *
 * A payment is for the most that the request can cost. It goes to `Settlement`, which credits the payer's prepaid
 * balance; what the answer does not use stays there and stays the payer's.
 */
export function createPaywall(deps: {
  readonly deployment: Deployment
  readonly settlement: Pick<Settlement, 'apiKeys' | 'payments'>
}): Paywall {
  const { deployment, settlement } = deps
  const network = `eip155:${deployment.l2ChainId}` as const
  const { wopen, settlement: payTo } = deployment.l2

  const requirements = (maxWei: bigint): PaymentRequirements => ({
    scheme: 'exact',
    network,
    asset: wopen,
    amount: maxWei.toString(),
    payTo,
    maxTimeoutSeconds: PAYMENT_SECONDS,
    extra: { assetTransferMethod: 'eip3009', name: 'Wrapped OPEN', version: '1' },
  })

  const required = (request: PaidRequest, error: string, cause?: unknown): PaymentRequiredError =>
    new PaymentRequiredError(
      {
        x402Version: X402_VERSION,
        error,
        resource: { url: request.url, description: request.description, mimeType: 'application/json' },
        accepts: [requirements(request.maxWei)],
      },
      network,
      cause,
    )

  async function takePayment(request: PaidRequest, header: string): Promise<Admission> {
    const { accepted, payload } = readPayment(header)
    const expected = requirements(request.maxWei)
    for (const key of ['scheme', 'network', 'asset', 'amount', 'payTo'] as const) {
      if (accepted[key].toLowerCase() !== expected[key].toLowerCase()) {
        throw new PaymentInvalidError(key, expected[key], accepted[key].slice(0, 100))
      }
    }
    const { from, to, value, validAfter, validBefore, nonce } = payload.authorization
    const transaction = await settlement.payments.take(
      {
        from,
        to,
        valueWei: BigInt(value),
        validAfter: BigInt(validAfter),
        validBefore: BigInt(validBefore),
        nonce,
        signature: payload.signature as Hex,
      },
      request.maxWei,
      request.url,
    )
    const settled = { success: true, transaction, network, payer: from, amount: value }
    return { payer: { account: from }, headers: { 'PAYMENT-RESPONSE': encodePaymentResponseHeader(settled) } }
  }

  return {
    requirements,
    async admit(request) {
      const { authorization, paymentSignature } = request
      if (paymentSignature !== undefined) {
        try {
          return await takePayment(request, paymentSignature)
        } catch (error) {
          if (!(error instanceof BaseError) || !error.code.startsWith('payment.')) throw error
          throw required(request, error.message, error)
        }
      }
      if (authorization === undefined) {
        const price = `${Open.format(request.maxWei)} OPEN`
        throw required(
          request,
          `Expected an API key (Authorization: Bearer ol-…) or a payment of ${price} by x402, got neither.`,
        )
      }
      const secret = /^Bearer\s+(\S+)$/i.exec(authorization)?.[1]
      const holder = secret === undefined ? undefined : await settlement.apiKeys.find(secret)
      if (holder === undefined) throw new ApiKeyUnknownError()
      return { payer: { account: holder.account, apiKeyId: holder.id }, headers: {} }
    },
  }
}

function readPayment(header: string): z.output<typeof payloadSchema> {
  const expected = 'a PAYMENT-SIGNATURE header of x402 version 2 with an EIP-3009 payload in base64'
  if (header.length > HEADER_LENGTH_MAX) throw new PaymentInvalidError('header', expected, 'too long a one')
  let decoded: unknown
  try {
    decoded = decodePaymentSignatureHeader(header)
  } catch {
    throw new PaymentInvalidError('header', expected, 'something else')
  }
  const result = payloadSchema.safeParse(decoded)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new PaymentInvalidError(issue!.path.join('.') || 'header', expected, issue!.message)
}

/** Carries the price; `headers` are those of x402. */
export class PaymentRequiredError extends BaseError {
  readonly headers: Readonly<Record<string, string>>
  readonly paymentRequired: PaymentRequired

  constructor(paymentRequired: PaymentRequired, network: `${string}:${string}`, cause: unknown) {
    const message = paymentRequired.error ?? 'Payment is required.'
    const [accepts] = paymentRequired.accepts
    super({
      code: cause instanceof BaseError ? cause.code : 'payment.required',
      message,
      context: { ...(cause instanceof BaseError ? cause.context : {}), amountWei: accepts!.amount },
      cause,
    })
    this.paymentRequired = paymentRequired
    const failed = { success: false, errorReason: this.code, errorMessage: message, transaction: '', network }
    this.headers = {
      'PAYMENT-REQUIRED': encodePaymentRequiredHeader(paymentRequired),
      ...(cause === undefined ? {} : { 'PAYMENT-RESPONSE': encodePaymentResponseHeader(failed) }),
    }
  }
}

export class ApiKeyUnknownError extends BaseError {
  constructor() {
    super({
      code: 'api_key.unknown',
      message:
        'Expected the secret of an API key in use (Authorization: Bearer ol-…), got one that is unknown or revoked. Create a key with your wallet.',
    })
  }
}
