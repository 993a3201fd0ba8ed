import { setTimeout } from 'node:timers/promises'
import { BaseError, createGrowingMerkleSum, type Hex } from '@openledger/primitives'
import { Abi, type Call, type Deployment, Http, type Sender } from '@openledger/protocol'
import {
  and,
  asc,
  between,
  type Database,
  desc,
  eq,
  gt,
  inArray,
  lte,
  not,
  type Orm,
  schema,
} from '@openledger/store'
import { decodeFunctionData, parseEventLogs } from 'viem'
import * as ChallengeWindow from './ChallengeWindow.ts'
import { type CreditedBatch, claimCall, type ProvenClaims, proveClaims } from './ClaimProofs.ts'
import type { Contest, Contract } from './Contract.ts'
import * as Credits from './Credits.ts'

const { batches, ledger } = schema

export type Ledger = {
  /** The settled lines in order, as the chain's root commits to them. */
  readonly lines: () => Promise<Credits.Line[]>
  /** Wei in an account's line; zero without a line. */
  readonly settledWei: (account: Hex) => Promise<bigint>
  /** The same as of the newest batch that is past its challenge window. */
  readonly finalWei: (account: Hex) => Promise<bigint>
  /**
   * Gives what `claimCall` turns into an account's claim, against the newest batch that credited, without what disputed
   * batches did.
   * @throws {LedgerLineNotFoundError} when nothing of the account is settled yet.
   */
  readonly proof: (account: Hex) => Promise<Http.ClaimProof>
  /**
   * Sends an account's claim for it; the money can only go to the account. Waits for the end of a challenge window
   * that is near.
   * @throws {LedgerLineNotFoundError} | {NothingToClaimError} | {LedgerNotFinalError}
   */
  readonly claim: (account: Hex) => Promise<Http.Claimed>
  /** Sends the claims of many accounts in one transaction; those with nothing to claim are left out. */
  readonly claimMany: (accounts: readonly Hex[]) => Promise<Http.Claimed[]>
}

/** A claim waits this long for its batch's challenge window to end. */
const WAIT_SECONDS_MAX = 15
const POLL_MS = 250

