import type { Hex } from '@openledger/primitives'
import { bytesToHex, hexToBytes, type L1FeeParameters, Receipt, Rlp } from '@openledger/rollup'

/** One block as it lies on disk. */
export type StoredBlock = {
  readonly number: bigint
  readonly hash: Hex
  readonly header: Uint8Array
  readonly transactions: readonly { readonly raw: Uint8Array; readonly hash: Hex; readonly sender: Hex }[]
  /** None where they were forgotten. */
  readonly receipts: readonly Receipt.Receipt[]
  /** Decoded headers and withdrawals, which only a block of Ethereum itself has. */
  readonly ommers?: readonly Rlp.RlpItem[]
  readonly withdrawals?: readonly Rlp.RlpItem[]
  /** Absent on block 0, and on Ethereum itself. */
  readonly l1Parameters: L1FeeParameters | undefined
}

/** Writes transactions with their senders, ommers and withdrawals. */
export const encodeBody = ({ transactions, ommers = [], withdrawals = [] }: StoredBlock): Uint8Array =>
  Rlp.encode([transactions.map(({ raw, sender }) => [raw, hexToBytes(sender)]), ommers, withdrawals])

/** Writes receipts without their blooms, which follow from the logs. */
export const encodeReceipts = (receipts: readonly Receipt.Receipt[]): Uint8Array =>
  Rlp.encode(receipts.map((receipt) => Receipt.encode(receipt, NO_BYTES)))

/** A row of the table of blocks. */
export type BlockRow = {
  number: number
  hash: Uint8Array
  header: Uint8Array
  body: Uint8Array
  receipts: Uint8Array
  l1: Uint8Array
}

/** Reads a block out of its row. */
export function blockOf(row: BlockRow): StoredBlock {
  const [signed, ommers, withdrawals] = Rlp.list(Rlp.decode(row.body), 'body', 3)
  const transactions = Rlp.list(signed, 'transactions').map((item) => {
    const [raw, sender] = Rlp.list(item, 'transaction', 2)
    return {
      raw: Rlp.bytes(raw, 'raw'),
      hash: '0x' as Hex,
      sender: bytesToHex(Rlp.bytes(sender, 'sender', 20)),
    }
  })
  return {
    number: BigInt(row.number),
    hash: bytesToHex(row.hash),
    header: row.header,
    transactions,
    receipts:
      row.receipts.length === 0
        ? []
        : Rlp.list(Rlp.decode(row.receipts), 'receipts').map((item) =>
            Receipt.decode(Rlp.bytes(item, 'receipt')),
          ),
    ommers: Rlp.list(ommers, 'ommers'),
    withdrawals: Rlp.list(withdrawals, 'withdrawals'),
    l1Parameters: decodeL1Parameters(row.l1),
  }
}

const NO_BYTES = new Uint8Array()

export const encodeL1Parameters = (parameters: L1FeeParameters | undefined): Uint8Array =>
  parameters === undefined
    ? NO_BYTES
    : Rlp.encode([
        parameters.baseFee,
        parameters.blobBaseFee,
        parameters.baseFeeScalar,
        parameters.blobBaseFeeScalar,
        parameters.operatorFeeScalar,
        parameters.operatorFeeConstant,
        ...(parameters.daFootprintGasScalar === undefined ? [] : [parameters.daFootprintGasScalar]),
      ])

function decodeL1Parameters(bytes: Uint8Array): L1FeeParameters | undefined {
  if (bytes.length === 0) return undefined
  const [
    baseFee,
    blobBaseFee,
    baseFeeScalar,
    blobBaseFeeScalar,
    operatorFeeScalar,
    operatorFeeConstant,
    daFootprintGasScalar,
  ] = Rlp.list(Rlp.decode(bytes), 'L1 parameters').map((item) => Rlp.uint(item, 'L1 parameter'))
  return {
    baseFee: baseFee!,
    blobBaseFee: blobBaseFee!,
    baseFeeScalar: baseFeeScalar!,
    blobBaseFeeScalar: blobBaseFeeScalar!,
    operatorFeeScalar: operatorFeeScalar!,
    operatorFeeConstant: operatorFeeConstant!,
    ...(daFootprintGasScalar === undefined ? {} : { daFootprintGasScalar }),
  }
}
