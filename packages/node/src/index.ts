export { type BatcherOptions, createBatcher } from './batcher/createBatcher.ts'
export { type Challenger, type ChallengerOptions, createChallenger } from './challenger/createChallenger.ts'
export { createGenesis, type GenesisOptions } from './deployment/createGenesis.ts'
export {
  type Beneficiaries,
  deployL1,
  GUARDIAN_TIMES,
  type GuardianTimes,
  type L1Deployment,
} from './deployment/deployL1.ts'
export { deployL2, readDeployment } from './deployment/deployL2.ts'
export {
  type ChainExport,
  exportChain,
  genesisHash,
  type L1ChainConfig,
} from './deployment/exportChain.ts'
export type { Funding } from './deployment/fundL2.ts'
export {
  developmentParameters,
  type L2Parameters,
  productionParameters,
} from './deployment/L2Parameters.ts'
export {
  createNetworkFolder,
  L1_ROLES,
  NETWORK_ROLES,
  type NetworkRole,
  nodeKeysOf,
  type OwnNetwork,
  readNetworkFolder,
} from './deployment/NetworkFolder.ts'
export {
  createRollupConfig,
  type LaterForks,
  type RollupConfig,
  rollupConfigSchema,
} from './deployment/RollupConfig.ts'
export {
  createEmbeddedEngine,
  type EmbeddedEngine,
  type EmbeddedEngineOptions,
} from './engine/EmbeddedEngine.ts'
export type {
  BlockRecord,
  CallRequest,
  CallResult,
  ChainEngine,
  Engine,
  LogRecord,
  ReceiptRecord,
  TransactionRecord,
} from './engine/Engine.ts'
export {
  createExecutionNode,
  type ExecutionNode,
  type ExecutionNodeOptions,
} from './engineApi/createExecutionNode.ts'
export {
  createRemoteEngine,
  type RemoteEngine,
  type RemoteEngineOptions,
} from './engineApi/createRemoteEngine.ts'
export * as Jwt from './engineApi/Jwt.ts'
export {
  createDevelopmentL1,
  type DevelopmentL1,
  type DevelopmentL1Options,
  stopDevelopmentL1,
} from './l1/DevelopmentL1.ts'
export { connectL1, type L1 } from './l1/L1.ts'
export { createL1View, type L1ViewOptions } from './l1/L1View.ts'
export { createNode, type Node } from './node/createNode.ts'
export { createVerifierNode, type VerifierNode, type VerifierNodeOptions } from './node/createVerifierNode.ts'
export { type L1Origin, l1OriginOf } from './node/L1Origin.ts'
export { type Logger, silentLogger } from './node/Logger.ts'
export type { NodeKeys, NodeOptions } from './node/NodeOptions.ts'
export { createProposer, type ProposerOptions } from './proposer/createProposer.ts'
export { createRpcServer, type RpcServer, type RpcServerOptions } from './rpc/createRpcServer.ts'
export type { L1View, SystemConfig } from './sequencer/L1View.ts'
export { createSequencer, type Sequencer, type SequencerOptions } from './sequencer/Sequencer.ts'
export { derivationConfigOf } from './verifier/derivationConfig.ts'
export { createVerifier, type Verifier, type VerifierOptions } from './verifier/Verifier.ts'
