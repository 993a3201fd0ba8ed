import { BaseError, type Hex } from '@openledger/primitives'
import type { Crypto } from '../Crypto.ts'
import type { Log } from '../codec/Receipt.ts'
import * as Transaction from '../codec/Transaction.ts'
import type { JournaledState } from '../state/JournaledState.ts'
import { EMPTY_CODE_HASH } from '../state/WorldState.ts'
import type { ForkRules } from './Fork.ts'
import { type L1FeeParameters, l1Cost, operatorFee } from './L1Cost.ts'
import type { BlockContext, Evm } from './Message.ts'
import { BASE_FEE_VAULT, L1_FEE_VAULT, OPERATOR_FEE_VAULT } from './Predeploys.ts'

/** What executing one transaction gave. */
export type TransactionResult = {
  readonly status: 0 | 1
  readonly gasUsed: bigint
  readonly logs: readonly Log[]
  readonly returnData: Uint8Array
  readonly failure: string | undefined
  readonly contractAddress: Hex | undefined
  readonly effectiveGasPrice: bigint
  /** Absent on deposits. */
  readonly l1?: { readonly feeWei: bigint; readonly gasUsed: bigint }
  /** Deposits only: the sender's nonce before. */
  readonly depositNonce?: bigint
}

const TX_GAS = 21_000n
const TX_CREATE_GAS = 32_000n
const INIT_CODE_WORD_GAS = 2n
const INIT_CODE_SIZE_MAX = 49_152
const ZERO_BYTE_GAS = 4n
const NON_ZERO_BYTE_GAS = 16n
const NON_ZERO_BYTE_GAS_BEFORE_ISTANBUL = 68n
const BLOB_GAS = 131_072n
/** @see EIP-7825. */
const TX_GAS_MAX = 1n << 24n
const FLOOR_TOKEN_GAS = 10n
const ACCESS_LIST_ADDRESS_GAS = 2400n
const ACCESS_LIST_KEY_GAS = 1900n
const PER_EMPTY_ACCOUNT_GAS = 25_000n
const PER_AUTH_BASE_GAS = 12_500n
const NONCE_MAX = (1n << 64n) - 1n
const DELEGATION_PREFIX = Uint8Array.of(0xef, 0x01, 0x00)

/** What a transaction pays before its first opcode, and the least it pays in all, which is 0 before EIP-7623. */
export function intrinsicGas(
  transaction: Pick<Transaction.Transaction, 'to' | 'data'> & {
    readonly accessList?: Transaction.AccessList
    readonly authorizationList?: readonly unknown[]
  },
  rules: Pick<ForkRules, 'hasIstanbul' | 'hasShanghai' | 'hasPrague'>,
): { gas: bigint; floorGas: bigint } {
  const { data } = transaction
  let zeros = 0
  for (const byte of data) if (byte === 0) zeros++
  const zeroBytes = BigInt(zeros)
  const nonZeroBytes = BigInt(data.length) - zeroBytes
  const nonZeroByteGas = rules.hasIstanbul ? NON_ZERO_BYTE_GAS : NON_ZERO_BYTE_GAS_BEFORE_ISTANBUL
  let gas = TX_GAS + zeroBytes * ZERO_BYTE_GAS + nonZeroBytes * nonZeroByteGas
  if (transaction.to === null) {
    gas += TX_CREATE_GAS
    if (rules.hasShanghai) gas += INIT_CODE_WORD_GAS * BigInt(Math.ceil(data.length / 32))
  }
  for (const { storageKeys } of transaction.accessList ?? []) {
    gas += ACCESS_LIST_ADDRESS_GAS + ACCESS_LIST_KEY_GAS * BigInt(storageKeys.length)
  }
  gas += PER_EMPTY_ACCOUNT_GAS * BigInt(transaction.authorizationList?.length ?? 0)
  const floorGas = rules.hasPrague ? TX_GAS + FLOOR_TOKEN_GAS * (zeroBytes + 4n * nonZeroBytes) : 0n
  return { gas, floorGas }
}

/**
 * Checks what does not depend on the sender's account.
 * @throws {TransactionRejectedError}
 */
