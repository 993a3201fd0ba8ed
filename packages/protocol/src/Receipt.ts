import { Bytes, type Hex, MerkleSum } from '@openledger/primitives'
import { hashStruct, hashTypedData } from 'viem'
import type { SignedReceipt } from './http/money.ts'
import * as TypedData from './TypedData.ts'

/** What the serving node signs for one answer. Receipts of one node form a chain through `previousHash`. */
export type Receipt = {
  /** 1, 2, 3, ... without gaps: a missing receipt shows. */
  readonly sequence: bigint
  /** Hash of the receipt before; zero for the first. */
  readonly previousHash: Hex
  readonly payer: Hex
  readonly modelId: bigint
  /** keccak256 of the prompt's UTF-8 text as the model saw it. */
  readonly promptHash: Hex
  readonly answerHash: Hex
  readonly inputTokens: number
  readonly outputTokens: number
  readonly feeWei: bigint
  /** Version of the fee split in `FeePolicy` that this fee is divided by. */
  readonly splitVersion: number
  /** Version of the stake behind the model, which earns the stakers' part, in `Staking`; 0 before the first. */
  readonly stakeVersion: number
  /** Merkle-sum root over who earns how much of the contributors' part, accounts ascending. */
  readonly sharesRoot: Hex
  /** Hash of the canonical JSON of the whole attribution. */
  readonly attributionHash: Hex
  /** Fingerprint of the computation, bound to model, adapter and prompt. */
  readonly inferenceCommitment: Hex
  /** Unix seconds. */
  readonly timestamp: bigint
}

export const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`

/** Hashes a receipt as `Settlement` does (EIP-712 `hashStruct`, without the domain); links the chain of receipts. */
export const hash = (receipt: Receipt): Hex =>
  hashStruct({ data: receipt, primaryType: 'Receipt', types: TypedData.receipt })

/** Reads a receipt as it is shown in the form that is signed. */
export const ofShown = (shown: SignedReceipt): Receipt => ({
  sequence: BigInt(shown.sequence),
  previousHash: shown.previousHash,
  payer: shown.payer,
  modelId: BigInt(shown.modelId),
  promptHash: shown.promptHash,
  answerHash: shown.answerHash,
  inputTokens: shown.inputTokens,
  outputTokens: shown.outputTokens,
  feeWei: BigInt(shown.feeWei),
  splitVersion: shown.splitVersion,
  stakeVersion: shown.stakeVersion,
  sharesRoot: shown.sharesRoot,
  attributionHash: shown.attributionHash,
  inferenceCommitment: shown.inferenceCommitment,
  timestamp: BigInt(shown.timestamp),
})

/** Gives the digest that the serving node signs, and a payer who countersigns. */
export const digest = (receipt: Receipt, domain: TypedData.Domain): Hex =>
  hashTypedData({ domain, types: TypedData.receipt, primaryType: 'Receipt', message: receipt })

/**
 * Commits to who earns how much of the contributors' part: a Merkle-sum root over the accounts, ascending.
 * @param earned - Each account once, amounts above zero, in any order.
 */
export function sharesRoot(earned: readonly { readonly account: Hex; readonly amountWei: bigint }[]): Hex {
  const leaves = earned
    .toSorted((a, b) => (a.account < b.account ? -1 : 1))
    .map(({ account, amountWei }) => MerkleSum.leaf(Bytes.fromHex(account), amountWei))
  return Bytes.toHex(MerkleSum.build(leaves).root.hash)
}

/** The receipt's leaf in its batch: `keccak(hash ‖ keccak(signature))`, and the fee as sum. */
export const leaf = (receipt: Receipt, signature: Hex): MerkleSum.Node => ({
  hash: Bytes.keccak256(
    Bytes.concat(Bytes.fromHex(hash(receipt)), Bytes.keccak256(Bytes.fromHex(signature))),
  ),
  sum: receipt.feeWei,
})
