export {
  type Bridge,
  createBridge,
  createChains,
  type DepositResult,
  type Wallet,
  type Withdrawal,
  type WithdrawalProgress,
  type WithdrawalStage,
} from './bridge.ts'
export { type Client, type ClientOptions, createClient, type Signer, signerOf } from './Client.ts'
export * as Governance from './Governance.ts'
export * as Parameters from './Parameters.ts'
export * as SecurityStake from './SecurityStake.ts'
export { ProblemError } from './Transport.ts'
export { trainingEvents } from './trainingEvents.ts'
export * as ValidatorPanel from './ValidatorPanel.ts'
