export {
  type Accounts,
  ApiKeyLimitError,
  ApiKeyRevokedError,
  type Balance,
  createAccounts,
  type Hold,
  HoldExceededError,
  HoldGoneError,
  InsufficientBalanceError,
  OperatorNotCoveredError,
} from './Accounts.ts'
export {
  ApiKeyCountError,
  ApiKeyNotFoundError,
  type ApiKeys,
  createApiKeys,
  type KeyHolder,
} from './ApiKeys.ts'
export { type AuditOptions, auditBatches, type BatchAudit, proofBytes } from './auditBatches.ts'
export * as Batch from './Batch.ts'
export { type BatchStates, createBatchStates } from './BatchStates.ts'
export * as ChallengeWindow from './ChallengeWindow.ts'
export { claimCall, packClaims } from './ClaimProofs.ts'
export { type Contract, createContract, type ModelTerms, readContests } from './Contract.ts'
export * as CourtCall from './CourtCall.ts'
export * as Credits from './Credits.ts'
export { createDefence, type Defence, postedOf } from './Defence.ts'
export { createEarnings, type Earnings } from './Earnings.ts'
export {
  bookOf,
  createLedger,
  emptyBook,
  type Ledger,
  LedgerLineNotFoundError,
  LedgerNotFinalError,
  NothingToClaimError,
} from './Ledger.ts'
export {
  type Authorization,
  createPayments,
  PaymentInvalidError,
  PaymentRefusedError,
  PaymentReplayedError,
  type Payments,
} from './Payments.ts'
export { type AttributionDraft, payOut, SharesSumError } from './PayOut.ts'
export {
  type Answer,
  createReceipts,
  ModelRetiredError,
  type ReceiptFilter,
  ReceiptNotFoundError,
  ReceiptNotSettledError,
  type Receipts,
} from './Receipts.ts'
export {
  type CorrectShares,
  NotOverturnedError,
  OperatorSuspendedError,
  OperatorUnbondedError,
  OtherSharesError,
} from './Recovery.ts'
export { createRefunds, type RefundRequest, type Refunds } from './Refunds.ts'
export { type ChainOfBatches, LedgerAuditError, readBatches } from './readBatches.ts'
export { proveRebuilt, type RebuiltLedger, rebuildLedger } from './rebuildLedger.ts'
export { createSettlement, type Settlement, type SettlementDependencies } from './Settlement.ts'
export {
  createSettler,
  type Settler,
  type SettlerOptions,
  type SettlerStatus,
} from './Settler.ts'
export { type Shown, sharesOf } from './Shown.ts'
export {
  createUptoPayments,
  PaymentExceededError,
  Permit2AllowanceError,
  type UptoAuthorization,
  type UptoPayment,
  type UptoPayments,
} from './UptoPayments.ts'
