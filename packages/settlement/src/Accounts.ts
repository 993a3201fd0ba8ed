import { randomUUID } from 'node:crypto'
import { BaseError, type Clock, type Hex, Open } from '@openledger/primitives'
import { and, type Database, eq, gt, gte, lt, type Orm, schema, sql, sum } from '@openledger/store'
import * as ApiKeys from './ApiKeys.ts'
import type { ChainPrepaid, Contract } from './Contract.ts'

const { apiKeys, holds, receipts } = schema

/** What an account can spend: `availableWei = prepaidWei - heldWei`, never below zero. */
export type Balance = {
  /** On chain. */
  readonly prepaidWei: bigint
  /** Charged in receipts that the chain has not settled yet, plus what running requests hold back. */
  readonly heldWei: bigint
  readonly availableWei: bigint
}

/** Money set aside for one running request. */
export type Hold = {
  readonly id: string
  readonly account: Hex
  readonly apiKeyId: string | null
  readonly amountWei: bigint
}

export type Accounts = {
  readonly balance: (account: Hex) => Promise<Balance>
  /**
   * Sets aside the most that a request can cost.
   * @throws {InsufficientBalanceError} when the account cannot pay that much.
   * @throws {ApiKeyLimitError} when the key may not spend that much more.
   * @throws {ApiKeyRevokedError} when the key was revoked meanwhile.
   * @throws {OperatorNotCoveredError} while nothing can be settled: the payer could leave before.
   */
  readonly hold: (request: {
    readonly account: Hex
    readonly amountWei: bigint
    readonly apiKeyId?: string
  }) => Promise<Hold>
  /**
   * Sets aside what is about to be paid back; also while nothing can be settled.
   * @throws {InsufficientBalanceError} when the account cannot spend that much.
   */
  readonly holdBack: (request: { readonly account: Hex; readonly amountWei: bigint }) => Promise<Hold>
  /**
   * Sets aside another amount for a request, whose payer prepays that much at this moment.
   * @throws {HoldGoneError} when it was charged or released meanwhile.
   */
  readonly change: (hold: Hold, amountWei: bigint) => Promise<Hold>
  /** Gives back what was set aside; a second time changes nothing. */
  readonly release: (id: string) => Promise<void>
}

/** No request runs this long; older holds are leftovers and count no more. */
const HOLD_SECONDS_MAX = 900

/**
 * Creates the accounts of callers: prepaid money on chain, less what is already spent or promised. One process at a time
 * holds money on one database.
 */
export function createAccounts(deps: {
  readonly database: Database
  readonly contract: Pick<Contract, 'prepaid' | 'coveredWei'>
  readonly clock: Clock
}): Accounts {
  const { database, contract, clock } = deps
  const startedAtMs = clock.nowMs()
  /** Holds from before it are of requests that died with their process, or that never end. */
  const oldest = (): Date => new Date(Math.max(startedAtMs, clock.nowMs() - HOLD_SECONDS_MAX * 1000))

  const heldWei = async (orm: Orm, account: Hex, chain: ChainPrepaid): Promise<bigint> => {
    const [held] = await orm
      .select({ wei: sum(holds.amountWei) })
      .from(holds)
      .where(and(eq(holds.account, account), gte(holds.createdAt, oldest())))
    return (await unsettledWei(orm, account, chain.lastSequence)) + BigInt(held?.wei ?? 0)
  }

  const assertWithinLimit = async (orm: Orm, apiKeyId: string, amountWei: bigint): Promise<void> => {
    const key = await ApiKeys.rowOf(orm, apiKeyId)
    if (key.revoked) throw new ApiKeyRevokedError(apiKeyId)
    const [held] = await orm
      .select({ wei: sum(holds.amountWei) })
      .from(holds)
      .where(eq(holds.apiKeyId, apiKeyId))
    const committedWei = key.spentWei + BigInt(held?.wei ?? 0)
    if (committedWei + amountWei > key.limitWei)
      throw new ApiKeyLimitError(key.limitWei, committedWei, amountWei)
  }

  const insert = async ({ account, amountWei, apiKeyId }: Parameters<Accounts['hold']>[0]): Promise<Hold> => {
    const hold: Hold = { id: randomUUID(), account, apiKeyId: apiKeyId ?? null, amountWei }
    const chain = await contract.prepaid(account)
    await database.transaction(async (orm) => {
      await orm.delete(holds).where(lt(holds.createdAt, oldest()))
      const { availableWei } = toBalance(chain.prepaidWei, await heldWei(orm, account, chain))
      if (availableWei < amountWei) throw new InsufficientBalanceError(account, availableWei, amountWei)
      if (apiKeyId !== undefined) await assertWithinLimit(orm, apiKeyId, amountWei)
      await orm.insert(holds).values({ ...hold, createdAt: new Date(clock.nowMs()) })
    })
    return hold
  }

  return {
    async balance(account) {
      const chain = await contract.prepaid(account)
      const held = await heldWei(database.orm, account, chain)
      return toBalance(chain.prepaidWei, held)
    },
    async hold(request) {
      if ((await contract.coveredWei()) === 0n) throw new OperatorNotCoveredError()
      return insert(request)
    },
    holdBack: insert,
    async change(hold, amountWei) {
      const changed = await database.orm
        .update(holds)
        .set({ amountWei })
        .where(eq(holds.id, hold.id))
        .returning({ id: holds.id })
      if (changed.length === 0) throw new HoldGoneError(hold.id)
      return { ...hold, amountWei }
    },
    async release(id) {
      await database.orm.delete(holds).where(eq(holds.id, id))
    },
  }
}

