import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import type { Hex } from '@openledger/primitives'
import { type Crypto, plainCrypto } from '../Crypto.ts'
import type { ForkRules } from '../execution/Fork.ts'
import * as Rlp from './Rlp.ts'

/**
 * From which fork a header's form is, where that is before Ecotone: how many of the last fields its encoding lacks.
 * No block of an OP Stack chain of ours has such a header.
 */
export type Era = 'frontier' | 'london' | 'shanghai'

const FIELDS: Readonly<Record<Era, number>> = { frontier: 15, london: 16, shanghai: 17 }

/** A block header as of Isthmus; names are those of `eth_getBlockByNumber`. */
export type Header = {
  /** Absent from Ecotone on. Fields that the form lacks are zero. */
  readonly era?: Era
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
  return header.era === undefined ? items : items.slice(0, FIELDS[header.era])
}

export const encode = (header: Header): Uint8Array => Rlp.encode(fields(header))

/** Hashes the encoded header: the block's id. */
export const hash = (header: Header, crypto: Crypto = plainCrypto): Hex =>
  bytesToHex(crypto.keccak256(encode(header)))

/** Names the form of a header under a fork's rules. */
export const formOf = ({
  hasCancun,
  hasShanghai,
  hasLondon,
}: Pick<ForkRules, 'hasCancun' | 'hasShanghai' | 'hasLondon'>): { readonly era?: Era } =>
  hasCancun ? {} : { era: hasShanghai ? 'shanghai' : hasLondon ? 'london' : 'frontier' }

/** What code reads as randomness: the previous RANDAO, and before Ethereum's merge the difficulty. */
export const randomness = ({ difficulty, mixHash }: Header): Hex =>
  difficulty === 0n ? mixHash : `0x${difficulty.toString(16).padStart(64, '0')}`

/**
 * Decodes a header.
 * @throws {MalformedRlpError}
 */
export function decode(encoded: Uint8Array): Header {
  const items = Rlp.list(Rlp.decode(encoded), 'a header')
  const era = ERAS.find((known) => FIELDS[known] === items.length)
  if (items.length !== 20 && era === undefined) Rlp.list(items, 'a header', 21)
  const has = (index: number): boolean => index < items.length
  const word = (index: number, name: string, sizeBytes = 32): Hex =>
    has(index) ? bytesToHex(Rlp.bytes(items[index], name, sizeBytes)) : `0x${'00'.repeat(sizeBytes)}`
  const uint64 = (index: number, name: string): bigint => (has(index) ? Rlp.uint64(items[index], name) : 0n)
  return {
    ...(era === undefined ? {} : { era }),
    parentHash: word(0, 'parentHash'),
    sha3Uncles: word(1, 'sha3Uncles'),
    miner: word(2, 'miner', 20),
    stateRoot: word(3, 'stateRoot'),
    transactionsRoot: word(4, 'transactionsRoot'),
    receiptsRoot: word(5, 'receiptsRoot'),
    logsBloom: word(6, 'logsBloom', 256),
    difficulty: Rlp.uint(items[7], 'difficulty'),
    number: uint64(8, 'number'),
    gasLimit: uint64(9, 'gasLimit'),
    gasUsed: uint64(10, 'gasUsed'),
    timestamp: uint64(11, 'timestamp'),
    extraData: bytesToHex(Rlp.bytes(items[12], 'extraData')),
    mixHash: word(13, 'mixHash'),
    nonce: word(14, 'nonce', 8),
    baseFeePerGas: has(15) ? Rlp.uint(items[15], 'baseFeePerGas') : 0n,
    withdrawalsRoot: word(16, 'withdrawalsRoot'),
    blobGasUsed: uint64(17, 'blobGasUsed'),
    excessBlobGas: uint64(18, 'excessBlobGas'),
    parentBeaconBlockRoot: word(19, 'parentBeaconBlockRoot'),
    ...(has(20) ? { requestsHash: word(20, 'requestsHash') } : {}),
  }
}

const ERAS = ['frontier', 'london', 'shanghai'] as const
