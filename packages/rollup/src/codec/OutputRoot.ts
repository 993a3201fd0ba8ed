import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import { Bytes, type Hex } from '@openledger/primitives'
import { type Crypto, plainCrypto } from '../Crypto.ts'

export type OutputRootProof = {
  readonly stateRoot: Hex
  readonly messagePasserStorageRoot: Hex
  readonly blockHash: Hex
}

/**
 * Commits to the L2 after a block, version 0: what the L1 checks withdrawals against.
 * @see OP specs, proposals, "L2 Output Commitment Construction".
 */
export const outputRoot = (proof: OutputRootProof, crypto: Crypto = plainCrypto): Hex =>
  bytesToHex(
    crypto.keccak256(
      Bytes.concat(
        new Uint8Array(32),
        hexToBytes(proof.stateRoot),
        hexToBytes(proof.messagePasserStorageRoot),
        hexToBytes(proof.blockHash),
      ),
    ),
  )
