import { BaseError, type Hex } from '@openledger/primitives'
import {
  type Abi,
  type Account,
  type Chain,
  decodeErrorResult,
  NonceTooHighError,
  NonceTooLowError,
  type PublicClient,
  type TransactionReceipt,
  type Transport,
  BaseError as ViemError,
  type WalletClient,
} from 'viem'

/** What to send: a call of `to`, with `data` made by viem's `encodeFunctionData`. */
export type Call = { readonly to: Hex; readonly data?: Hex; readonly value?: bigint }

/** Sends one account's transactions in order, so that several parts of a server can share the account. */
export type Sender = {
  readonly account: Hex
  /**
   * Sends a call and waits until it is in a block.
   * @throws {TransactionRevertedError} when the chain refuses it, naming the contract's error; nothing has changed.
   * @throws {TransactionUnconfirmedError} when it was sent but no block took it in time; look at the chain before
   *   sending it again.
   */
  readonly send: (call: Call) => Promise<TransactionReceipt>
}

export type SenderClients = {
  readonly walletClient: WalletClient<Transport, Chain | undefined, Account>
  readonly publicClient: PublicClient
  /** Names the errors that contracts revert with. */
  readonly abi?: Abi
  /** How long to wait for a block; default one minute. */
  readonly timeoutMs?: number
}

/** How often a transaction is signed again because someone else used its nonce. */
const NONCE_RETRY_COUNT = 5

/** What runs between estimate and block may cost a little more than it did in the estimate. */
const GAS_MARGIN_PERCENT = 125n

/**
 * Creates the one sender of an account; a second one in the same process would not know of the first's nonces, and would
 * come through by trying again.
 */
export function createSender({
  walletClient,
  publicClient,
  abi = [],
  timeoutMs = 60_000,
}: SenderClients): Sender {
  const { account } = walletClient
  let last: Promise<unknown> = Promise.resolve()
  let inFlightCount = 0
  let nextNonce = 0

  const submit = async (call: Call, gas: bigint): Promise<Hex> => {
    for (let attempt = 0; ; attempt++) {
      // only while nothing is on its way does the chain know the next nonce
      if (inFlightCount === 0 || attempt > 0) {
        const blockTag = 'pending'
        nextNonce = await publicClient.getTransactionCount({ address: account.address, blockTag })
      }
      try {
        const hash = await walletClient.sendTransaction({
          account,
          chain: walletClient.chain ?? null,
          to: call.to,
          data: call.data ?? '0x',
          value: call.value ?? 0n,
          gas,
          nonce: nextNonce,
        })
        nextNonce++
        inFlightCount++
        return hash
      } catch (error) {
        if (!isNonceError(error) || attempt === NONCE_RETRY_COUNT) throw error
      }
    }
  }

  const inOrder = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work)
    last = turn.catch(() => {})
    return turn
  }

  return {
    account: account.address.toLowerCase() as Hex,
    async send(call) {
      const request = { account, to: call.to, data: call.data ?? '0x', value: call.value ?? 0n } as const
      const estimate = await publicClient.estimateGas(request).catch((error) => {
        throw asReverted(error, abi, call.to) ?? error
      })
      const hash = await inOrder(() => submit(call, (estimate * GAS_MARGIN_PERCENT) / 100n))
      let receipt: TransactionReceipt
      try {
        receipt = await publicClient.waitForTransactionReceipt({ hash, timeout: timeoutMs })
      } catch (error) {
        throw new TransactionUnconfirmedError(hash, error)
      } finally {
        inFlightCount--
      }
      if (receipt.status === 'success') return receipt
      // run it again on the state it met to learn why
      const reason = await publicClient.call({ ...request, blockNumber: receipt.blockNumber }).then(
        () => undefined,
        (error) => asReverted(error, abi, call.to),
      )
      throw reason ?? new TransactionRevertedError(call.to, 'unknown reason', [], hash)
    },
  }
}

/** A pool words it in its own way, so the text counts where the type does not tell. */
function isNonceError(error: unknown): boolean {
  if (!(error instanceof ViemError)) return false
  const typed = error.walk((cause) => cause instanceof NonceTooLowError || cause instanceof NonceTooHighError)
  return typed !== null || /nonce|replacement transaction underpriced|already known/i.test(error.message)
}

/** Reads a contract's error out of what the node answered; nothing when it was not the contract that refused. */
function asReverted(error: unknown, abi: Abi, to: Hex): TransactionRevertedError | undefined {
  if (!(error instanceof ViemError)) return undefined
  const withData = error.walk((cause) => revertDataOf(cause) !== undefined)
  const data = withData === null ? undefined : revertDataOf(withData)
  if (data !== undefined && data.length >= 10) {
    try {
      const decoded = decodeErrorResult({ abi, data })
      const args = (decoded.args ?? []) as readonly unknown[]
      return new TransactionRevertedError(to, decoded.errorName, args)
    } catch {
      return new TransactionRevertedError(to, `unknown error ${data.slice(0, 10)}`, [])
    }
  }
  return /revert/i.test(error.message) ? new TransactionRevertedError(to, 'no reason', []) : undefined
}

/** Nodes answer with the revert's bytes as `data`, or inside it. */
function revertDataOf(error: unknown): Hex | undefined {
  const data = (error as { data?: unknown }).data
  const bytes = typeof data === 'object' && data !== null ? (data as { data?: unknown }).data : data
  return typeof bytes === 'string' && /^0x([0-9a-f]{2})*$/i.test(bytes) ? (bytes as Hex) : undefined
}

export class TransactionRevertedError extends BaseError {
  /** Name of the contract's error. */
  readonly errorName: string
  readonly args: readonly unknown[]

  constructor(to: Hex, errorName: string, args: readonly unknown[], transactionHash?: Hex) {
    const values = args.map((value) => (typeof value === 'bigint' ? value.toString() : value))
    super({
      code: 'transaction.reverted',
      message: `Expected the contract at ${to} to carry out the transaction, but it refused: ${errorName}${values.length > 0 ? `(${values.map(String).join(', ')})` : ''}.`,
      context: { to, errorName, args: values, ...(transactionHash && { transactionHash }) },
    })
    this.errorName = errorName
    this.args = args
  }
}

export class TransactionUnconfirmedError extends BaseError {
  constructor(transactionHash: Hex, cause: unknown) {
    super({
      code: 'transaction.unconfirmed',
      message: `Expected transaction ${transactionHash} in a block by now, but it is in none. Check that the chain makes blocks; it may still be taken.`,
      context: { transactionHash },
      severity: 'retry',
      cause,
    })
  }
}
