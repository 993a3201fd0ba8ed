import { BaseError, Bytes, type Hex, MerkleSum } from '@openledger/primitives'
import { Abi, type Deployment, type Http, type Sender } from '@openledger/protocol'
import { asc, type Database, eq, type Orm, schema } from '@openledger/store'
import { parseEventLogs } from 'viem'
import type { Contract } from './Contract.ts'
import * as Credits from './Credits.ts'

const { ledger } = schema

export type Ledger = {
  /** The settled lines in order, as the chain's root commits to them. */
  readonly lines: () => Promise<Credits.Line[]>
  /** Wei in an account's line; zero without a line. */
  readonly settledWei: (account: Hex) => Promise<bigint>
  /**
   * Gives the arguments of `Settlement.claim` for an account.
   * @throws {LedgerLineNotFoundError} when nothing of the account is settled yet.
   */
  readonly proof: (account: Hex) => Promise<Http.ClaimProof>
  /**
   * Sends an account's claim for it; the money can only go to the account.
   * @throws {LedgerLineNotFoundError} | {NothingToClaimError}
   */
  readonly claim: (account: Hex) => Promise<Http.Claimed>
}

/** Creates the cumulative ledger: who has ever earned how much, in the order of the Merkle-sum tree. */
export function createLedger(deps: {
  readonly database: Database
  readonly contract: Pick<Contract, 'claimedWei'>
  readonly sender: Sender
  readonly deployment: Deployment
}): Ledger {
  const { database, contract, sender, deployment } = deps

  const proof = async (account: Hex): Promise<Http.ClaimProof> => {
    const lines = await readLines(database.orm)
    const index = lines.findIndex((line) => line.account === account)
    if (index < 0) throw new LedgerLineNotFoundError(account)
    const tree = Credits.tree(lines)
    return {
      account,
      cumulativeWei: lines[index]!.cumulativeWei.toString(),
      index,
      siblings: MerkleSum.prove(tree, index).map(({ hash, sum }) => ({
        hash: Bytes.toHex(hash),
        sum: sum.toString(),
      })),
      ledgerRoot: Bytes.toHex(tree.root.hash),
      ledgerSumWei: tree.root.sum.toString(),
    }
  }

  return {
    lines: () => readLines(database.orm),
    async settledWei(account) {
      const [row] = await database.orm.select().from(ledger).where(eq(ledger.account, account))
      return row?.cumulativeWei ?? 0n
    },
    proof,
    async claim(account) {
      const proven = await proof(account)
      if (BigInt(proven.cumulativeWei) <= (await contract.claimedWei(account))) {
        throw new NothingToClaimError(account)
      }
      const receipt = await sender.send({
        address: deployment.l2.settlement,
        abi: Abi.settlementAbi,
        functionName: 'claim',
        args: claimArguments(proven),
      })
      const [claimed] = parseEventLogs({
        abi: Abi.settlementAbi,
        eventName: 'Claimed',
        logs: receipt.logs,
      })
      return { account, amountWei: claimed!.args.amount.toString(), transactionHash: receipt.transactionHash }
    },
  }
}

/** Turns a proof into the arguments of `Settlement.claim`. */
export const claimArguments = (proof: Http.ClaimProof) =>
  [
    proof.account,
    BigInt(proof.cumulativeWei),
    BigInt(proof.index),
    proof.siblings.map(({ hash, sum }) => ({ hash, sum: BigInt(sum) })),
  ] as const

/** Reads the lines in ledger order. */
export async function readLines(orm: Orm): Promise<Credits.Line[]> {
  const rows = await orm.select().from(ledger).orderBy(asc(ledger.index))
  return rows.map((row) => ({ account: row.account as Hex, cumulativeWei: row.cumulativeWei }))
}

/** Writes what a settled batch adds; part of the transaction that marks it settled. */
export async function writeCredits(orm: Orm, credits: readonly Credits.Credit[]): Promise<void> {
  const before = await readLines(orm)
  const after = Credits.apply(before, credits)
  const changed = new Set(credits.map((credit) => credit.account))
  for (const [index, line] of after.entries()) {
    if (!changed.has(line.account)) continue
    await orm
      .insert(ledger)
      .values({ index, ...line })
      .onConflictDoUpdate({ target: ledger.index, set: { cumulativeWei: line.cumulativeWei } })
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
