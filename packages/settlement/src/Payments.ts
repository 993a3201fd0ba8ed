import { BaseError, type Clock, type Hex } from '@openledger/primitives'
import { Abi, type Deployment, type Sender, TransactionRevertedError } from '@openledger/protocol'
import { and, type Database, eq, schema } from '@openledger/store'

const { payments } = schema

/** An EIP-3009 authorisation over WOPEN, as an x402 client sends it. */
export type Authorization = {
  readonly from: Hex
  readonly to: Hex
  readonly valueWei: bigint
  /** Unix seconds. */
  readonly validAfter: bigint
  readonly validBefore: bigint
  readonly nonce: Hex
  readonly signature: Hex
}

export type Payments = {
  /**
   * Moves an authorised payment into its payer's prepaid balance, once.
   *
   * @param resource - What was paid for, kept for the record.
   * @returns The L2 transaction that moved it; it is in a block.
   * @throws {PaymentInvalidError} when it is not for us, not for that amount, or not valid now.
   * @throws {PaymentReplayedError} when it was taken before.
   * @throws {PaymentRefusedError} when the chain refuses it, with the chain's reason; no money has moved.
   */
  readonly take: (authorization: Authorization, requiredWei: bigint, resource: string) => Promise<Hex>
}

/** An authorisation that runs out this soon may not be in a block in time. */
const VALID_SECONDS_MIN = 6n

/** Creates the taking of payments that need no account: the operator relays them and pays the gas. */
export function createPayments(deps: {
  readonly database: Database
  readonly sender: Sender
  readonly deployment: Deployment
  readonly clock: Clock
}): Payments {
  const { database, sender, deployment, clock } = deps

  const record = async (authorization: Authorization, resource: string): Promise<void> => {
    const { from: payer, nonce, valueWei: amountWei } = authorization
    const taken = await database.orm
      .insert(payments)
      .values({ payer, nonce, scheme: 'exact', amountWei, resource, status: 'verified' })
      .onConflictDoUpdate({
        target: [payments.payer, payments.nonce],
        set: { status: 'verified', amountWei, resource },
        // what the chain refused moved no money and may be tried again
        setWhere: eq(payments.status, 'failed'),
      })
      .returning({ nonce: payments.nonce })
    if (taken.length === 0) throw new PaymentReplayedError(payer, nonce)
  }

  const mark = (
    { from, nonce }: Authorization,
    values: { status: 'settled' | 'failed'; transactionHash?: Hex },
  ) =>
    database.orm
      .update(payments)
      .set(values)
      .where(and(eq(payments.payer, from), eq(payments.nonce, nonce)))

  return {
    async take(authorization, requiredWei, resource) {
      assertPayable(authorization, requiredWei, deployment.l2.settlement, clock)
      await record(authorization, resource)
      try {
        const { from, valueWei, validAfter, validBefore, nonce, signature } = authorization
        const receipt = await sender.send({
          address: deployment.l2.settlement,
          abi: Abi.settlementAbi,
          functionName: 'depositWithAuthorization',
          args: [from, valueWei, validAfter, validBefore, nonce, signature],
        })
        await mark(authorization, { status: 'settled', transactionHash: receipt.transactionHash })
        return receipt.transactionHash
      } catch (error) {
        if (!(error instanceof TransactionRevertedError)) throw error
        await mark(authorization, { status: 'failed' })
        throw new PaymentRefusedError(error)
      }
    },
  }
}

function assertPayable(
  { to, valueWei, validAfter, validBefore }: Authorization,
  requiredWei: bigint,
  settlement: Hex,
  clock: Clock,
): void {
  const now = BigInt(Math.floor(clock.nowMs() / 1000))
  if (to !== settlement) throw new PaymentInvalidError('payee', settlement, to)
  if (valueWei !== requiredWei) throw new PaymentInvalidError('amount', requiredWei, valueWei)
  if (validAfter > now) throw new PaymentInvalidError('validAfter', `at most ${now}`, validAfter)
  if (validBefore < now + VALID_SECONDS_MIN) {
    throw new PaymentInvalidError('validBefore', `at least ${now + VALID_SECONDS_MIN}`, validBefore)
  }
}

export class PaymentInvalidError extends BaseError {
  constructor(field: string, expected: unknown, got: unknown) {
    super({
      code: 'payment.invalid',
      message: `Expected a payment whose ${field} is ${expected}, got ${got}. Sign the requirements of this answer anew.`,
      context: { field, expected: String(expected), got: String(got) },
    })
  }
}

export class PaymentReplayedError extends BaseError {
  constructor(payer: Hex, nonce: Hex) {
    super({
      code: 'payment.replayed',
      message:
        'Expected a payment that was not used before, but this one was. Sign a new one with another nonce.',
      context: { payer, nonce },
    })
  }
}

export class PaymentRefusedError extends BaseError {
  /** Name of the contract's error, e.g. `SessionLimitExceeded`. */
  readonly reason: string

  constructor(refusal: TransactionRevertedError) {
    const values = (refusal.context['values'] as readonly unknown[] | undefined) ?? []
    const shown = `${refusal.errorName}(${values.join(', ')})`
    super({
      code: 'payment.refused',
      message: `Expected a payment that the chain carries out, but it refused with ${shown}. No money has moved.`,
      context: { reason: refusal.errorName, values },
      cause: refusal,
    })
    this.reason = refusal.errorName
  }
}