/** Sums what an account owes for answers that the chain has not settled. */
export async function unsettledWei(orm: Orm, account: Hex, lastSequence: number): Promise<bigint> {
  const [unsettled] = await orm
    .select({ wei: sum(receipts.feeWei) })
    .from(receipts)
    .where(and(eq(receipts.payer, account), gt(receipts.sequence, lastSequence)))
  return BigInt(unsettled?.wei ?? 0)
}

/**
 * Turns a hold into a charge, once; part of the transaction that stores the receipt.
 * @throws {HoldExceededError} when the fee is above what was held.
 * @throws {HoldGoneError} when the hold was charged or released before.
 */
export async function charge(orm: Orm, hold: Hold, feeWei: bigint): Promise<void> {
  if (feeWei > hold.amountWei) throw new HoldExceededError(hold.amountWei, feeWei)
  const released = await orm.delete(holds).where(eq(holds.id, hold.id)).returning({ id: holds.id })
  if (released.length === 0) throw new HoldGoneError(hold.id)
  if (hold.apiKeyId !== null) {
    await orm
      .update(apiKeys)
      .set({ spentWei: sql`${apiKeys.spentWei} + ${feeWei}` })
      .where(eq(apiKeys.id, hold.apiKeyId))
  }
}

const toBalance = (prepaidWei: bigint, heldWei: bigint): Balance => ({
  prepaidWei,
  heldWei,
  availableWei: prepaidWei > heldWei ? prepaidWei - heldWei : 0n,
})

export class InsufficientBalanceError extends BaseError {
  constructor(account: Hex, availableWei: bigint, neededWei: bigint) {
    super({
      code: 'account.insufficient_balance',
      message: `Expected ${Open.format(neededWei)} OPEN of prepaid balance, the most this request can cost, but ${account} has ${Open.format(availableWei)} available. Deposit OPEN or ask for fewer tokens.`,
      context: { account, availableWei: availableWei.toString(), neededWei: neededWei.toString() },
    })
  }
}

export class ApiKeyLimitError extends BaseError {
  constructor(limitWei: bigint, committedWei: bigint, neededWei: bigint) {
    super({
      code: 'api_key.limit',
      message: `Expected a request within the key's limit of ${Open.format(limitWei)} OPEN, but ${Open.format(committedWei)} is spent or held and this one can cost ${Open.format(neededWei)}. Use another key or ask for fewer tokens.`,
      context: {
        limitWei: limitWei.toString(),
        committedWei: committedWei.toString(),
        neededWei: neededWei.toString(),
      },
    })
  }
}

export class ApiKeyRevokedError extends BaseError {
  constructor(id: string) {
    super({
      code: 'api_key.revoked',
      message: 'Expected an API key in use, but this one was revoked. Create another.',
      context: { id },
    })
  }
}

export class HoldGoneError extends BaseError {
  constructor(id: string) {
    super({
      code: 'account.hold_gone',
      message:
        'Expected money held for this request, but it was charged or given back already. Send the request again.',
      context: { id },
    })
  }
}

export class HoldExceededError extends BaseError {
  constructor(heldWei: bigint, feeWei: bigint) {
    super({
      code: 'account.hold_exceeded',
      message: `Expected a fee of at most ${heldWei} wei, which was held for the request, got ${feeWei}. The price was computed wrongly; nothing was charged.`,
      context: { heldWei: heldWei.toString(), feeWei: feeWei.toString() },
    })
  }
}

export class OperatorNotCoveredError extends BaseError {
  constructor() {
    super({
      code: 'settlement.not_covered',
      message:
        'Expected an operator whose bond covers fees, but the court suspended this one or it has no bond. Nothing was charged; ask again when it may settle.',
      context: {},
      severity: 'retry',
    })
  }
}
