import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import { Bytes, type Hex } from '@openledger/primitives'
import { type Crypto, plainCrypto } from '../Crypto.ts'
import * as Bloom from './Bloom.ts'
import * as Rlp from './Rlp.ts'
import type { TransactionType } from './Transaction.ts'

export type Log = { readonly address: Hex; readonly topics: readonly Hex[]; readonly data: Hex }

/** The part of a receipt that the receipts root commits to. */
export type Receipt = {
  readonly type: TransactionType
  readonly status: 0 | 1
  /** The state root after the transaction, which receipts have in the status's place before Byzantium. */
  readonly root?: Hex
  readonly cumulativeGasUsed: bigint
  readonly logs: readonly Log[]
  /** The sender's nonce before a deposit. */
  readonly depositNonce?: bigint
  /** 1 since Canyon, on deposits. */
  readonly depositReceiptVersion?: bigint
}

/** Encodes a receipt as it stands in the receipts trie. */
export function encode(receipt: Receipt, bloom: Uint8Array): Uint8Array {
  const items: Rlp.RlpInput[] = [
    receipt.root === undefined ? receipt.status : hexToBytes(receipt.root),
    receipt.cumulativeGasUsed,
    bloom,
    receipt.logs.map(({ address, topics, data }) => [
      hexToBytes(address),
      topics.map((topic) => hexToBytes(topic)),
      hexToBytes(data),
    ]),
  ]
  if (receipt.depositNonce !== undefined) {
    items.push(receipt.depositNonce)
    if (receipt.depositReceiptVersion !== undefined) items.push(receipt.depositReceiptVersion)
  }
  const body = Rlp.encode(items)
  return receipt.type === 0 ? body : Bytes.concat(Uint8Array.of(receipt.type), body)
}

/**
 * Decodes a receipt and drops its bloom, which follows from the logs.
 * @throws {MalformedRlpError}
 */
export function decode(encoded: Uint8Array): Receipt {
  const type = encoded[0] !== undefined && encoded[0] < 0xc0 ? encoded[0] : 0
  const items = Rlp.list(Rlp.decode(type === 0 ? encoded : encoded.subarray(1)), 'a receipt')
  if (type !== 0x7e) Rlp.list(items, 'a receipt', 4)
  const status = Rlp.bytes(items[0], 'status')
  return {
    type: type as TransactionType,
    status: status.length === 1 && status[0] === 1 ? 1 : 0,
    ...(status.length === 32 ? { root: bytesToHex(status) } : {}),
    cumulativeGasUsed: Rlp.uint64(items[1], 'cumulativeGasUsed'),
    logs: Rlp.list(items[3], 'logs').map((entry) => {
      const [address, topics, data] = Rlp.list(entry, 'log', 3)
      return {
        address: bytesToHex(Rlp.bytes(address, 'address', 20)),
        topics: Rlp.list(topics, 'topics').map((topic) => bytesToHex(Rlp.bytes(topic, 'topic', 32))),
        data: bytesToHex(Rlp.bytes(data, 'data')),
      }
    }),
    ...(items.length > 4 ? { depositNonce: Rlp.uint64(items[4], 'depositNonce') } : {}),
    ...(items.length > 5 ? { depositReceiptVersion: Rlp.uint64(items[5], 'depositReceiptVersion') } : {}),
  }
}

/** Sums a receipt's logs up in 2,048 bits. */
export function bloomOf(logs: readonly Log[], crypto: Crypto = plainCrypto): Uint8Array {
  const bloom = Bloom.create()
  for (const { address, topics } of logs) {
    Bloom.add(bloom, hexToBytes(address), crypto)
    for (const topic of topics) Bloom.add(bloom, hexToBytes(topic), crypto)
  }
  return bloom
}