export function assertWellPriced(
  transaction: Transaction.SignedTransaction,
  context: { chainId: bigint; gasLimit: bigint; baseFeePerGas: bigint; rules: ForkRules },
): void {
  const { chainId, gas, data } = transaction
  const { rules } = context
  if (chainId !== undefined && chainId !== context.chainId) {
    throw new TransactionRejectedError('wrong_chain', `chain id ${context.chainId}`, `${chainId}`)
  }
  if (gas > context.gasLimit) {
    throw new TransactionRejectedError('gas_limit_exceeded', `at most ${context.gasLimit} gas`, `${gas}`)
  }
  if (rules.hasOsaka && gas > TX_GAS_MAX) {
    throw new TransactionRejectedError('gas_limit_exceeded', `at most ${TX_GAS_MAX} gas (EIP-7825)`, `${gas}`)
  }
  if (rules.hasShanghai && transaction.to === null && data.length > INIT_CODE_SIZE_MAX) {
    throw new TransactionRejectedError(
      'init_code_too_large',
      `at most ${INIT_CODE_SIZE_MAX} bytes of init code`,
      `${data.length}`,
    )
  }
  const intrinsic = intrinsicGas(transaction, rules)
  const least = max(intrinsic.gas, intrinsic.floorGas)
  if (transaction.type === 4 && !rules.hasPrague) {
    throw new TransactionRejectedError('type_not_supported', 'a type before Prague', '4')
  }
  if (transaction.type === 3 && (rules.isOptimism || !rules.hasCancun)) {
    throw new TransactionRejectedError('type_not_supported', 'a transaction without blobs', '3')
  }
  if (gas < least)
    throw new TransactionRejectedError('intrinsic_gas_too_low', `at least ${least} gas`, `${gas}`)
  const cap = Transaction.maxFeePerGas(transaction)
  const tip = Transaction.maxPriorityFeePerGas(transaction)
  if (tip > cap) {
    throw new TransactionRejectedError('tip_above_fee_cap', `a priority fee of at most ${cap}`, `${tip}`)
  }
  if (cap < context.baseFeePerGas) {
    throw new TransactionRejectedError(
      'underpriced',
      `at least ${context.baseFeePerGas} wei per gas`,
      `${cap}`,
    )
  }
}

/** The most that a transaction can cost its sender, value included, in wei. */
export function maxCost(
  transaction: Transaction.SignedTransaction,
  compressedLength: number,
  parameters: L1FeeParameters,
): bigint {
  return (
    transaction.gas * Transaction.maxFeePerGas(transaction) +
    transaction.value +
    (transaction.type === 3
      ? BLOB_GAS * BigInt(transaction.blobVersionedHashes.length) * transaction.maxFeePerBlobGas
      : 0n) +
    l1Cost(compressedLength, parameters).feeWei +
    operatorFee(transaction.gas, parameters)
  )
}

/** Tells whether an account may send transactions: EIP-3607, with EIP-7702's exception. */
export const isSenderCode = (code: Uint8Array): boolean =>
  code.length === 0 || (code.length === 23 && DELEGATION_PREFIX.every((byte, i) => code[i] === byte))

/** Everything that a transaction runs in. */
export type ExecutionContext = {
  readonly evm: Evm
  readonly crypto: Crypto
  readonly chainId: bigint
  readonly block: BlockContext
  /** Gas that the block has left. */
  readonly gasLeft: bigint
  /** Reads the fee parameters as the block's L1-info deposit left them. */
  readonly l1Parameters: () => L1FeeParameters
}

/**
 * Executes a signed transaction: checks it, buys its gas, runs it, and pays refunds, tip and vaults.
 *
 * @param compressedLength - The FastLZ length of the encoded transaction, which the L1 fee depends on.
 * @throws {TransactionRejectedError} before any change when the transaction may not be in this block.
 * @see OP specs, exec-engine, "Fees"; Isthmus, "Operator fee".
 */
