export {
  type Agent,
  type AgentOptions,
  createAgent,
  NoModelError,
  type PaidAnswer,
  PaymentRefusedError,
} from './Agent.ts'
export * as Guarantees from './Guarantees.ts'
export {
  AgentUnregisteredError,
  type ProvisionedAgent,
  type ProvisionOptions,
  type ProvisionStep,
  provisionAgent,
} from './Provisioning.ts'
export * as RegistryCalls from './RegistryCalls.ts'
export * as WalletCalls from './WalletCalls.ts'
