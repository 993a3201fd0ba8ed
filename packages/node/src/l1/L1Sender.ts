import { setTimeout as delay } from 'node:timers/promises'
import { BaseError } from '@openledger/primitives'
import { bytesToHex, hexToBytes, Kzg, Rlp } from '@openledger/rollup'
import {
  type Address,
  CallExecutionError,
  type Hex,
  HttpRequestError,
  hexToBigInt,
  keccak256,
  type LocalAccount,
  TimeoutError,
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
  /** Makes the blobs that go along, with the proofs that L1 wants when it is sent. */
  readonly sidecar?: (provenBy: Sidecar['provenBy']) => Promise<Sidecar>
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
const BLOB_TYPE = 3
/** EIP-7594: what stands in front of blobs that come with proofs of their cells. */
const CELLS_WRAPPER = 1
/** Counts the leading zeros of 1 and answers them: 255 by EIP-7939, which came with EIP-7594, and a failure before. */
const OSAKA_PROBE = '0x60011e5f5260205ff3'

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

  /** Asked each time, because the fork may begin while a transaction waits. */
  const wantsCells = async (): Promise<boolean> => {
    try {
      const { data } = await client.call({ data: OSAKA_PROBE })
      return data !== undefined && hexToBigInt(data) === 255n
    } catch (error) {
      // an endpoint that is away says nothing of its fork
      const isAway = (cause: unknown): boolean =>
        cause instanceof HttpRequestError || cause instanceof TimeoutError
      if (error instanceof CallExecutionError && error.walk(isAway) === null) return false
      throw error
    }
  }

  const baseFee = async (): Promise<bigint> => (await client.getBlock()).baseFeePerGas ?? 0n

  /** @returns the transaction as a pool takes it, and its hash, which leaves blobs out. */
  async function sign(call: L1Call, nonce: number, raises: number, baseFeePerGas: bigint): Promise<Signed> {
    const percent = call.sidecar === undefined ? BUMP_PERCENT : BLOB_BUMP_PERCENT
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
    if (call.sidecar === undefined) {
      const raw = await account.signTransaction({ ...common, type: 'eip1559' })
      return { raw, hash: keccak256(raw) }
    }
    const sidecar = await call.sidecar((await wantsCells()) ? 'cells' : 'blob')
    const body = await account.signTransaction({
      ...common,
      type: 'eip4844',
      blobVersionedHashes: sidecar.commitments.map(Kzg.versionedHashOf),
      maxFeePerBlobGas: raised(2n * (await client.getBlobBaseFee())),
      sidecars: false,
    })
    return { raw: withSidecar(body, sidecar), hash: keccak256(body) }
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

/** A signed transaction as pools take it. @see EIP-4844, EIP-7594, "Networking". */
function withSidecar(body: Hex, { provenBy, blobs, commitments, proofs }: Sidecar): Hex {
  const payload = Rlp.decode(hexToBytes(body).subarray(1))
  const version = provenBy === 'cells' ? [CELLS_WRAPPER] : []
  const wrapped = Rlp.encode([payload, ...version, blobs, commitments, proofs])
  const raw = new Uint8Array(wrapped.length + 1)
  raw[0] = BLOB_TYPE
  raw.set(wrapped, 1)
  return bytesToHex(raw)
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
