export { bytesToHex, hexToBytes } from '@ethereumjs/util'
export { type Crypto, loadCrypto, plainCrypto } from './Crypto.ts'
export type { SingularBatch } from './codec/Batch.ts'
export * as Batch from './codec/Batch.ts'
export * as Bloom from './codec/Bloom.ts'
export * as Channel from './codec/Channel.ts'
export * as Deposit from './codec/Deposit.ts'
export * as Frame from './codec/Frame.ts'
export * as Header from './codec/Header.ts'
export { inflate } from './codec/Inflate.ts'
export type { L1Info as L1InfoValues } from './codec/L1Info.ts'
export * as L1Info from './codec/L1Info.ts'
export { type OutputRootProof, outputRoot } from './codec/OutputRoot.ts'
export * as Receipt from './codec/Receipt.ts'
export * as Rlp from './codec/Rlp.ts'
export * as SpanBatch from './codec/SpanBatch.ts'
export type { SystemConfig as SystemConfigValues } from './codec/SystemConfig.ts'
export * as SystemConfig from './codec/SystemConfig.ts'
export * as Transaction from './codec/Transaction.ts'
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
export { jovianUpgrade, karstUpgrade, type UpgradeBundle } from './derivation/Upgrades.ts'
export * as BaseFee from './execution/BaseFee.ts'
export * from './execution/BlockExecution.ts'
export { createEvm } from './execution/Evm.ts'
export {
  type EthereumFork,
  type Fork,
  type ForkRules,
  rulesOf,
  type Schedule,
  scheduleOf,
} from './execution/Fork.ts'
export type { Genesis, GenesisAccount, OptimismConfig } from './execution/Genesis.ts'
export type { L1FeeParameters } from './execution/L1Cost.ts'
export * as L1Cost from './execution/L1Cost.ts'
export type {
  BlockContext,
  Evm,
  EvmFrame,
  EvmStep,
  EvmTracer,
  Message,
  MessageResult,
} from './execution/Message.ts'
export * as Predeploys from './execution/Predeploys.ts'
export * from './execution/TransactionExecution.ts'
export * as Kzg from './Kzg.ts'
export {
  type AccountFields,
  createJournaledState,
  createStateReader,
  type JournaledState,
  type StateReader,
} from './state/JournaledState.ts'
export type { PageRow } from './state/PageWriter.ts'
export * from './state/StatePages.ts'
export * as Trie from './state/Trie.ts'
export * from './state/WorldState.ts'
