import { BaseError, type Hex } from '@openledger/primitives'
import {
  type BlockContext,
  bytesToHex,
  EMPTY_CODE_HASH,
  type Evm,
  hexToBytes,
  intrinsicGas,
  type JournaledState,
  Predeploys,
  Transaction,
} from '@openledger/rollup'
import type { CallRequest } from './Engine.ts'
import { revertReason } from './revertReason.ts'
import { failureWords } from './Tracer.ts'
import { createTransferLog, type SimulatedLog } from './TransferLog.ts'

export type SimulatedCall = {
  readonly status: 0 | 1
  readonly returnData: Hex
  readonly gasUsed: bigint
  /** Before refunds. */
  readonly maxUsedGas: bigint
  readonly logs: readonly SimulatedLog[]
  readonly error?: { readonly code: number; readonly message: string; readonly data?: Hex }
}

export type SimulationRules = {
  /** Report transfers of the native currency as logs of `0xee…ee`. */
  readonly traceTransfers: boolean
  /** Hold calls to the rules of transactions: nonces, balances, base fee. */
  readonly validation: boolean
}

const NONCE_MAX = (1n << 64n) - 1n
const ZERO_ADDRESS: Hex = `0x${'00'.repeat(20)}`

/** The error codes that execution-apis gives to what a simulation refuses. */
export const CODES = {
  nonceTooLow: -38_010,
  nonceTooHigh: -38_011,
  baseFeeTooLow: -38_012,
  intrinsicGas: -38_013,
  insufficientFunds: -38_014,
  blockGasLimit: -38_015,
  blockNumber: -38_020,
  blockTimestamp: -38_021,
  tooManyBlocks: -38_026,
  feeCap: -32_005,
  time: -32_016,
  internal: -32_603,
} as const

/** Whom a call is from; nobody, where it does not say. */
export const senderOf = ({ from = ZERO_ADDRESS }: CallRequest): Hex => lower(from)

/** Fills in what a call leaves open; nobody signs it. */
export function toTransaction(
  call: CallRequest & { readonly gas: bigint },
  journal: JournaledState,
  chainId: bigint,
): Transaction.SignedTransaction {
  const common = {
    nonce: call.nonce ?? journal.account(senderOf(call))?.nonce ?? 0n,
    gas: call.gas,
    to: call.to === undefined || call.to === null ? null : lower(call.to),
    value: call.value ?? 0n,
    data: hexToBytes(call.data ?? '0x'),
    yParity: 0 as const,
    r: 0n,
    s: 0n,
    chainId,
  }
  if (call.gasPrice !== undefined) {
    return call.accessList === undefined
      ? { ...common, type: 0, gasPrice: call.gasPrice }
      : { ...common, type: 1, gasPrice: call.gasPrice, accessList: call.accessList }
  }
  return {
    ...common,
    type: 2,
    maxFeePerGas: call.maxFeePerGas ?? call.maxPriorityFeePerGas ?? 0n,
    maxPriorityFeePerGas: call.maxPriorityFeePerGas ?? 0n,
    accessList: call.accessList ?? [],
  }
}

