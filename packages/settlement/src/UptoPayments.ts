import { BaseError, type Clock, type Hex, Open } from '@openledger/primitives'
import { Abi, type Deployment, type Sender, TransactionRevertedError } from '@openledger/protocol'
import { and, type Database, eq, gte, ne, schema, sum } from '@openledger/store'
import {
  ContractFunctionRevertedError,
  numberToHex,
  type PublicClient,
  parseAbi,
  parseSignature,
  BaseError as ViemError,
} from 'viem'
import { PaymentInvalidError, PaymentRefusedError, PaymentReplayedError } from './Payments.ts'

const { payments } = schema

/** What a client of x402's scheme `upto` signs for Permit2: a maximum of WOPEN for `UptoPayments`, by its own hand only. */
export type UptoAuthorization = {
  readonly payer: Hex
  readonly maxWei: bigint
  readonly nonce: bigint
  /** Unix seconds. */
  readonly validAfter: bigint
  readonly deadline: bigint
  readonly signature: Hex
  /** An EIP-2612 permit over WOPEN for Permit2, of exactly `maxWei`, from a payer who has approved nothing yet. */
  readonly permit?: { readonly deadline: bigint; readonly signature: Hex }
}

/** A payment that the chain would carry out now. */
export type UptoPayment = {
  /**
   * Takes the fee, once it is known, and prepays for the payer with it.
   * @returns The L2 transaction that moved it; nothing where the fee is 0.
   * @throws {PaymentRefusedError} when the payer moved the money away meanwhile; none has moved here.
   * @throws {PaymentExceededError} when it is more than was signed.
   */
  readonly take: (feeWei: bigint) => Promise<Hex | undefined>
  /** Gives a payment up that was not taken; does nothing to one that was. */
  readonly drop: () => Promise<void>
}

export type UptoPayments = {
  /**
   * Tries a payment in full on the chain's newest state, without moving anything, and marks it as used.
   * @param resource - What it is for, kept for the record.
   * @throws {PaymentInvalidError} when it is not for that amount, not valid now, or the payer has not enough WOPEN for it
   *   beside other payments on their way.
   * @throws {Permit2AllowanceError} when the payer did not let Permit2 move WOPEN.
   * @throws {PaymentReplayedError} | {PaymentRefusedError}
   */
  readonly verify: (
    authorization: UptoAuthorization,
    requiredWei: bigint,
    resource: string,
  ) => Promise<UptoPayment>
}

const PERMIT2: Hex = '0x000000000022d473030f116ddee9f6b43ac78ba3'
/** Errors of the audited contracts in between, whose names tell a client what to sign anew. */
const errorsAbi = parseAbi([
  'error InvalidSigner()',
  'error InvalidSignature()',
  'error InvalidSignatureLength()',
  'error InvalidContractSignature()',
  'error InvalidNonce()',
  'error InvalidAmount(uint256 maxAmount)',
  'error SignatureExpired(uint256 signatureDeadline)',
])

/** An authorisation that runs out this soon may be over before its answer is. */
const VALID_SECONDS_MIN = 30n
/** Payments that were not taken after so long never will be: their time is over. */
const VALID_SECONDS_MAX = 900n