export async function executeSigned(
  state: JournaledState,
  transaction: Transaction.SignedTransaction,
  sender: Hex,
  compressedLength: number,
  context: ExecutionContext,
): Promise<TransactionResult> {
  const { block, crypto } = context
  const { rules } = block
  assertWellPriced(transaction, {
    chainId: context.chainId,
    gasLimit: context.gasLeft,
    baseFeePerGas: block.baseFeePerGas,
    rules,
  })
  const account = state.account(sender) ?? { nonce: 0n, balance: 0n, codeHash: EMPTY_CODE_HASH }
  assertNonce(transaction.nonce, account.nonce)
  if (account.codeHash !== EMPTY_CODE_HASH && !isSenderCode(state.code(sender))) {
    throw new TransactionRejectedError('sender_has_code', 'a sender without code', sender)
  }
  const parameters = context.l1Parameters()
  const l1 = l1Cost(compressedLength, parameters)
  const cost = maxCost(transaction, compressedLength, parameters)
  if (account.balance < cost) {
    throw new TransactionRejectedError(
      'insufficient_funds',
      `a balance of at least ${cost} wei`,
      `${account.balance}`,
    )
  }
  const price = Transaction.effectiveGasPrice(transaction, block.baseFeePerGas)
  const { gas } = transaction
  state.beginTransaction()
  const blobs = transaction.type === 3 ? transaction.blobVersionedHashes : undefined
  const blobFee = BLOB_GAS * BigInt(blobs?.length ?? 0) * (block.blobBaseFee ?? 1n)
  const bought = gas * price + blobFee + l1.feeWei + operatorFee(gas, parameters)
  state.putAccount(sender, { ...account, nonce: account.nonce + 1n, balance: account.balance - bought })

  const intrinsic = intrinsicGas(transaction, rules)
  const delegation = transaction.type === 4 ? applyAuthorizations(state, transaction, context) : NO_DELEGATION
  const result = await context.evm.run(state, block, {
    from: sender,
    to: transaction.to,
    data: transaction.data,
    value: transaction.value,
    gas: gas - intrinsic.gas,
    gasPrice: price,
    accessList: transaction.type === 0 ? [] : transaction.accessList,
    warm: delegation.warm,
    ...(blobs === undefined ? {} : { blobVersionedHashes: blobs }),
  })
  const spent = intrinsic.gas + result.gasUsed
  const refund = min(result.gasRefund + delegation.refund, spent / (rules.hasLondon ? 5n : 2n))
  const gasUsed = max(spent - refund, intrinsic.floorGas)

  state.addBalance(
    sender,
    (gas - gasUsed) * price + operatorFee(gas, parameters) - operatorFee(gasUsed, parameters),
  )
  state.addBalance(block.feeRecipient, (price - block.baseFeePerGas) * gasUsed)
  if (rules.isOptimism) {
    state.addBalance(BASE_FEE_VAULT, block.baseFeePerGas * gasUsed)
    state.addBalance(L1_FEE_VAULT, l1.feeWei)
    state.addBalance(OPERATOR_FEE_VAULT, operatorFee(gasUsed, parameters))
  }
  return {
    status: result.failure === undefined ? 1 : 0,
    gasUsed,
    logs: result.logs,
    returnData: result.returnData,
    failure: result.failure,
    contractAddress:
      transaction.to === null ? Transaction.creationAddress(sender, transaction.nonce, crypto) : undefined,
    effectiveGasPrice: price,
    ...(rules.isOptimism ? { l1 } : {}),
  }
}

/**
 * Executes a deposit, which always is in the block: when it fails, its mint and its nonce stay.
 * @see OP specs, deposits, "Execution".
 */
export async function executeDeposit(
  state: JournaledState,
  deposit: Transaction.DepositTransaction,
  context: Pick<ExecutionContext, 'evm' | 'block' | 'crypto'>,
): Promise<TransactionResult> {
  state.beginTransaction()
  state.addBalance(deposit.from, deposit.mint)
  const account = state.account(deposit.from) ?? { nonce: 0n, balance: 0n, codeHash: EMPTY_CODE_HASH }
  const depositNonce = account.nonce
  state.putAccount(deposit.from, { ...account, nonce: account.nonce + 1n })
  const created =
    deposit.to === null ? Transaction.creationAddress(deposit.from, depositNonce, context.crypto) : undefined
  const failed = (failure: string): TransactionResult => ({
    status: 0,
    gasUsed: deposit.gas,
    logs: [],
    returnData: new Uint8Array(),
    failure,
    contractAddress: created,
    effectiveGasPrice: 0n,
    depositNonce,
  })
  const intrinsic = intrinsicGas(deposit, context.block.rules)
  const { floorGas } = intrinsic
  if (deposit.gas < max(intrinsic.gas, floorGas)) return failed('intrinsic gas too low')
  if (deposit.value > account.balance) return failed('insufficient balance')
  if (deposit.to === null && deposit.data.length > INIT_CODE_SIZE_MAX) return failed('init code too large')

  const result = await context.evm.run(state, context.block, {
    from: deposit.from,
    to: deposit.to,
    data: deposit.data,
    value: deposit.value,
    gas: deposit.gas - intrinsic.gas,
    gasPrice: 0n,
    accessList: [],
    warm: [],
  })
  const spent = intrinsic.gas + result.gasUsed
  const gasUsed = max(spent - min(result.gasRefund, spent / 5n), floorGas)
  return {
    status: result.failure === undefined ? 1 : 0,
    gasUsed,
    logs: result.logs,
    returnData: result.returnData,
    failure: result.failure,
    contractAddress: created,
    effectiveGasPrice: 0n,
    depositNonce,
  }
}