/** Creates the cumulative ledger: who has ever earned how much, in the order of the Merkle-sum tree. */
export function createLedger(deps: {
  readonly database: Database
  readonly contract: Pick<Contract, 'claimedWei' | 'challengeWindow' | 'contests' | 'nowSeconds'>
  readonly sender: Sender
  readonly deployment: Deployment
}): Ledger {
  const { database, contract, sender, deployment } = deps
  /** The ledger after some batch, kept to be moved on to a later one. */
  let known: { readonly batch: number; readonly book: Credits.Lines } | undefined
  let last: Promise<unknown> = Promise.resolve()

  /** Runs alone: the tree in memory is moved from batch to batch. */
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work)
    last = turn.catch(() => {})
    return turn
  }

  /** The newest batch that credited up to a time and whose ledger proves something. */
  const newest = async (
    settledUpTo: number,
    contests: readonly Contest[],
  ): Promise<CreditedBatch | undefined> => {
    const isVoid = contests
      .filter((contest) => contest.isVoid)
      .map(({ batch, until }) => between(batches.number, batch, Math.min(until, Number.MAX_SAFE_INTEGER)))
    const [batch] = await database.orm
      .select()
      .from(batches)
      .where(
        and(
          eq(batches.isCredited, true),
          eq(batches.status, 'settled'),
          lte(batches.settledAt, settledUpTo),
          ...isVoid.map(not),
        ),
      )
      .orderBy(desc(batches.number))
      .limit(1)
    return batch && toCredited(batch)
  }

  const batchOf = async (number: number): Promise<CreditedBatch> => {
    const [batch] = await database.orm.select().from(batches).where(eq(batches.number, number))
    return toCredited(batch!)
  }

  /** The batches between two ledgers, the later one among them; nothing when it was not built on the earlier. */
  const wayTo = async (batch: number, from: number): Promise<number[] | undefined> => {
    const rows = await database.orm
      .select({ number: batches.number, previous: batches.previousBatch })
      .from(batches)
      .where(and(gt(batches.number, from), lte(batches.number, batch), eq(batches.isCredited, true)))
    const previousOf = new Map(rows.map(({ number, previous }) => [number, previous]))
    const way: number[] = []
    let at = batch
    for (; at > from; at = previousOf.get(at)!) way.push(at)
    return at === from ? way.reverse() : undefined
  }

  const bookAt = async (batch: number): Promise<Credits.Lines> => {
    // the court may have taken back what the ledger in memory has
    let way = known && (await wayTo(batch, known.batch))
    if (way === undefined) {
      known = { batch: 0, book: emptyBook() }
      way = (await wayTo(batch, 0))!
    }
    const { book } = known!
    const missing = await database.orm
      .select()
      .from(batches)
      .where(inArray(batches.number, way))
      .orderBy(asc(batches.number))
    for (const row of missing) applyCall(book, row.callData as Hex)
    known = { batch, book }
    return book
  }

  /** Proves accounts' lines against the newest ledger settled up to a time; accounts without a line are left out. */
  const prove = (accounts: readonly Hex[], settledUpTo: number): Promise<ProvenClaims | undefined> =>
    alone(async () => {
      const contests = await contract.contests()
      const batch = await newest(settledUpTo, contests)
      return batch && (await proveClaims({ batchOf, bookAt }, batch, contests, accounts))
    })

  const proof = async (account: Hex): Promise<Http.ClaimProof> => {
    const proven = await prove([account], Number.MAX_SAFE_INTEGER)
    const [granted] = proven?.granted ?? []
    if (proven === undefined || granted === undefined) throw new LedgerLineNotFoundError(account)
    const { batch, ledger: proving, claims, siblings, exclusions } = proven
    return {
      account,
      cumulativeWei: granted.cumulativeWei.toString(),
      index: granted.index,
      batch: batch.number,
      ledger: proving,
      claims,
      siblings,
      exclusions,
      finalAt: ChallengeWindow.finalAt(await contract.challengeWindow(), batch.settledAt),
    }
  }

  const send = async (accounts: readonly Hex[], settledUpTo: number): Promise<Http.Claimed[]> => {
    const proven = await prove(accounts, settledUpTo)
    if (proven === undefined || proven.granted.length === 0) return []
    const receipt = await sender.send({
      address: deployment.l2.settlement,
      abi: Abi.settlementAbi,
      ...claimCall({ ...proven, batch: proven.batch.number }),
    } as Call)
    return parseEventLogs({ abi: Abi.settlementAbi, eventName: 'Claimed', logs: receipt.logs }).map(
      ({ args }) => ({
        account: args.account.toLowerCase() as Hex,
        amountWei: args.amount.toString(),
        transactionHash: receipt.transactionHash,
      }),
    )
  }

  const finalUpTo = async (): Promise<number> =>
    ChallengeWindow.finalUpTo(await contract.challengeWindow(), await contract.nowSeconds())

  const cumulativeAt = async (account: Hex, settledUpTo: number): Promise<bigint> =>
    (await prove([account], settledUpTo))?.granted[0]?.cumulativeWei ?? 0n

  /** Gives the time up to which batches are final, once the newest line of an account is, if that is soon. */
  const awaitFinal = async (account: Hex, claimedWei: bigint): Promise<number> => {
    const window = await contract.challengeWindow()
    const last = await newest(Number.MAX_SAFE_INTEGER, await contract.contests())
    const finalAt = ChallengeWindow.finalAt(window, last?.settledAt ?? 0)
    for (let waitedMs = 0; ; waitedMs += POLL_MS) {
      const now = await contract.nowSeconds()
      const upTo = ChallengeWindow.finalUpTo(window, now)
      if (now >= finalAt) return upTo
      if (finalAt - now > WAIT_SECONDS_MAX || waitedMs > WAIT_SECONDS_MAX * 1_000) {
        if ((await cumulativeAt(account, upTo)) > claimedWei) return upTo
        throw new LedgerNotFinalError(account, finalAt)
      }
      await setTimeout(POLL_MS)
    }
  }

  return {
    lines: () => readLines(database.orm),
    async settledWei(account) {
      const [row] = await database.orm.select().from(ledger).where(eq(ledger.account, account))
      return row?.cumulativeWei ?? 0n
    },
    finalWei: async (account) => cumulativeAt(account, await finalUpTo()),
    proof,
    async claim(account) {
      const claimedWei = await contract.claimedWei(account)
      const { cumulativeWei } = await proof(account)
      if (BigInt(cumulativeWei) <= claimedWei) throw new NothingToClaimError(account)
      const [claimed] = await send([account], await awaitFinal(account, claimedWei))
      if (claimed === undefined) throw new NothingToClaimError(account)
      return claimed
    },
    async claimMany(accounts) {
      const upTo = await finalUpTo()
      const worth: Hex[] = []
      for (const account of new Set(accounts)) {
        if ((await cumulativeAt(account, upTo)) > (await contract.claimedWei(account))) worth.push(account)
      }
      const claimed: Http.Claimed[] = []
      for (let at = 0; at < worth.length; at += Http.CLAIM_COUNT_MAX) {
        claimed.push(...(await send(worth.slice(at, at + Http.CLAIM_COUNT_MAX), upTo)))
      }
      return claimed
    },
  }
}