/** Creates the taking of payments whose amount is known only afterwards; the operator relays them and pays the gas. */
export function createUptoPayments(deps: {
  readonly database: Database
  readonly publicClient: PublicClient
  readonly sender: Sender
  readonly deployment: Deployment
  readonly clock: Clock
}): UptoPayments {
  const { database, publicClient, sender, deployment, clock } = deps
  const { wopen, uptoPayments } = deployment.l2
  const token = { address: wopen, abi: Abi.wopenAbi } as const
  const startedAtMs = clock.nowMs()
  const nowSeconds = (): bigint => BigInt(Math.floor(clock.nowMs() / 1000))

  /** Promised by payments that wait for their answer in this process. */
  const promisedWei = async (payer: Hex): Promise<bigint> => {
    const oldest = Math.max(startedAtMs, clock.nowMs() - Number(VALID_SECONDS_MAX) * 1000)
    const [waiting] = await database.orm
      .select({ wei: sum(payments.amountWei) })
      .from(payments)
      .where(
        and(
          eq(payments.payer, payer),
          eq(payments.scheme, 'upto'),
          eq(payments.status, 'verified'),
          gte(payments.createdAt, new Date(oldest)),
        ),
      )
    return BigInt(waiting?.wei ?? 0)
  }

  /** The last payment of each payer that is being written down. */
  const turns = new Map<Hex, Promise<unknown>>()
  const inTurn = <T>(payer: Hex, work: () => Promise<T>): Promise<T> => {
    const turn = (turns.get(payer) ?? Promise.resolve()).then(work, work)
    turns.set(payer, turn)
    const leave = () => turns.get(payer) === turn && turns.delete(payer)
    turn.then(leave, leave)
    return turn
  }

  const assertPayable = async (payment: UptoAuthorization, requiredWei: bigint): Promise<void> => {
    const { payer, maxWei, validAfter, deadline, permit } = payment
    const now = nowSeconds()
    if (maxWei !== requiredWei) throw new PaymentInvalidError('amount', requiredWei, maxWei)
    if (validAfter > now) throw new PaymentInvalidError('validAfter', `at most ${now}`, validAfter)
    if (deadline < now + VALID_SECONDS_MIN || deadline > now + VALID_SECONDS_MAX) {
      const range = `between ${now + VALID_SECONDS_MIN} and ${now + VALID_SECONDS_MAX}`
      throw new PaymentInvalidError('deadline', range, deadline)
    }
    const allowanceWei = await publicClient.readContract({
      ...token,
      functionName: 'allowance',
      args: [payer, PERMIT2],
    })
    if (allowanceWei < maxWei && permit === undefined) {
      throw new Permit2AllowanceError(payer, allowanceWei, maxWei)
    }
    await assertCovered(payment)
  }

  const assertCovered = async ({ payer, maxWei }: UptoAuthorization): Promise<void> => {
    // in this order: a payment that is taken in between counts twice rather than not at all
    const neededWei = maxWei + (await promisedWei(payer))
    const balanceWei = await publicClient.readContract({
      ...token,
      functionName: 'balanceOf',
      args: [payer],
    })
    if (balanceWei >= neededWei) return
    const needed = `at least ${Open.format(neededWei)} WOPEN with other payments on their way`
    throw new PaymentInvalidError("payer's balance", needed, `${Open.format(balanceWei)} WOPEN`)
  }

  const callOf = (payment: UptoAuthorization, amountWei: bigint) => {
    const { permit, ...signed } = payment
    const contract = { address: uptoPayments, abi: [...Abi.uptoPaymentsAbi, ...errorsAbi] } as const
    if (permit === undefined) {
      return { ...contract, functionName: 'take', args: [signed, amountWei] } as const
    }
    const { r, s, v, yParity } = parseSignature(permit.signature)
    const permit2612 = {
      value: payment.maxWei,
      deadline: permit.deadline,
      r,
      s,
      v: Number(v ?? BigInt(yParity + 27)),
    }
    return { ...contract, functionName: 'takeWithPermit', args: [signed, amountWei, permit2612] } as const
  }

  /** The whole of it, which is the worst that can come. */
  const simulate = async (payment: UptoAuthorization): Promise<void> => {
    try {
      await publicClient.simulateContract({
        ...callOf(payment, payment.maxWei),
        account: sender.account,
      } as never)
    } catch (error) {
      const reverted =
        error instanceof ViemError && error.walk((e) => e instanceof ContractFunctionRevertedError)
      if (!(reverted instanceof ContractFunctionRevertedError)) throw error
      throw new PaymentRefusedError(
        new TransactionRevertedError({
          to: uptoPayments,
          functionName: 'take',
          errorName: reverted.data?.errorName ?? reverted.reason ?? 'unknown reason',
          values: reverted.data?.args ?? [],
        }),
      )
    }
  }

  return {
    async verify(payment, requiredWei, resource) {
      const { payer, maxWei } = payment
      const nonce = numberToHex(payment.nonce, { size: 32 })
      const row = and(eq(payments.payer, payer), eq(payments.nonce, nonce))
      const isUsed = (await database.orm.$count(payments, and(row, ne(payments.status, 'failed')))) > 0
      if (isUsed) throw new PaymentReplayedError(payer, nonce)
      await assertPayable(payment, requiredWei)
      await simulate(payment)
      const verified = {
        scheme: 'upto',
        amountWei: maxWei,
        resource,
        status: 'verified',
        createdAt: new Date(clock.nowMs()),
      } as const
      // one after the other: two at once would both find the same WOPEN free
      const taken = await inTurn(payer, async () => {
        await assertCovered(payment)
        return database.orm
          .insert(payments)
          .values({ payer, nonce, ...verified })
          .onConflictDoUpdate({
            target: [payments.payer, payments.nonce],
            set: verified,
            // what was given up moved no money and may be tried again
            setWhere: eq(payments.status, 'failed'),
          })
          .returning({ nonce: payments.nonce })
      })
      if (taken.length === 0) throw new PaymentReplayedError(payer, nonce)
      const mark = (values: Partial<typeof payments.$inferInsert>) =>
        database.orm
          .update(payments)
          .set(values)
          .where(and(row, eq(payments.status, 'verified')))
      return {
        async take(feeWei) {
          if (feeWei > maxWei) throw new PaymentExceededError(maxWei, feeWei)
          if (feeWei === 0n) {
            await mark({ status: 'settled', amountWei: 0n })
            return undefined
          }
          try {
            const { transactionHash } = await sender.send(callOf(payment, feeWei) as never)
            await mark({ status: 'settled', amountWei: feeWei, transactionHash })
            return transactionHash
          } catch (error) {
            if (!(error instanceof TransactionRevertedError)) throw error
            await mark({ status: 'failed' })
            throw new PaymentRefusedError(error)
          }
        },
        async drop() {
          await mark({ status: 'failed' })
        },
      }
    },
  }
}

export class Permit2AllowanceError extends BaseError {
  constructor(payer: Hex, allowanceWei: bigint, neededWei: bigint) {
    super({
      code: 'payment.permit2_allowance',
      message: `Expected ${payer} to let Permit2 (${PERMIT2}) move ${Open.format(neededWei)} WOPEN, but it may move ${Open.format(allowanceWei)}. Approve it once, or send an EIP-2612 permit (x402's extension eip2612GasSponsoring).`,
      context: { payer, allowanceWei: allowanceWei.toString(), neededWei: neededWei.toString() },
    })
  }
}

export class PaymentExceededError extends BaseError {
  constructor(maxWei: bigint, feeWei: bigint) {
    super({
      code: 'payment.exceeded',
      message: `Expected a fee of at most ${maxWei} wei, which the payer signed for, got ${feeWei}. The price was computed wrongly; nothing was charged.`,
      context: { maxWei: maxWei.toString(), feeWei: feeWei.toString() },
    })
  }
}