function assertNonce(nonce: bigint, expected: bigint): void {
  if (nonce < expected) throw new TransactionRejectedError('nonce_too_low', `nonce ${expected}`, `${nonce}`)
  if (nonce > expected) throw new TransactionRejectedError('nonce_too_high', `nonce ${expected}`, `${nonce}`)
  if (nonce === NONCE_MAX)
    throw new TransactionRejectedError('nonce_too_high', 'a nonce below 2^64-1', `${nonce}`)
}

type Delegation = { readonly warm: readonly Hex[]; readonly refund: bigint }
const NO_DELEGATION: Delegation = { warm: [], refund: 0n }

/** Sets the codes of accounts that signed for it; invalid authorizations are skipped. @see EIP-7702. */
function applyAuthorizations(
  state: JournaledState,
  transaction: Transaction.SetCodeTransaction,
  { chainId, crypto }: ExecutionContext,
): Delegation {
  const warm: Hex[] = []
  let refund = 0n
  for (const authorization of transaction.authorizationList) {
    if (authorization.chainId !== 0n && authorization.chainId !== chainId) continue
    if (authorization.nonce === NONCE_MAX) continue
    const authority = Transaction.authority(authorization, crypto)
    if (authority === undefined) continue
    warm.push(authority)
    if (!isSenderCode(state.code(authority))) continue
    const account = state.account(authority)
    if ((account?.nonce ?? 0n) !== authorization.nonce) continue
    if (account !== undefined) refund += PER_EMPTY_ACCOUNT_GAS - PER_AUTH_BASE_GAS
    const code = Transaction.delegationCode(authorization.address)
    const codeHash = code.length === 0 ? EMPTY_CODE_HASH : Transaction.hash(code, crypto)
    state.putCode(authority, code, codeHash)
    state.putAccount(authority, { ...state.account(authority)!, nonce: authorization.nonce + 1n })
  }
  return { warm, refund }
}

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)

export type RejectionReason =
  | 'wrong_chain'
  | 'gas_limit_exceeded'
  | 'da_footprint_exceeded'
  | 'init_code_too_large'
  | 'intrinsic_gas_too_low'
  | 'tip_above_fee_cap'
  | 'underpriced'
  | 'nonce_too_low'
  | 'nonce_too_high'
  | 'sender_has_code'
  | 'insufficient_funds'
  | 'already_known'
  | 'replacement_underpriced'
  | 'pool_full'
  | 'account_limit'
  | 'deposit_not_allowed'
  | 'type_not_supported'
  | 'too_large'

/** The words that Ethereum clients use, which wallets and libraries look for. */
const CLIENT_WORDS: Readonly<Record<RejectionReason, string>> = {
  wrong_chain: 'invalid chain id for signer',
  gas_limit_exceeded: 'exceeds block gas limit',
  da_footprint_exceeded: 'exceeds block DA footprint limit',
  init_code_too_large: 'max initcode size exceeded',
  intrinsic_gas_too_low: 'intrinsic gas too low',
  tip_above_fee_cap: 'max priority fee per gas higher than max fee per gas',
  underpriced: 'max fee per gas less than block base fee',
  nonce_too_low: 'nonce too low',
  nonce_too_high: 'nonce too high',
  sender_has_code: 'sender not an eoa',
  insufficient_funds: 'insufficient funds for gas * price + value',
  already_known: 'already known',
  replacement_underpriced: 'replacement transaction underpriced',
  pool_full: 'txpool is full',
  account_limit: 'account limit exceeded',
  deposit_not_allowed: 'transaction type not supported',
  type_not_supported: 'transaction type not supported',
  too_large: 'oversized data',
}

/** Says why a transaction may not enter the pool or the block; `code` is `transaction.` and the reason. */
export class TransactionRejectedError extends BaseError {
  readonly reason: RejectionReason

  constructor(reason: RejectionReason, expected: string, got: string) {
    super({
      code: `transaction.${reason}`,
      message: `${CLIENT_WORDS[reason]}: expected ${expected}, got ${got}`,
      context: { reason, expected, got },
    })
    this.reason = reason
  }
}
