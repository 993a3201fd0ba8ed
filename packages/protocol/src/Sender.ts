import { BaseError, type Hex } from '@openledger/primitives'
import {
  type Abi,
  type Account,
  type Chain,
  type ContractFunctionName,
  type ContractFunctionParameters,
  decodeErrorResult,
  type EncodeFunctionDataParameters,
  encodeFunctionData,
  NonceTooHighError,
  NonceTooLowError,
  type PublicClient,
  type TransactionReceipt,
  type Transport,
  BaseError as ViemError,
  type WalletClient,
} from 'viem'
import * as AbiOfContracts from './abi/index.ts'

/** What to send: a contract's function with its arguments, as viem's `writeContract` takes them. */
export type Call<
  abi extends Abi | readonly unknown[] = Abi,
  name extends ContractFunctionName<abi, 'nonpayable' | 'payable'> = ContractFunctionName<
    abi,
    'nonpayable' | 'payable'
  >,
> = ContractFunctionParameters<abi, 'nonpayable' | 'payable', name> & { readonly valueWei?: bigint }

/** Sends one account's transactions in order, so that several parts of a server can share the account. */
export type Sender = {
  readonly account: Hex
  /**
   * Sends a call and waits until it is in a block.
   * @throws {TransactionRevertedError} when the chain refuses it, naming the contract's error; nothing has changed.
   * @throws {TransactionUnconfirmedError} when it was sent but no block took it in time; look at the chain before
   *   sending it again.
   */
  readonly send: <
    const abi extends Abi | readonly unknown[],
    name extends ContractFunctionName<abi, 'nonpayable' | 'payable'>,
  >(
    call: Call<abi, name>,
  ) => Promise<TransactionReceipt>
}

export type SenderClients = {
  readonly walletClient: WalletClient<Transport, Chain | undefined, Account>
  readonly publicClient: PublicClient
}

export type SenderOptions = {
  /** Interfaces of contracts behind the called ones, whose errors may come through; our own are known. */
  readonly errors?: readonly (Abi | readonly unknown[])[]
  /** How long to wait for a block; default one minute. */
  readonly timeoutMs?: number
}

type Request = { readonly to: Hex; readonly data: Hex; readonly value: bigint }

/** A contract may pass on the error of another one that it called. */
const knownErrors: Abi = Object.values(AbiOfContracts).flatMap((value) =>
  typeof value === 'string' ? [] : (value as Abi).filter((item) => item.type === 'error'),
)

/** How often a transaction is signed again because someone else used its nonce. */
const NONCE_RETRY_COUNT = 5

/** What runs between estimate and block may cost a little more than it did in the estimate. */
const GAS_MARGIN_PERCENT = 125n

/**
 * Creates the one sender of an account; a second one in the same process would not know of the first's nonces, and would
 * come through by trying again.
 */
export function createSender(
  { walletClient, publicClient }: SenderClients,
  { errors = [], timeoutMs = 60_000 }: SenderOptions = {},
): Sender {
  const { account } = walletClient
  let last: Promise<unknown> = Promise.resolve()
  let inFlightCount = 0
  let nextNonce = 0

  const submit = async (request: Request, gas: bigint): Promise<Hex> => {
    for (let attempt = 0; ; attempt++) {
      // only while nothing is on its way does the chain know the next nonce
      if (inFlightCount === 0 || attempt > 0) {
        const blockTag = 'pending'
        nextNonce = await publicClient.getTransactionCount({ address: account.address, blockTag })
      }
      try {
        const hash = await walletClient.sendTransaction({
          ...request,
          account,
          chain: walletClient.chain ?? null,
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
      const { address: to, valueWei: value = 0n } = call
      const request: Request = { to, data: encodeFunctionData(call as EncodeFunctionDataParameters), value }
      const toReverted = (error: unknown): TransactionRevertedError | undefined =>
        asReverted(error, [...(call.abi as Abi), ...knownErrors, ...(errors.flat() as Abi)], {
          to,
          functionName: call.functionName,
        })
      const estimating = publicClient.estimateGas({ ...request, account: account.address })
      // the place in the queue is taken now, so that a slow estimate does not let later calls pass
      const submitting = inOrder(async () =>
        submit(request, ((await estimating) * GAS_MARGIN_PERCENT) / 100n),
      )
      estimating.catch(() => {})
      const hash = await submitting.catch((error) => {
        throw toReverted(error) ?? error
      })
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
      const reason = await publicClient
        .call({ ...request, account: account.address, blockNumber: receipt.blockNumber })
        .then(() => undefined, toReverted)
      const place = { to, functionName: call.functionName }
      throw reason ?? new TransactionRevertedError({ ...place, errorName: 'unknown reason', values: [] })
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
function asReverted(
  error: unknown,
  abi: Abi,
  place: { readonly to: Hex; readonly functionName: string },
): TransactionRevertedError | undefined {
  if (!(error instanceof ViemError)) return undefined
  const withData = error.walk((cause) => revertDataOf(cause) !== undefined)
  const data = withData === null ? undefined : revertDataOf(withData)
  if (data !== undefined && data.length >= 10) {
    try {
      const { errorName, args = [] } = decodeErrorResult({ abi, data })
      return new TransactionRevertedError({ ...place, errorName, values: args as readonly unknown[] })
    } catch {
      return new TransactionRevertedError({ ...place, errorName: data.slice(0, 10), values: [] })
    }
  }
  if (!/revert/i.test(error.message)) return undefined
  return new TransactionRevertedError({ ...place, errorName: 'no reason', values: [] })
}

/** Nodes answer with the revert's bytes as `data`, or inside it. */
function revertDataOf(error: unknown): Hex | undefined {
  const data = (error as { data?: unknown }).data
  const bytes = typeof data === 'object' && data !== null ? (data as { data?: unknown }).data : data
  return typeof bytes === 'string' && /^0x([0-9a-f]{2})*$/i.test(bytes) ? (bytes as Hex) : undefined
}

export class TransactionRevertedError extends BaseError {
  /** Name of the contract's error, or its selector when no known interface has it. */
  readonly errorName: string

  constructor(refusal: {
    readonly to: Hex
    readonly functionName: string
    readonly errorName: string
    readonly values: readonly unknown[]
  }) {
    const { to, functionName, errorName } = refusal
    const values = refusal.values.map((value) => (typeof value === 'bigint' ? value.toString() : value))
    super({
      code: 'transaction.reverted',
      message: `Expected the contract at ${to} to carry out ${functionName}, but it refused: ${errorName}${values.length > 0 ? `(${values.join(', ')})` : ''}.`,
      context: { to, functionName, errorName, values },
    })
    this.errorName = errorName
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
