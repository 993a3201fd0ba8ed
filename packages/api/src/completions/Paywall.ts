import { BaseError, type Hex, Open } from '@openledger/primitives'
import type { Deployment } from '@openledger/protocol'
import { addressSchema, hashSchema } from '@openledger/protocol/Scalars'
import { PaymentInvalidError, type Settlement, type UptoPayment } from '@openledger/settlement'
import {
  decodePaymentSignatureHeader,
  encodePaymentRequiredHeader,
  encodePaymentResponseHeader,
} from '@x402/core/http'
import type { PaymentRequired, PaymentRequirements } from '@x402/core/types'
import { z } from 'zod'
import type { Payer } from './Answering.ts'

/** Who pays, and the headers that tell them what became of a payment. */
export type Admission = {
  readonly payer: Payer
  readonly headers: Readonly<Record<string, string>>
  /** Where the fee is paid once it is known, and before any of the answer is given out. */
  readonly payment?: {
    /** Those of `headers` that are known once it was taken. */
    readonly headers: () => Readonly<Record<string, string>>
    /** Gives it up if it was not taken. */
    readonly drop: UptoPayment['drop']
  }
}

export type PaidRequest = {
  /** The request's own address. */
  readonly url: string
  readonly description: string
  /** The most that it can cost. */
  readonly maxWei: bigint
  /** Whether what it costs is known only afterwards, so that payments by `upto` are taken. */
  readonly isMetered?: boolean
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
}

/** x402's extension by which a payer without gas lets Permit2 move WOPEN: its permit goes with the payment. */
const GAS_SPONSORING = {
  eip2612GasSponsoring: {
    info: { description: 'The server pays the gas of an EIP-2612 permit for Permit2.', version: '1' },
    schema: {},
  },
}
/** How long a signed payment must stay good. */
const PAYMENT_SECONDS = 120
/** How long a payment must stay good that is taken after the answer: as long as an answer may take. */
const UPTO_SECONDS = 660
const X402_VERSION = 2
/** A payment header longer than this is no payment. */
const HEADER_LENGTH_MAX = 16_384

const wordSchema = z.string().regex(/^\d{1,78}$/)
const signatureSchema = z
  .string()
  .regex(/^0x([0-9a-fA-F]{2}){1,4096}$/)
  .transform((value) => value as Hex)
const acceptedSchema = z.object({
  network: z.string(),
  asset: z.string(),
  amount: wordSchema,
  payTo: z.string(),
})
const exactSchema = z.object({
  accepted: acceptedSchema.extend({ scheme: z.literal('exact') }),
  payload: z.object({
    authorization: z.object({
      from: addressSchema,
      to: addressSchema,
      value: wordSchema,
      validAfter: wordSchema,
      validBefore: wordSchema,
      nonce: hashSchema,
    }),
    signature: signatureSchema,
  }),
})
const uptoSchema = z.object({
  accepted: acceptedSchema.extend({ scheme: z.literal('upto') }),
  payload: z.object({
    permit2Authorization: z.object({
      from: addressSchema,
      permitted: z.object({ token: addressSchema, amount: wordSchema }),
      spender: addressSchema,
      nonce: wordSchema,
      deadline: wordSchema,
      witness: z.object({ to: addressSchema, facilitator: addressSchema, validAfter: wordSchema }),
    }),
    signature: signatureSchema,
  }),
  extensions: z
    .object({
      eip2612GasSponsoring: z
        .object({
          info: z.object({
            from: addressSchema,
            asset: addressSchema,
            spender: addressSchema,
            amount: wordSchema,
            deadline: wordSchema,
            signature: z
              .string()
              .regex(/^0x[0-9a-fA-F]{130}$/)
              .transform((value) => value as Hex),
          }),
        })
        .optional()
        // where clients signed no permit they send the announcement back
        .catch(undefined),
    })
    .optional(),
})
const paymentSchema = z.looseObject({
  x402Version: z.literal(X402_VERSION),
  accepted: z.looseObject({ scheme: z.enum(['exact', 'upto']) }),
})
type ExactPayment = z.output<typeof exactSchema>
type PermittedPayment = z.output<typeof uptoSchema>

const PERMIT2 = '0x000000000022d473030f116ddee9f6b43ac78ba3'
/** Where x402 puts the spender of `upto` on every chain. */
const UPTO_PERMIT2_PROXY = '0x4020a4f3b7b90cca423b9fabcc0ce57c6c240002'

/**
 * Creates the gate of everything that costs money: API keys, and x402 (version 2) for those who have none.
 *
 * By the scheme `exact` the most that a request can cost goes to the payer's prepaid balance at once; what the answer does
 * not use stays there and stays the payer's. By `upto` only the fee does, once the answer is there.
 */
