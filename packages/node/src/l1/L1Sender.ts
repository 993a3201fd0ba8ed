import { setTimeout as delay } from 'node:timers/promises'
import { BaseError } from '@openledger/primitives'
import { bytesToHex, Kzg } from '@openledger/rollup'
import {
  type Address,
  type Hex,
  keccak256,
  type LocalAccount,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
} from 'viem'
import type { Logger } from '../node/Logger.ts'
import type { Sidecar } from './Blobs.ts'
import type { L1 } from './L1.ts'

export type L1Call = {
  readonly to: Address
  readonly data: Hex
  /** Absent: the least that its call data needs. */
  readonly gas?: bigint
  readonly value?: bigint
  /** Goes along as EIP-4844's blobs. */
  readonly sidecars?: readonly Sidecar[]
}

/** Sends one account's transactions to L1 until they are in a block. */
export type L1Sender = {
  readonly address: Address
  /**
   * Sends calls in order, each with the next nonce, and waits for all receipts.
   * @throws {L1SendAbortedError} when the signal ends the waiting; the calls may still enter a block.
   */
  readonly send: (calls: readonly L1Call[]) => Promise<readonly TransactionReceipt[]>
  /** Waits until nothing of the account waits in the pool: what an earlier process sent is then in a block, or gone. */
  readonly drain: () => Promise<void>
}

const POLL_MS = 250
/** A transaction that is in no block by then is sent again at a higher price. */
const BUMP_AFTER_MS = 20_000
/** Pools replace a transaction only for a tenth more on both prices. */
const BUMP_PERCENT = 125n
/** Transactions with blobs only for twice as much on all three. */
const BLOB_BUMP_PERCENT = 200n
const PRIORITY_FEE_WEI = 1_000_000n
/** EIP-7623: the floor price of call data, per non-zero byte, and of a transaction. */
const CALLDATA_GAS = 40n
const BASE_GAS = 21_000n

type Signed = { readonly raw: Hex; readonly hash: Hex }

