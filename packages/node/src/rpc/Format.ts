import type { Hex } from '@openledger/primitives'
import { EMPTY_CODE_HASH } from '@openledger/rollup'
import type {
  AccountProof,
  BlockRecord,
  LogRecord,
  ReceiptRecord,
  TransactionRecord,
} from '../engine/Engine.ts'

/** A number in JSON-RPC's form: `0x`, no leading zeros. */
export const quantity = (value: bigint | number): Hex => `0x${value.toString(16)}`

const optional = (fields: Readonly<Record<string, bigint | undefined>>): Record<string, Hex> => {
  const present: Record<string, Hex> = {}
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) present[name] = quantity(value)
  return present
}

/** The header's fields, as `newHeads` sends them. */
export function header(block: BlockRecord) {
  return {
    number: quantity(block.number),
    hash: block.hash,
    parentHash: block.parentHash,
    sha3Uncles: block.sha3Uncles,
    miner: block.miner,
    stateRoot: block.stateRoot,
    transactionsRoot: block.transactionsRoot,
    receiptsRoot: block.receiptsRoot,
    logsBloom: block.logsBloom,
    difficulty: quantity(block.difficulty),
    gasLimit: quantity(block.gasLimit),
    gasUsed: quantity(block.gasUsed),
    timestamp: quantity(block.timestamp),
    extraData: block.extraData,
    mixHash: block.mixHash,
    nonce: block.nonce,
    ...(block.era === 'frontier' ? {} : { baseFeePerGas: quantity(block.baseFeePerGas) }),
    ...(hasWithdrawals(block) ? { withdrawalsRoot: block.withdrawalsRoot } : {}),
    ...(block.era === undefined
      ? {
          blobGasUsed: quantity(block.blobGasUsed),
          excessBlobGas: quantity(block.excessBlobGas),
          parentBeaconBlockRoot: block.parentBeaconBlockRoot,
        }
      : {}),
    ...(block.requestsHash === undefined ? {} : { requestsHash: block.requestsHash }),
  }
}

const hasWithdrawals = ({ era }: BlockRecord): boolean => era === undefined || era === 'shanghai'

export const blockWithHashes = (record: BlockRecord) => ({
  ...header(record),
  size: quantity(record.size),
  uncles: record.uncles,
  ...(hasWithdrawals(record)
    ? {
        withdrawals: record.withdrawals.map(({ index, validatorIndex, address, amount }) => ({
          index: quantity(index),
          validatorIndex: quantity(validatorIndex),
          address,
          amount: quantity(amount),
        })),
      }
    : {}),
  transactions: record.transactions.map(({ hash }) => hash),
})

export const blockWithTransactions = (record: BlockRecord) => ({
  ...blockWithHashes(record),
  transactions: record.transactions.map(transaction),
})

export function transaction(record: TransactionRecord) {
  const common = {
    hash: record.hash,
    type: quantity(record.type),
    from: record.from,
    to: record.to,
    nonce: quantity(record.nonce),
    gas: quantity(record.gas),
    value: quantity(record.value),
    input: record.input,
    blockHash: record.blockHash,
    blockNumber: record.blockNumber === null ? null : quantity(record.blockNumber),
    transactionIndex: record.transactionIndex === null ? null : quantity(record.transactionIndex),
    blockTimestamp: record.blockTimestamp === null ? null : quantity(record.blockTimestamp),
  }
  if (record.type === 0x7e) {
    return {
      ...common,
      sourceHash: record.sourceHash,
      // op-geth says it only where it is so, which since Regolith is never
      ...(record.isSystemTx === true ? { isSystemTx: true } : {}),
      gasPrice: '0x0',
      v: '0x0',
      r: '0x0',
      s: '0x0',
      ...optional({ mint: record.mint, depositReceiptVersion: record.depositReceiptVersion }),
    }
  }
  return {
    ...common,
    // in the pool, the price of types 2 and 4 is their cap
    gasPrice: quantity(record.gasPrice ?? record.maxFeePerGas ?? 0n),
    ...optional({
      chainId: record.chainId,
      maxFeePerGas: record.maxFeePerGas,
      maxPriorityFeePerGas: record.maxPriorityFeePerGas,
      maxFeePerBlobGas: record.maxFeePerBlobGas,
      v: record.v ?? (record.yParity === undefined ? undefined : BigInt(record.yParity)),
      r: record.r,
      s: record.s,
    }),
    ...(record.yParity === undefined || record.type === 0 ? {} : { yParity: quantity(record.yParity) }),
    ...(record.accessList === undefined ? {} : { accessList: record.accessList }),
    ...(record.blobVersionedHashes === undefined ? {} : { blobVersionedHashes: record.blobVersionedHashes }),
    ...(record.authorizationList === undefined
      ? {}
      : {
          authorizationList: record.authorizationList.map((entry) => ({
            chainId: quantity(entry.chainId),
            address: entry.address,
            nonce: quantity(entry.nonce),
            yParity: quantity(entry.yParity),
            r: quantity(entry.r),
            s: quantity(entry.s),
          })),
        }),
  }
}

