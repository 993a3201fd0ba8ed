import { BaseError, type Hex } from '@openledger/primitives'
import { Abi, type Deployment, Receipt, type Sender, TypedData } from '@openledger/protocol'
import { and, asc, type Database, desc, eq, gt, gte, isNull, type Orm, schema } from '@openledger/store'
import { decodeFunctionData, type PublicClient, recoverAddress } from 'viem'
import type { Contract } from './Contract.ts'
import * as Credits from './Credits.ts'
import { readLines } from './Ledger.ts'
import { toReceipt } from './Receipts.ts'

const { batches, ledger, payouts, receipts } = schema

type Batch = typeof batches.$inferSelect

/** What lets settling go on after a conviction, and under another operator's key. */
export type Recovery = {
  /**
   * Takes back, in the database too, what the court took back on chain.
   * @returns Whether it took anything back; its receipts are uncredited then, and wait for the next credits.
   */
  readonly follow: () => Promise<boolean>
  /** Says whether the chain can never take a prepared batch any more. */
  readonly isObsolete: (batch: Batch) => Promise<boolean>
  /** Forgets a prepared batch that is obsolete: its receipts wait again. */
  readonly forget: (batch: Batch) => Promise<void>
  /** Signs anew what another operator signed and did not settle: the court wants the signature of who settles. */
  readonly signAnew: () => Promise<number>
  /** Overturned receipts after one, whose right shares nobody has told yet; what they pay cannot be credited before. */
  readonly awaited: (afterSequence: number) => Promise<number[]>
  /**
   * Has the court say what the operator's bond covers, after a suspension or for a new operator.
   * @throws {OperatorSuspendedError} | {OperatorUnbondedError}
   */
  readonly renewCoverage: () => Promise<void>
}

/** `IPanel.Outcome.Overturned`. */
const OVERTURNED = 3

/** Creates the recovery over one database and one deployment. */
export function createRecovery(deps: {
  readonly database: Database
  readonly contract: Pick<Contract, 'ledgerBatch' | 'nowSeconds' | 'operator' | 'state'>
  readonly publicClient: PublicClient
  readonly sender: Sender
  /** Signs receipts; the sender's key. */
  readonly operator: { readonly sign: (parameters: { hash: Hex }) => Promise<Hex> }
  readonly deployment: Deployment
}): Recovery {
  const { database, contract, publicClient, sender, operator, deployment } = deps
  const court = { address: deployment.l2.court, abi: Abi.courtAbi } as const
  const domain = TypedData.contractDomain(
    'OpenLedger Settlement',
    deployment.l2ChainId,
    deployment.l2.settlement,
  )
  /** Overturned receipts by case, for cases that are decided. */
  const overturned = new Map<number, number | undefined>()

  const readOverturned = async (): Promise<number[]> => {
    const count = Number(await publicClient.readContract({ ...court, functionName: 'caseCount' }))
    for (let id = 1; id <= count; id++) {
      if (overturned.has(id)) continue
      const [, sequence, , , outcome] = await publicClient.readContract({
        ...court,
        functionName: 'caseOf',
        args: [BigInt(id)],
      })
      if (outcome !== 0) overturned.set(id, outcome === OVERTURNED ? Number(sequence) : undefined)
    }
    return [...overturned.values()].filter((sequence) => sequence !== undefined)
  }

  return {
    async follow() {
      const [standing, { batchCount }] = await Promise.all([contract.ledgerBatch(), contract.state()])
      return database.transaction(async (orm) => {
        const struck = await orm
          .select()
          .from(batches)
          .where(
            and(
              eq(batches.isCredited, true),
              eq(batches.isRewound, false),
              eq(batches.status, 'settled'),
              gt(batches.number, standing),
            ),
          )
          .orderBy(desc(batches.number))
        // a chain that does not have the batches yet has not taken them back
        if (struck.length === 0 || batchCount < struck[0]!.number) return false
        await rewindLines(orm, struck)
        await orm
          .update(batches)
          .set({ isRewound: true })
          .where(and(gte(batches.number, struck.at(-1)!.number), eq(batches.isCredited, true)))
        return true
      })
    },
    async isObsolete({ operator: poster, isCredited, previousBatch }) {
      if (poster !== sender.account && (await contract.operator()) === sender.account) return true
      // without credits it depends on no ledger; with them, their sum is not what is owed any more
      return isCredited && previousBatch !== (await contract.ledgerBatch())
    },
    forget: ({ number }) =>
      database.transaction(async (orm) => {
        await orm.update(receipts).set({ batch: null }).where(eq(receipts.batch, number))
        await orm.delete(batches).where(and(eq(batches.number, number), eq(batches.status, 'prepared')))
      }),
    async signAnew() {
      const waiting = await database.orm
        .select()
        .from(receipts)
        .where(isNull(receipts.batch))
        .orderBy(asc(receipts.sequence))
      let count = 0
      for (const row of waiting) {
        const hash = Receipt.digest(toReceipt(row), domain)
        const signer = await recoverAddress({ hash, signature: row.signature as Hex })
        if (signer.toLowerCase() === sender.account) continue
        const signature = await operator.sign({ hash })
        await database.orm.update(receipts).set({ signature }).where(eq(receipts.sequence, row.sequence))
        count++
      }
      return count
    },
    async awaited(afterSequence) {
      const awaited: number[] = []
      for (const sequence of await readOverturned()) {
        if (sequence <= afterSequence) continue
        const root = await publicClient.readContract({
          ...court,
          functionName: 'correctedRoot',
          args: [BigInt(sequence)],
        })
        const [row] = await database.orm.select().from(receipts).where(eq(receipts.sequence, sequence))
        // zero: the panel could not reproduce the answer at all, so its own shares stand
        if (root !== Receipt.ZERO_HASH && row !== undefined && row.correctedRoot !== root) {
          awaited.push(sequence)
        }
      }
      return awaited
    },
    async renewCoverage() {
      const [amountWei, , suspendedUntil, leavingWei] = await publicClient.readContract({
        ...court,
        functionName: 'bondOf',
        args: [sender.account],
      })
      if ((await contract.nowSeconds()) < Number(suspendedUntil)) {
        throw new OperatorSuspendedError(sender.account, Number(suspendedUntil))
      }
      if (amountWei <= leavingWei) throw new OperatorUnbondedError(sender.account)
      await sender.send({ ...court, functionName: 'bondFor', args: [sender.account], valueWei: 0n })
    },
  }
}