/** Creates the one sender of an account. */
export function createL1Sender({
  l1,
  account,
  signal,
  logger,
}: {
  readonly l1: L1
  readonly account: LocalAccount
  /** Ends all waiting. */
  readonly signal: AbortSignal
  readonly logger: Logger
}): L1Sender {
  const { client, chainId } = l1
  const address = account.address.toLowerCase() as Address
  const countAt = (blockTag: 'latest' | 'pending'): Promise<number> =>
    client.getTransactionCount({ address, blockTag })
  const pause = async (): Promise<void> => {
    if (signal.aborted) throw new L1SendAbortedError(address)
    await delay(POLL_MS)
    if (signal.aborted) throw new L1SendAbortedError(address)
  }

  const baseFee = async (): Promise<bigint> => (await client.getBlock()).baseFeePerGas ?? 0n

  /** @returns the transaction as a pool takes it, and its hash, which leaves blobs out. */
  async function sign(call: L1Call, nonce: number, raises: number, baseFeePerGas: bigint): Promise<Signed> {
    const percent = call.sidecars === undefined ? BUMP_PERCENT : BLOB_BUMP_PERCENT
    const raised = (fee: bigint): bigint => (fee * percent ** BigInt(raises)) / 100n ** BigInt(raises)
    const maxPriorityFeePerGas = raised(PRIORITY_FEE_WEI)
    const common = {
      chainId,
      nonce,
      to: call.to,
      data: call.data,
      value: call.value ?? 0n,
      gas: call.gas ?? BASE_GAS + (CALLDATA_GAS * BigInt(call.data.length - 2)) / 2n,
      maxPriorityFeePerGas,
      maxFeePerGas: raised(2n * baseFeePerGas) + maxPriorityFeePerGas,
    }
    if (call.sidecars === undefined) {
      const raw = await account.signTransaction({ ...common, type: 'eip1559' })
      return { raw, hash: keccak256(raw) }
    }
    const withBlobs = {
      ...common,
      type: 'eip4844',
      blobVersionedHashes: call.sidecars.map(({ commitment }) => Kzg.versionedHashOf(commitment)),
      maxFeePerBlobGas: raised(2n * (await client.getBlobBaseFee())),
    } as const
    const sidecars = call.sidecars.map(({ blob, commitment, proof }) => ({
      blob: bytesToHex(blob),
      commitment: bytesToHex(commitment),
      proof: bytesToHex(proof),
    }))
    const [raw, body] = await Promise.all([
      account.signTransaction({ ...withBlobs, sidecars }),
      account.signTransaction({ ...withBlobs, sidecars: false }),
    ])
    return { raw, hash: keccak256(body) }
  }

  async function broadcast(serializedTransaction: Hex, nonce: number): Promise<void> {
    try {
      await client.sendRawTransaction({ serializedTransaction })
    } catch (error) {
      // whether it is known, mined or refused, the receipt and the next round tell
      logger.debug({ address, nonce, reason: String(error) }, 'L1 refused a transaction for now')
    }
  }

  async function receiptOf(hashes: readonly Hex[]): Promise<TransactionReceipt | undefined> {
    for (const hash of hashes) {
      try {
        return await client.getTransactionReceipt({ hash })
      } catch (error) {
        if (!(error instanceof TransactionReceiptNotFoundError)) throw error
      }
    }
    return undefined
  }

  /** One call with its nonce, sent again and again until one of its versions is in a block. */
  async function settle(call: L1Call, nonce: number, first: Signed): Promise<TransactionReceipt> {
    const hashes = [first.hash]
    let sentAt = performance.now()
    for (;;) {
      const receipt = await receiptOf(hashes)
      if (receipt !== undefined) return receipt
      if (performance.now() - sentAt > BUMP_AFTER_MS) {
        // the nonce is used, but by none of ours: the account is not ours alone
        if ((await countAt('latest')) > nonce && (await receiptOf(hashes)) === undefined) {
          throw new L1NonceTakenError(address, nonce)
        }
        const again = await sign(call, nonce, hashes.length, await baseFee())
        hashes.push(again.hash)
        await broadcast(again.raw, nonce)
        logger.info({ address, nonce, attempt: hashes.length }, 'L1 transaction sent again at a higher price')
        sentAt = performance.now()
      }
      await pause()
    }
  }

  return {
    address,
    async send(calls) {
      // nothing of ours waits in the pool: every send waits for its receipts, and a restart drains first
      const firstNonce = await countAt('latest')
      const baseFeePerGas = await baseFee()
      const signed: Signed[] = []
      for (const [i, call] of calls.entries()) {
        const transaction = await sign(call, firstNonce + i, 0, baseFeePerGas)
        signed.push(transaction)
        await broadcast(transaction.raw, firstNonce + i)
      }
      const receipts: TransactionReceipt[] = []
      for (const [i, call] of calls.entries()) receipts.push(await settle(call, firstNonce + i, signed[i]!))
      return receipts
    },
    async drain() {
      const startedAt = performance.now()
      while ((await countAt('pending')) > (await countAt('latest'))) {
        // what a pool keeps but no block takes would block every later nonce: the next send replaces it
        if (performance.now() - startedAt > BUMP_AFTER_MS) return
        await pause()
      }
    },
  }
}

export class L1SendAbortedError extends BaseError {
  constructor(address: string) {
    super({
      code: 'l1.send_aborted',
      message: `Expected to wait for the transactions of ${address} on L1, was told to stop; they may still enter a block.`,
      context: { address },
      severity: 'retry',
    })
  }
}

export class L1NonceTakenError extends BaseError {
  constructor(address: string, nonce: number) {
    super({
      code: 'l1.nonce_taken',
      message: `Expected nonce ${nonce} of ${address} on L1 for this node, another transaction used it: give the node a key of its own.`,
      context: { address, nonce },
      severity: 'retry',
    })
  }
}