export const log = (record: LogRecord) => ({
  address: record.address,
  topics: record.topics,
  data: record.data,
  blockNumber: quantity(record.blockNumber),
  blockHash: record.blockHash,
  blockTimestamp: quantity(record.blockTimestamp),
  transactionHash: record.transactionHash,
  transactionIndex: quantity(record.transactionIndex),
  logIndex: quantity(record.logIndex),
  removed: record.removed,
})

export const receipt = (record: ReceiptRecord) => ({
  transactionHash: record.transactionHash,
  transactionIndex: quantity(record.transactionIndex),
  blockHash: record.blockHash,
  blockNumber: quantity(record.blockNumber),
  type: quantity(record.type),
  ...(record.root === undefined ? { status: quantity(record.status) } : { root: record.root }),
  from: record.from,
  to: record.to,
  contractAddress: record.contractAddress,
  gasUsed: quantity(record.gasUsed),
  cumulativeGasUsed: quantity(record.cumulativeGasUsed),
  effectiveGasPrice: quantity(record.effectiveGasPrice),
  logs: record.logs.map(log),
  logsBloom: record.logsBloom,
  ...optional({
    l1Fee: record.l1Fee,
    l1GasUsed: record.l1GasUsed,
    l1GasPrice: record.l1GasPrice,
    l1BaseFeeScalar: record.l1BaseFeeScalar,
    l1BlobBaseFee: record.l1BlobBaseFee,
    l1BlobBaseFeeScalar: record.l1BlobBaseFeeScalar,
    operatorFeeScalar: record.operatorFeeScalar,
    operatorFeeConstant: record.operatorFeeConstant,
    daFootprintGasScalar: record.daFootprintGasScalar,
    blobGasUsed: record.blobGasUsed,
    blobGasPrice: record.blobGasPrice,
    depositNonce: record.depositNonce,
    depositReceiptVersion: record.depositReceiptVersion,
  }),
})

/** @param keys - The slots as they were asked for: geth repeats short ones as quantities. */
export const proof = (record: AccountProof, keys: readonly string[]) => ({
  address: record.address,
  accountProof: record.accountProof,
  balance: quantity(record.balance),
  codeHash: isAbsent(record) ? ZERO_HASH : record.codeHash,
  nonce: quantity(record.nonce),
  storageHash: isAbsent(record) ? ZERO_HASH : record.storageHash,
  storageProof: record.storageProof.map((entry, i) => ({
    key: keys[i]?.length === 66 ? entry.key : quantity(BigInt(entry.key)),
    value: quantity(entry.value),
    proof: entry.proof,
  })),
})

/** geth answers zero hashes for an account that does not exist, not those of no code and no storage. */
const isAbsent = ({ nonce, balance, codeHash }: AccountProof): boolean =>
  nonce === 0n && balance === 0n && codeHash === EMPTY_CODE_HASH
const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`
