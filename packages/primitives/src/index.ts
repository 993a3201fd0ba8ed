export { BaseError, type Severity } from './BaseError.ts'
export type { Hex } from './Bytes.ts'
export * as Bytes from './Bytes.ts'
export * as CanonicalJson from './CanonicalJson.ts'
export type { Clock } from './Clock.ts'
export { systemClock } from './Clock.ts'
export {
  createGrowingMerkleSum,
  type GrowingMerkleSum,
  packSiblings,
} from './GrowingMerkleSum.ts'
export * as Merkle from './Merkle.ts'
export * as MerkleSum from './MerkleSum.ts'
export * as Open from './Open.ts'
export * as Share from './Share.ts'
export * as Wasm from './Wasm.ts'