/** Takes the credits of struck batches, newest first, out of the stored ledger. */
async function rewindLines(orm: Orm, struck: readonly Batch[]): Promise<void> {
  const lines = await readLines(orm)
  const changed = new Set<number>()
  let width = lines.length
  for (const { callData, previousBatch } of struck) {
    const [before] = await orm.select().from(batches).where(eq(batches.number, previousBatch))
    width = before?.accountCount ?? 0
    let count = width
    const { args } = decodeFunctionData({ abi: Abi.settlementAbi, data: callData as Hex })
    for (const { credits } of args![3] as readonly { readonly credits: Hex }[]) {
      const placed = Credits.unpack(credits, (index) => lines[index]?.account, count)
      for (const { index, amountWei, isNew } of placed) {
        const line = lines[index]!
        lines[index] = { ...line, cumulativeWei: line.cumulativeWei - amountWei }
        changed.add(index)
        if (isNew) count++
      }
    }
  }
  await orm.delete(ledger).where(gte(ledger.index, width))
  for (const index of changed) {
    if (index >= width) continue
    await orm
      .update(ledger)
      .set({ cumulativeWei: lines[index]!.cumulativeWei })
      .where(eq(ledger.index, index))
  }
}

export type CorrectShares = (sequence: number, shares: readonly Credits.Credit[]) => Promise<void>

/**
 * Creates what takes the shares that a panel found for an overturned receipt, from whoever tells them: their root is on
 * chain, so nobody has to be believed. They are credited instead of the receipt's own from then on.
 *
 * The returned function throws {NotOverturnedError} without a verdict, {OtherSharesError} for other shares.
 */
export function createCorrectShares(deps: {
  readonly database: Database
  readonly publicClient: PublicClient
  readonly deployment: Deployment
  /** Called when credits that waited for the shares can go on. */
  readonly onCorrected: () => void
}): CorrectShares {
  const { database, publicClient, deployment, onCorrected } = deps
  return async (sequence, shares) => {
    const root = await publicClient.readContract({
      address: deployment.l2.court,
      abi: Abi.courtAbi,
      functionName: 'correctedRoot',
      args: [BigInt(sequence)],
    })
    if (root === Receipt.ZERO_HASH) throw new NotOverturnedError(sequence)
    const got = Receipt.sharesRoot(shares)
    if (got !== root) throw new OtherSharesError(sequence, root, got)
    await database.transaction(async (orm) => {
      const [row] = await orm.select().from(receipts).where(eq(receipts.sequence, sequence))
      const sumWei = shares.reduce((sum, { amountWei }) => sum + amountWei, 0n)
      // credits have to sum to what the fees left for contributors
      if (row === undefined || row.contributorsWei !== sumWei) {
        throw new OtherSharesError(sequence, `${row?.contributorsWei ?? 0n} wei`, `${sumWei} wei`)
      }
      const before = await orm.select().from(payouts).where(eq(payouts.receiptSequence, sequence))
      const contributionOf = new Map(
        before.map(({ beneficiary, contributionId }) => [beneficiary, contributionId]),
      )
      await orm.delete(payouts).where(eq(payouts.receiptSequence, sequence))
      await orm.insert(payouts).values(
        shares.map(({ account, amountWei }, position) => ({
          receiptSequence: sequence,
          position,
          beneficiary: account,
          contributionId: contributionOf.get(account) ?? null,
          sharePpm: Number((amountWei * 1_000_000n) / sumWei),
          amountWei,
        })),
      )
      await orm.update(receipts).set({ correctedRoot: root }).where(eq(receipts.sequence, sequence))
    })
    onCorrected()
  }
}

export class OperatorSuspendedError extends BaseError {
  constructor(operator: Hex, suspendedUntil: number) {
    super({
      code: 'settlement.suspended',
      message: `Expected an operator that may settle, but the court convicted ${operator} and suspended it until ${new Date(suspendedUntil * 1_000).toISOString()}. It goes on by itself then; governance can name another operator before.`,
      context: { operator, suspendedUntil },
      severity: 'retry',
    })
  }
}

export class OperatorUnbondedError extends BaseError {
  constructor(operator: Hex) {
    super({
      code: 'settlement.unbonded',
      message: `Expected a bond behind ${operator}, but the court holds none that covers fees. Add one with \`openledger bond AMOUNT\`; settling goes on by itself then.`,
      context: { operator },
      severity: 'retry',
    })
  }
}

export class NotOverturnedError extends BaseError {
  constructor(sequence: number) {
    super({
      code: 'receipt.not_overturned',
      message: `Expected a receipt for which a panel found other shares, but there is no such verdict on receipt ${sequence}. Its own shares stand.`,
      context: { sequence },
    })
  }
}

export class OtherSharesError extends BaseError {
  constructor(sequence: number, expected: string, got: string) {
    super({
      code: 'receipt.other_shares',
      message: `Expected the shares that the panel found for receipt ${sequence}, ${expected}, got ${got}. Nothing has changed; send those whose root the court has.`,
      context: { sequence, expected, got },
    })
  }
}
