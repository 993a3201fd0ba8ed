export {
  type Agent,
  type AgentOptions,
  createAgent,
  NoModelError,
  type PaidAnswer,
  PaymentRefusedError,
} from './Agent.ts'
export {
  AgentTransactionError,
  type ProvisionedAgent,
  type ProvisionOptions,
  provisionAgent,
  type SessionLimits,
} from './Provisioning.ts'
