import type { Hex } from '@openledger/primitives'
import type { CallResult, ReceiptRecord } from '../engine/Engine.ts'
import { findBlock, findLogs, requireBlock, stateNumber } from './Chain.ts'
import * as Format from './Format.ts'
import type { Methods } from './Methods.ts'
import * as Params from './Params.ts'
import type { RpcEngine } from './RpcEngine.ts'
import { Codes, callFailure, invalidParams, RpcError } from './RpcError.ts'

/** The most gas that one call may burn. */
export const CALL_GAS_MAX = 50_000_000n
const SLOTS_MAX = 1_024
const SYNC_TIMEOUT_MS = 20_000

/** Methods that read blocks, transactions and state, and the one that takes transactions in. */
export function createStateMethods(engine: RpcEngine): Methods {
  const formatBlock = (name: Params.BlockName, full: unknown) => {
    const block = findBlock(engine, name)
    if (block === undefined) return null
    const withTransactions = full === undefined ? false : Params.boolean(full, 'hydrated')
    return withTransactions ? Format.blockWithTransactions(block) : Format.blockWithHashes(block)
  }
  const transactionAt = (name: Params.BlockName, index: unknown) => {
    const record = findBlock(engine, name)?.transactions[Number(Params.uint64(index, 'index'))]
    return record === undefined ? null : Format.transaction(record)
  }
  const rawTransactionAt = (name: Params.BlockName, index: unknown) => {
    const record = findBlock(engine, name)?.transactions[Number(Params.uint64(index, 'index'))]
    return record === undefined ? null : `0x${Buffer.from(record.raw).toString('hex')}`
  }
  const headerOf = (name: Params.BlockName) => {
    const block = findBlock(engine, name)
    return block === undefined ? null : Format.header(block)
  }
  const storageValues = (wanted: unknown, block: unknown) => {
    const accounts = Object.entries(Params.object(wanted, 'storageKeys'))
    if (accounts.length === 0) throw invalidParams('storageKeys', 'at least one account', 'none')
    const number = stateAt(block)
    let asked = 0
    return Object.fromEntries(
      accounts.map(([key, slots]) => {
        const address = Params.address(key, 'address')
        const keys = Params.array(slots, key, SLOTS_MAX)
        asked += keys.length
        if (asked > SLOTS_MAX) throw invalidParams('storageKeys', `at most ${SLOTS_MAX} slots`, asked)
        return [key, keys.map((slot) => engine.storage(address, Params.slot(slot, key), number))]
      }),
    )
  }
  const count = (name: Params.BlockName) => {
    const block = findBlock(engine, name)
    return block === undefined ? null : Format.quantity(block.transactions.length)
  }
  const noUncles = (name: Params.BlockName) => (findBlock(engine, name) === undefined ? null : '0x0')
  const byHash = (value: unknown): Params.BlockName => ({ hash: Params.hash(value, 'blockHash') })
  const stateAt = (value: unknown): bigint | undefined =>
    stateNumber(engine, Params.blockName(value, 'block'))

  return {
    eth_blockNumber: () => Format.quantity(engine.head().number),
    eth_getBlockByNumber: ([name, full]) => formatBlock(Params.blockName(name, 'block'), full),
    eth_getBlockByHash: ([hash, full]) => formatBlock(byHash(hash), full),
    eth_getBlockTransactionCountByNumber: ([name]) => count(Params.blockName(name, 'block')),
    eth_getBlockTransactionCountByHash: ([hash]) => count(byHash(hash)),
    eth_getUncleCountByBlockNumber: ([name]) => noUncles(Params.blockName(name, 'block')),
    eth_getUncleCountByBlockHash: ([hash]) => noUncles(byHash(hash)),
    eth_getTransactionByBlockNumberAndIndex: ([name, index]) =>
      transactionAt(Params.blockName(name, 'block'), index),
    eth_getTransactionByBlockHashAndIndex: ([hash, index]) => transactionAt(byHash(hash), index),
    eth_getTransactionByHash: async ([hash]) => {
      const record = await engine.transaction(Params.hash(hash, 'transactionHash'))
      return record === undefined ? null : Format.transaction(record)
    },
    eth_getRawTransactionByHash: async ([hash]) => {
      const record = await engine.transaction(Params.hash(hash, 'transactionHash'))
      return record === undefined ? null : `0x${Buffer.from(record.raw).toString('hex')}`
    },
    eth_getTransactionReceipt: ([hash]) => {
      const record = engine.receipt(Params.hash(hash, 'transactionHash'))
      return record === undefined ? null : Format.receipt(record)
    },
    eth_getBlockReceipts: ([name]) => {
      const block = findBlock(engine, Params.blockName(name, 'block'))
      return block === undefined ? null : engine.receipts(block.number).map(Format.receipt)
    },
    eth_getLogs: ([filter]) => findLogs(engine, Params.logFilter(filter, 'filter')).map(Format.log),

    eth_getBalance: ([address, block]) =>
      Format.quantity(engine.account(Params.address(address, 'address'), stateAt(block)).balance),
    eth_getTransactionCount: async ([address, block]) => {
      const account = Params.address(address, 'address')
      return Format.quantity(
        block === 'pending'
          ? await engine.pending().nonce(account)
          : engine.account(account, stateAt(block)).nonce,
      )
    },
    eth_getCode: ([address, block]) => {
      const code = engine.code(Params.address(address, 'address'), stateAt(block))
      return `0x${Buffer.from(code).toString('hex')}`
    },
    eth_getStorageAt: ([address, slot, block]) =>
      engine.storage(Params.address(address, 'address'), Params.slot(slot, 'slot'), stateAt(block)),
    eth_getProof: ([address, slots, block]) => {
      const asked = Params.array(slots ?? [], 'storageKeys', SLOTS_MAX)
      const keys = asked.map((key, i) => Params.slot(key, `storageKeys[${i}]`))
      const { number } = requireBlock(engine, Params.blockName(block, 'block'))
      return Format.proof(engine.proof(Params.address(address, 'address'), keys, number), asked.map(String))
    },
    eth_call: async ([call, block, overrides, blockOverrides]) => {
      const request = Params.callRequest(call, 'transaction', CALL_GAS_MAX)
      const result = await engine.call(
        { gas: CALL_GAS_MAX, ...request },
        stateAt(block),
        Params.stateOverride(overrides, 'stateOverride'),
        Params.blockOverride(blockOverrides, 'blockOverrides'),
      )
      return succeeded(result).returnData
    },
    eth_estimateGas: async ([call, block, overrides]) => {
      const request = Params.callRequest(call, 'transaction', CALL_GAS_MAX)
      const assumed = Params.stateOverride(overrides, 'stateOverride')
      return Format.quantity(await engine.estimateGas(request, stateAt(block), assumed))
    },
    eth_createAccessList: async ([call, block, overrides]) => {
      const request = Params.callRequest(call, 'transaction', CALL_GAS_MAX)
      const assumed = Params.stateOverride(overrides, 'stateOverride')
      const result = await engine.call({ gas: CALL_GAS_MAX, ...request }, stateAt(block), assumed)
      const { accessList, gasUsed, reverted, error } = result
      const answer = { accessList, gasUsed: Format.quantity(gasUsed) }
      return reverted ? { ...answer, error: error ?? 'execution reverted' } : answer
    },
    eth_getRawTransactionByBlockNumberAndIndex: ([name, index]) =>
      rawTransactionAt(Params.blockName(name, 'block'), index),
    eth_getRawTransactionByBlockHashAndIndex: ([hash, index]) => rawTransactionAt(byHash(hash), index),
    eth_getHeaderByNumber: ([name]) => headerOf(Params.blockName(name, 'block')),
    eth_getHeaderByHash: ([hash]) => headerOf(byHash(hash)),
    eth_getStorageValues: ([wanted, block]) => storageValues(wanted, block),
    eth_sendRawTransactionSync: async ([raw, timeout]) => {
      const timeoutMs =
        timeout === undefined || timeout === null
          ? SYNC_TIMEOUT_MS
          : Number(Params.uint64(timeout, 'timeout'))
      const hash = await engine.submit(Params.bytes(raw, 'transaction'))
      return Format.receipt(await receiptWithin(engine, hash, Math.min(timeoutMs, SYNC_TIMEOUT_MS)))
    },
    eth_sendRawTransaction: ([raw]) => engine.submit(Params.bytes(raw, 'transaction')),
  }
}

/**
 * Waits for a transaction's receipt.
 * @throws {RpcError} with code 4 when it takes too long; the transaction goes on waiting. @see EIP-7966.
 */
function receiptWithin(engine: RpcEngine, hash: Hex, timeoutMs: number): Promise<ReceiptRecord> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      stop()
      reject(
        new RpcError({
          rpcCode: Codes.timeout,
          message: `The transaction was added to the mempool but wasn't processed within ${timeoutMs} ms.`,
          data: hash,
        }),
      )
    }, timeoutMs)
    const look = (): void => {
      const receipt = engine.receipt(hash)
      if (receipt === undefined) return
      clearTimeout(timer)
      stop()
      resolve(receipt)
    }
    const stop = engine.onBlock(look)
    // its block may have come before the answer that it was taken in
    look()
  })
}

/** @throws {RpcError} as {@link callFailure} says. */
function succeeded(result: CallResult): CallResult {
  if (result.reverted) throw callFailure(result.error ?? 'execution reverted', result.returnData)
  return result
}