export function createPaywall(deps: {
  readonly deployment: Deployment
  readonly settlement: Pick<Settlement, 'apiKeys' | 'payments' | 'uptoPayments'>
}): Paywall {
  const { deployment, settlement } = deps
  const network = `eip155:${deployment.l2ChainId}` as const
  const { wopen, settlement: payTo, uptoPayments } = deployment.l2

  const token = { name: 'Wrapped OPEN', version: '1' }
  const requirementsOf = ({ maxWei, isMetered = false }: PaidRequest): PaymentRequirements[] => {
    const common = { network, asset: wopen, amount: maxWei.toString() } as const
    const exact = {
      ...common,
      scheme: 'exact',
      payTo,
      maxTimeoutSeconds: PAYMENT_SECONDS,
      extra: { assetTransferMethod: 'eip3009', ...token },
    }
    const upto = {
      ...common,
      scheme: 'upto',
      payTo: uptoPayments,
      maxTimeoutSeconds: UPTO_SECONDS,
      extra: { assetTransferMethod: 'permit2', ...token, facilitatorAddress: uptoPayments },
    }
    // clients take the first that they know: what is not used never leaves their wallet
    return isMetered ? [upto, exact] : [exact]
  }

  const required = (request: PaidRequest, error: string, cause?: unknown): PaymentRequiredError =>
    new PaymentRequiredError(
      {
        x402Version: X402_VERSION,
        error,
        resource: { url: request.url, description: request.description, mimeType: 'application/json' },
        accepts: requirementsOf(request),
        ...(request.isMetered ? { extensions: GAS_SPONSORING } : {}),
      },
      network,
      cause,
    )

  const assertEqual = (fields: Record<string, readonly [expected: string, got: string]>): void => {
    for (const [name, [expected, got]] of Object.entries(fields)) {
      if (got.toLowerCase() !== expected.toLowerCase()) {
        throw new PaymentInvalidError(name, expected, got.slice(0, 100))
      }
    }
  }

  async function takePayment(request: PaidRequest, header: string): Promise<Admission> {
    const payment = readPayment(header)
    const { accepted } = payment
    const accepts = requirementsOf(request)
    const expected = accepts.find(({ scheme }) => scheme === accepted.scheme)
    if (expected === undefined) throw new PaymentInvalidError('scheme', accepts[0]!.scheme, accepted.scheme)
    for (const key of ['network', 'asset', 'amount', 'payTo'] as const) {
      assertEqual({ [key]: [expected[key], accepted[key]] })
    }
    return isExact(payment) ? takeExact(request, payment) : verifyUpto(request, payment)
  }

  const settled = (payer: Hex, transaction: string, amount: string): Record<string, string> => ({
    'PAYMENT-RESPONSE': encodePaymentResponseHeader({ success: true, transaction, network, payer, amount }),
  })

  async function takeExact(request: PaidRequest, { payload }: ExactPayment): Promise<Admission> {
    const { from, to, value, validAfter, validBefore, nonce } = payload.authorization
    const transaction = await settlement.payments.take(
      {
        from,
        to,
        valueWei: BigInt(value),
        validAfter: BigInt(validAfter),
        validBefore: BigInt(validBefore),
        nonce,
        signature: payload.signature,
      },
      request.maxWei,
      request.url,
    )
    return { payer: { account: from }, headers: settled(from, transaction, value) }
  }

  async function verifyUpto(
    request: PaidRequest,
    { payload, extensions }: PermittedPayment,
  ): Promise<Admission> {
    const { from, permitted, spender, nonce, deadline, witness } = payload.permit2Authorization
    assertEqual({
      'permitted.token': [wopen, permitted.token],
      spender: [UPTO_PERMIT2_PROXY, spender],
      'witness.to': [uptoPayments, witness.to],
      'witness.facilitator': [uptoPayments, witness.facilitator],
    })
    const permit = extensions?.eip2612GasSponsoring?.info
    if (permit !== undefined) {
      assertEqual({
        'permit.from': [from, permit.from],
        'permit.asset': [wopen, permit.asset],
        'permit.spender': [PERMIT2, permit.spender],
        'permit.amount': [permitted.amount, permit.amount],
      })
    }
    const payment = await settlement.uptoPayments.verify(
      {
        payer: from,
        maxWei: BigInt(permitted.amount),
        nonce: BigInt(nonce),
        validAfter: BigInt(witness.validAfter),
        deadline: BigInt(deadline),
        signature: payload.signature,
        ...(permit === undefined
          ? {}
          : { permit: { deadline: BigInt(permit.deadline), signature: permit.signature } }),
      },
      request.maxWei,
      request.url,
    )
    let headers: Record<string, string> = {}
    const pay = async (feeWei: bigint): Promise<void> => {
      const transaction = await payment.take(feeWei).catch((error) => {
        throw refused(request, error)
      })
      headers = settled(from, transaction ?? '', feeWei.toString())
    }
    return {
      payer: { account: from, pay },
      headers: {},
      payment: { headers: () => headers, drop: payment.drop },
    }
  }

  /** Tells the price again with what is wrong with a payment; what is no fault of the payment stays as it is. */
  const refused = (request: PaidRequest, error: unknown): unknown =>
    error instanceof BaseError && error.code.startsWith('payment.')
      ? required(request, error.message, error)
      : error

  return {
    async admit(request) {
      const { authorization, paymentSignature } = request
      if (paymentSignature !== undefined) {
        try {
          return await takePayment(request, paymentSignature)
        } catch (error) {
          throw refused(request, error)
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

const isExact = (payment: ExactPayment | PermittedPayment): payment is ExactPayment =>
  payment.accepted.scheme === 'exact'

function readPayment(header: string): ExactPayment | PermittedPayment {
  const expected = 'a PAYMENT-SIGNATURE header of x402 version 2, an EIP-3009 or a Permit2 payload in base64'
  if (header.length > HEADER_LENGTH_MAX) throw new PaymentInvalidError('header', expected, 'too long a one')
  let decoded: unknown
  try {
    decoded = decodePaymentSignatureHeader(header)
  } catch {
    throw new PaymentInvalidError('header', expected, 'something else')
  }
  const payment = paymentSchema.safeParse(decoded)
  const schema = payment.data?.accepted.scheme === 'upto' ? uptoSchema : exactSchema
  const result = payment.success ? schema.safeParse(decoded) : payment
  if (result.success) return result.data as ExactPayment | PermittedPayment
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