const toCredited = (batch: typeof batches.$inferSelect): CreditedBatch => ({
  number: batch.number,
  previous: batch.previousBatch,
  settledAt: batch.settledAt!,
  ledger: {
    root: batch.ledgerRoot as Hex,
    sum: batch.ledgerSumWei.toString(),
    accountCount: batch.accountCount,
    settledAt: batch.settledAt!,
    previous: batch.previousBatch,
    operator: batch.operator as Hex,
    bodyHash: batch.bodyHash as Hex,
  },
})

export const emptyBook = (): Credits.Lines => ({
  lines: [],
  indexOf: new Map(),
  tree: createGrowingMerkleSum(),
})

/** Makes the ledger in memory of its lines. */
export function bookOf(lines: readonly Credits.Line[]): Credits.Lines {
  const book = emptyBook()
  Credits.apply(
    book,
    lines.map(({ account, cumulativeWei }, index) => ({
      account,
      amountWei: cumulativeWei,
      index,
      isNew: true,
    })),
  )
  return book
}

/** Adds the credits of a `settle` call to a ledger. @returns What it added. */
export function applyCall(book: Credits.Lines, callData: Hex): Credits.Placed[] {
  const { args } = decodeFunctionData({ abi: Abi.settlementAbi, data: callData })
  const segments = args![3] as readonly { readonly credits: Hex }[]
  return segments.flatMap(({ credits }) => {
    const placed = Credits.unpack(credits, (index) => book.lines[index]?.account, book.lines.length)
    Credits.apply(book, placed)
    return placed
  })
}

/** Reads the lines in ledger order. */
export async function readLines(orm: Orm): Promise<Credits.Line[]> {
  const rows = await orm.select().from(ledger).orderBy(asc(ledger.index))
  return rows.map((row) => ({ account: row.account as Hex, cumulativeWei: row.cumulativeWei }))
}

/** Writes the lines that a settled batch changed; part of the transaction that marks it settled. */
export async function writeLines(
  orm: Orm,
  lines: readonly (Credits.Line & { readonly index: number })[],
): Promise<void> {
  for (const { index, account, cumulativeWei } of lines) {
    await orm
      .insert(ledger)
      .values({ index, account, cumulativeWei })
      .onConflictDoUpdate({ target: ledger.index, set: { cumulativeWei } })
  }
}

export class LedgerLineNotFoundError extends BaseError {
  constructor(account: Hex) {
    super({
      code: 'ledger.no_line',
      message: `Expected an account with settled earnings, but ${account} has none yet. Earnings settle within seconds of an answer; try again then.`,
      context: { account },
    })
  }
}

export class NothingToClaimError extends BaseError {
  constructor(account: Hex) {
    super({
      code: 'ledger.nothing_to_claim',
      message: `Expected unclaimed earnings, but everything settled for ${account} is claimed already. Try again after the next settlement.`,
      context: { account },
    })
  }
}

export class LedgerNotFinalError extends BaseError {
  constructor(account: Hex, finalAt: number) {
    super({
      code: 'ledger.not_final',
      message: `Expected a ledger past its challenge window, but what is settled for ${account} can be challenged until ${new Date(finalAt * 1_000).toISOString()}. Claim after that.`,
      context: { account, finalAt },
      severity: 'retry',
    })
  }
}
