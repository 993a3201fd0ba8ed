export { bytesToHex, hexToBytes } from '@ethereumjs/util'
export * as BaseFee from './BaseFee.ts'
export * from './BlockExecution.ts'
export * as Bloom from './Bloom.ts'
export { type Crypto, loadCrypto, plainCrypto } from './Crypto.ts'
export * as Deposit from './Deposit.ts'
export type { BlockContext, Evm, Message, MessageResult } from './Evm.ts'
export { createEvm } from './Evm.ts'
export { type Fork, type ForkRules, rulesOf } from './Fork.ts'
export type { Genesis, GenesisAccount, OptimismConfig } from './Genesis.ts'
export * as Header from './Header.ts'
export {
  type AccountFields,
  createJournaledState,
  createStateReader,
  type JournaledState,
  type StateReader,
} from './JournaledState.ts'
export type { L1FeeParameters } from './L1Cost.ts'
export * as L1Cost from './L1Cost.ts'
export type { L1Info as L1InfoValues } from './L1Info.ts'
export * as L1Info from './L1Info.ts'
export { type OutputRootProof, outputRoot } from './OutputRoot.ts'
export * as Predeploys from './Predeploys.ts'
export * as Receipt from './Receipt.ts'
export * as Rlp from './Rlp.ts'
export * as Transaction from './Transaction.ts'
export * from './TransactionExecution.ts'
export * as Trie from './Trie.ts'
export * from './WorldState.ts'
