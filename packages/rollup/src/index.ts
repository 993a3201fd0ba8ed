export { bytesToHex, hexToBytes } from '@ethereumjs/util'
export * as BaseFee from './BaseFee.ts'
export type { SingularBatch } from './Batch.ts'
export * as Batch from './Batch.ts'
export * from './BlockExecution.ts'
export * as Bloom from './Bloom.ts'
export * as Channel from './Channel.ts'
export { type Crypto, loadCrypto, plainCrypto } from './Crypto.ts'
export * as Deposit from './Deposit.ts'
export { type BlockInputs, buildAttributes, OriginOrderError } from './derivation/Attributes.ts'
export {
  type BatchContext,
  judgeSingular,
  judgeSpan,
  type KnownBlock,
  type Verdict,
} from './derivation/BatchRules.ts'
export * as Blob from './derivation/Blob.ts'
export type { L1Block, L1Input, L1Log, L1Transaction, L2Block } from './derivation/Block.ts'
export {
  activatedBy,
  CHANNEL_TIMEOUT_BLOCKS,
  type DerivationConfig,
  SEQUENCER_DRIFT_SECONDS_MAX,
  type TimedFork,
  type Upgrade,
} from './derivation/Config.ts'
export {
  createDerivation,
  type Derivation,
  type DerivationOptions,
  type DerivedBlock,
  L1DiscontinuityError,
} from './derivation/Derivation.ts'
export type {
  BlockContext,
  Evm,
  EvmFrame,
  EvmStep,
  EvmTracer,
  Message,
  MessageResult,
} from './Evm.ts'
export { createEvm } from './Evm.ts'
export { type EthereumFork, type Fork, type ForkRules, rulesOf, type Schedule, scheduleOf } from './Fork.ts'
export * as Frame from './Frame.ts'
export type { Genesis, GenesisAccount, OptimismConfig } from './Genesis.ts'
export * as Header from './Header.ts'
export { inflate } from './Inflate.ts'
export {
  type AccountFields,
  createJournaledState,
  createStateReader,
  type JournaledState,
  type StateReader,
} from './JournaledState.ts'
export * as Kzg from './Kzg.ts'
export type { L1FeeParameters } from './L1Cost.ts'
export * as L1Cost from './L1Cost.ts'
export type { L1Info as L1InfoValues } from './L1Info.ts'
export * as L1Info from './L1Info.ts'
export { type OutputRootProof, outputRoot } from './OutputRoot.ts'
export * as Predeploys from './Predeploys.ts'
export * as Receipt from './Receipt.ts'
export * as Rlp from './Rlp.ts'
export * as SpanBatch from './SpanBatch.ts'
export type { SystemConfig as SystemConfigValues } from './SystemConfig.ts'
export * as SystemConfig from './SystemConfig.ts'
export * as Transaction from './Transaction.ts'
export * from './TransactionExecution.ts'
export * as Trie from './Trie.ts'
export * from './WorldState.ts'