/** Runs one call in a block that will never be, and pays for it as a transaction does. @throws {SimulationError} */
export async function runCall(
  transaction: Transaction.SignedTransaction,
  sender: Hex,
  journal: JournaledState,
  context: BlockContext,
  evm: Evm,
  { validation, traceTransfers }: SimulationRules,
): Promise<SimulatedCall & { readonly ownLogs: readonly SimulatedLog[] }> {
  const account = journal.account(sender) ?? { nonce: 0n, balance: 0n, codeHash: EMPTY_CODE_HASH }
  const { gas, value } = transaction
  if (validation) assertValid(transaction, account.nonce, context)
  const price = Transaction.effectiveGasPrice(transaction, context.baseFeePerGas)
  const cost = gas * (validation ? Transaction.maxFeePerGas(transaction) : price) + value
  if (account.balance < cost) {
    throw new SimulationError(
      CODES.insufficientFunds,
      `insufficient funds for gas * price + value: address ${sender} have ${account.balance} want ${cost}`,
    )
  }
  const intrinsic = intrinsicGas(transaction, context.rules)
  const least = intrinsic.gas > intrinsic.floorGas ? intrinsic.gas : intrinsic.floorGas
  if (gas < least) {
    throw new SimulationError(CODES.intrinsicGas, `intrinsic gas too low: have ${gas}, want ${least}`)
  }
  journal.beginTransaction()
  journal.putAccount(sender, {
    ...account,
    // beyond the last one it begins again, as geth's does
    nonce: BigInt.asUintN(64, account.nonce + 1n),
    balance: account.balance - gas * price,
  })
  const transfers = createTransferLog(traceTransfers, (address) => journal.account(address)?.balance ?? 0n)
  const result = await evm.run(
    journal,
    context,
    {
      from: sender,
      to: transaction.to,
      data: transaction.data,
      value,
      gas: gas - intrinsic.gas,
      gasPrice: price,
      accessList: transaction.type === 0 ? [] : transaction.accessList,
      warm: [],
    },
    transfers.tracer,
  )
  const spent = intrinsic.gas + result.gasUsed
  const refunded = spent - min(result.gasRefund, spent / 5n)
  const gasUsed = refunded > intrinsic.floorGas ? refunded : intrinsic.floorGas
  journal.addBalance(sender, (gas - gasUsed) * price)
  const tip = price > context.baseFeePerGas ? price - context.baseFeePerGas : 0n
  journal.addBalance(context.feeRecipient, tip * gasUsed)
  if (context.rules.isOptimism) journal.addBalance(Predeploys.BASE_FEE_VAULT, (price - tip) * gasUsed)
  const returnData = bytesToHex(result.returnData)
  const common = { gasUsed, maxUsedGas: spent > intrinsic.floorGas ? spent : intrinsic.floorGas }
  if (result.failure !== undefined) {
    return {
      ...common,
      status: 0,
      returnData: '0x',
      logs: [],
      ownLogs: [],
      error: errorOf(result.failure, returnData),
    }
  }
  const ownLogs = result.logs
  return { ...common, status: 1, returnData, logs: transfers.logs(ownLogs), ownLogs }
}

function errorOf(failure: string, data: Hex) {
  const message = failureWords(failure)
  if (message !== 'execution reverted') return { code: -32_015, message }
  const reason = revertReason(data)
  return { code: 3, message: reason === undefined ? message : `${message}: ${reason}`, data }
}

function assertValid(
  transaction: Transaction.SignedTransaction,
  nonce: bigint,
  { baseFeePerGas }: BlockContext,
): void {
  if (transaction.nonce < nonce) {
    throw new SimulationError(CODES.nonceTooLow, `nonce too low: tx: ${transaction.nonce} state: ${nonce}`)
  }
  if (nonce === NONCE_MAX) throw new SimulationError(CODES.internal, `nonce has max value: ${nonce}`)
  if (transaction.nonce > nonce) {
    throw new SimulationError(CODES.nonceTooHigh, `nonce too high: tx: ${transaction.nonce} state: ${nonce}`)
  }
  const cap = Transaction.maxFeePerGas(transaction)
  if (cap < baseFeePerGas) {
    throw new SimulationError(
      CODES.baseFeeTooLow,
      `max fee per gas less than block base fee: maxFeePerGas: ${cap}, baseFee: ${baseFeePerGas}`,
    )
  }
}

const lower = (hex: Hex): Hex => hex.toLowerCase() as Hex
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)

/** Says why a simulation cannot be; `rpcCode` is execution-apis' code for it. */
export class SimulationError extends BaseError {
  readonly rpcCode: number

  constructor(rpcCode: number, message: string) {
    super({ code: 'engine.simulation', message, context: { rpcCode } })
    this.rpcCode = rpcCode
  }
}
