import { BaseError, type Hex } from '@openledger/primitives'
import { Abi, type Deployment, type Sender } from '@openledger/protocol'
import { decodeFunctionData, type PublicClient, parseEventLogs } from 'viem'
import * as Batch from './Batch.ts'
import type { Contract } from './Contract.ts'
import type { StoredBatch } from './StoredBatches.ts'

/** What the chain says of a batch that it has; the court may have moved the ledger while it was on its way. */
export type Landed = {
  readonly transactionHash: Hex
  readonly settledAt: number
  readonly previousBatch: number
  readonly ledgerSumWei: bigint
  readonly accountCount: number
}

/** Brings stored batches onto the chain, each once. */
export type BatchPosting = {
  /**
   * Gives the transaction that settled a batch, if the chain has it.
   * @throws {SequenceGapError} | {LedgerDivergedError}
   */
  readonly landed: (batch: StoredBatch) => Promise<Landed | undefined>
  /** Sends a batch and gives its transaction, or that of a copy which was sent before. @throws {LedgerDivergedError} */
  readonly send: (batch: StoredBatch) => Promise<Landed>
}

/** Creates the posting over one deployment. @param creditBytesMax - Most bytes of credits in one transaction. */
export function createBatchPosting(
  deps: {
    readonly contract: Pick<Contract, 'state' | 'ledgerBatch' | 'postedCount'>
    readonly publicClient: PublicClient
    readonly sender: Sender
    readonly deployment: Deployment
  },
  creditBytesMax: number,
): BatchPosting {
  const { contract, publicClient, sender, deployment } = deps

  /** Gives the transaction that settled the batch, if the chain has it. */
  async function landed(batch: StoredBatch): Promise<Landed | undefined> {
    const chain = await contract.state()
    if (chain.lastSequence < batch.firstSequence - 1) {
      throw new SequenceGapError(batch.firstSequence, chain.lastSequence)
    }
    if (chain.batchCount < batch.number) return undefined
    const [event] = await publicClient.getContractEvents({
      address: deployment.l2.settlement,
      abi: Abi.settlementAbi,
      eventName: 'BatchSettled',
      args: { batch: BigInt(batch.number) },
      fromBlock: BigInt(deployment.l2StartBlock),
      strict: true,
    })
    if (
      event === undefined ||
      Number(event.args.lastSequence) !== batch.lastSequence ||
      event.args.bodyHash !== batch.bodyHash
    ) {
      throw new LedgerDivergedError(batch.number, batch.bodyHash as Hex, event?.args.bodyHash)
    }
    return standsAs(batch, event)
  }

  const standsAs = async (
    batch: StoredBatch,
    event: {
      readonly args: { readonly ledgerSum: bigint; readonly accountCount: bigint }
      readonly transactionHash: Hex
      readonly blockNumber: bigint
    },
  ): Promise<Landed> => ({
    transactionHash: event.transactionHash,
    settledAt: Number((await publicClient.getBlock({ blockNumber: event.blockNumber })).timestamp),
    // credits land on the ledger that they were made for, or not at all
    previousBatch: batch.isCredited ? batch.previousBatch : await contract.ledgerBatch(event.blockNumber),
    ledgerSumWei: event.args.ledgerSum,
    accountCount: Number(event.args.accountCount),
  })

  /**
   * Posts ahead what of a batch's credits does not fit the transaction that settles it. Begins anew after a crash: what was
   * posted of it, or of a batch that was forgotten since, is dropped by the first of these calls.
   */
  async function postAhead(parts: readonly (readonly Batch.Segment[])[]): Promise<void> {
    const onSettlement = { address: deployment.l2.settlement, abi: Abi.settlementAbi } as const
    const isLeftover = parts.length === 0 && (await contract.postedCount()) > 0
    let from = 0
    for (const part of isLeftover ? [[]] : parts) {
      await sender.send({ ...onSettlement, functionName: 'postCredits', args: [BigInt(from), part] })
      from += part.length
    }
  }

  /** Sends the batch and gives its transaction. */
  async function send(batch: StoredBatch): Promise<Landed> {
    const { args: whole } = decodeFunctionData({ abi: Abi.settlementAbi, data: batch.callData as Hex })
    const [header, debits, groups, segments] = whole as ReturnType<typeof Batch.settleArguments>
    const parts = Batch.partsOf(segments, creditBytesMax)
    const args = [header, debits, groups, parts.at(-1)!] as const
    try {
      if (batch.isCredited) await postAhead(parts.slice(0, -1))
      const receipt = await sender.send({
        address: deployment.l2.settlement,
        abi: Abi.settlementAbi,
        functionName: 'settle',
        args,
      })
      const [event] = parseEventLogs({
        abi: Abi.settlementAbi,
        eventName: 'BatchSettled',
        logs: receipt.logs,
      })
      if (event?.args.bodyHash !== batch.bodyHash) {
        throw new LedgerDivergedError(batch.number, batch.bodyHash as Hex, event?.args.bodyHash)
      }
      return await standsAs(batch, event)
    } catch (error) {
      // another copy of the same batch, sent before a crash, may have landed first
      const before = await landed(batch)
      if (before === undefined) throw error
      return before
    }
  }

  return { landed, send }
}

export class SequenceGapError extends BaseError {
  constructor(firstSequence: number, chainSequence: number) {
    super({
      code: 'settlement.sequence_gap',
      message: `Expected the chain to stand just before receipt ${firstSequence}, but its last is ${chainSequence}. The chain lost a settled batch or belongs to another database; connect the chain that this database was made with.`,
      context: { firstSequence, chainSequence },
    })
  }
}

export class LedgerDivergedError extends BaseError {
  constructor(batchNumber: number, expectedHash: Hex, chainHash: Hex | undefined) {
    super({
      code: 'settlement.diverged',
      message: `Expected batch ${batchNumber} on chain with body ${expectedHash}, found ${chainHash ?? 'no such batch'}. Another operator settled in between or the database is not this chain's; nothing more is settled until that is resolved.`,
      context: { batchNumber, expectedHash, chainHash },
    })
  }
}
