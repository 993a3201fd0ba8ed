import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import type { Hex } from '@openledger/primitives'
import { type Crypto, plainCrypto } from './Crypto.ts'
import * as Rlp from './Rlp.ts'

/** A block header as of Isthmus; names are those of `eth_getBlockByNumber`. */
export type Header = {
  readonly parentHash: Hex
  readonly sha3Uncles: Hex
  /** The fee recipient. */
  readonly miner: Hex
  readonly stateRoot: Hex
  readonly transactionsRoot: Hex
  readonly receiptsRoot: Hex
  readonly logsBloom: Hex
  readonly difficulty: bigint
  readonly number: bigint
  readonly gasLimit: bigint
  readonly gasUsed: bigint
  readonly timestamp: bigint
  readonly extraData: Hex
  /** The previous RANDAO. */
  readonly mixHash: Hex
  readonly nonce: Hex
  readonly baseFeePerGas: bigint
  /** The storage root of the L2ToL1MessagePasser; before Isthmus the root of an empty list. */
  readonly withdrawalsRoot: Hex
  readonly blobGasUsed: bigint
  readonly excessBlobGas: bigint
  readonly parentBeaconBlockRoot: Hex
  /** Absent before Isthmus. */
  readonly requestsHash?: Hex
}

/** Keccak-256 of an empty RLP list. */
export const EMPTY_UNCLES_HASH: Hex = '0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347'
/** The root of an empty trie: Keccak-256 of empty RLP bytes. */
export const EMPTY_ROOT: Hex = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'
/** SHA-256 of nothing: the OP Stack carries no execution requests. */
export const EMPTY_REQUESTS_HASH: Hex = '0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** Lists a header's fields in RLP order. */
export function fields(header: Header): Rlp.RlpInput[] {
  const items: Rlp.RlpInput[] = [
    hexToBytes(header.parentHash),
    hexToBytes(header.sha3Uncles),
    hexToBytes(header.miner),
    hexToBytes(header.stateRoot),
    hexToBytes(header.transactionsRoot),
    hexToBytes(header.receiptsRoot),
    hexToBytes(header.logsBloom),
    header.difficulty,
    header.number,
    header.gasLimit,
    header.gasUsed,
    header.timestamp,
    hexToBytes(header.extraData),
    hexToBytes(header.mixHash),
    hexToBytes(header.nonce),
    header.baseFeePerGas,
    hexToBytes(header.withdrawalsRoot),
    header.blobGasUsed,
    header.excessBlobGas,
    hexToBytes(header.parentBeaconBlockRoot),
  ]
  if (header.requestsHash !== undefined) items.push(hexToBytes(header.requestsHash))
  return items
}

export const encode = (header: Header): Uint8Array => Rlp.encode(fields(header))

/** Hashes the encoded header: the block's id. */
export const hash = (header: Header, crypto: Crypto = plainCrypto): Hex =>
  bytesToHex(crypto.keccak256(encode(header)))

/**
 * Decodes a header of Ecotone or later.
 * @throws {MalformedRlpError}
 */
export function decode(encoded: Uint8Array): Header {
  const items = Rlp.list(Rlp.decode(encoded), 'a header')
  if (items.length !== 20) Rlp.list(items, 'a header', 21)
  const word = (index: number, name: string, sizeBytes = 32): Hex =>
    bytesToHex(Rlp.bytes(items[index], name, sizeBytes))
  return {
    parentHash: word(0, 'parentHash'),
    sha3Uncles: word(1, 'sha3Uncles'),
    miner: word(2, 'miner', 20),
    stateRoot: word(3, 'stateRoot'),
    transactionsRoot: word(4, 'transactionsRoot'),
    receiptsRoot: word(5, 'receiptsRoot'),
    logsBloom: word(6, 'logsBloom', 256),
    difficulty: Rlp.uint(items[7], 'difficulty'),
    number: Rlp.uint64(items[8], 'number'),
    gasLimit: Rlp.uint64(items[9], 'gasLimit'),
    gasUsed: Rlp.uint64(items[10], 'gasUsed'),
    timestamp: Rlp.uint64(items[11], 'timestamp'),
    extraData: bytesToHex(Rlp.bytes(items[12], 'extraData')),
    mixHash: word(13, 'mixHash'),
    nonce: word(14, 'nonce', 8),
    baseFeePerGas: Rlp.uint(items[15], 'baseFeePerGas'),
    withdrawalsRoot: word(16, 'withdrawalsRoot'),
    blobGasUsed: Rlp.uint64(items[17], 'blobGasUsed'),
    excessBlobGas: Rlp.uint64(items[18], 'excessBlobGas'),
    parentBeaconBlockRoot: word(19, 'parentBeaconBlockRoot'),
    ...(items.length === 21 ? { requestsHash: word(20, 'requestsHash') } : {}),
  }
}
