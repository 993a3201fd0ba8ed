import type { Hex } from '@openledger/primitives'
import { expect } from 'vitest'
import type * as Batch from '../src/codec/Batch.ts'
import { TRANSACTION_DEPOSITED_TOPIC } from '../src/codec/Deposit.ts'
import { CONFIG_UPDATE_TOPIC } from '../src/codec/SystemConfig.ts'
import { type createActions, PORTAL, SYSTEM_CONFIG, type ToyBlock, transaction } from './Actions.ts'

/**
 * What the scenarios of `op-e2e/actions/proofs` (ethereum-optimism/optimism) are made of. The tests beside this file have their
 * names, inputs and expected safe heads; where op-e2e goes on to prove the result, they hold the result itself against the
 * sequencer's chain.
 */
export type Actions = ReturnType<typeof createActions>
export const word = (value: bigint | Hex): string =>
  (typeof value === 'bigint' ? value.toString(16) : value.slice(2)).padStart(64, '0')

export const depositLog = (mint: bigint) => {
  const opaque = `${word(mint)}${word(0n)}${'00000000000186a0'}00`
  const length = opaque.length / 2
  return {
    address: PORTAL,
    topics: [
      TRANSACTION_DEPOSITED_TOPIC,
      `0x${word(`0x${'a1'.repeat(20)}`)}`,
      `0x${word(`0x${'a1'.repeat(20)}`)}`,
      `0x${word(0n)}`,
    ] as Hex[],
    data: `0x${word(32n)}${word(BigInt(length))}${opaque.padEnd(Math.ceil(length / 32) * 64, '0')}` as Hex,
  }
}
export const configLog = (type: bigint, ...words: readonly (bigint | Hex)[]) => ({
  address: SYSTEM_CONFIG,
  topics: [CONFIG_UPDATE_TOPIC, `0x${word(0n)}`, `0x${word(type)}`] as Hex[],
  data: `0x${word(32n)}${word(BigInt(32 * words.length))}${words.map(word).join('')}` as Hex,
})

/** Expects that exactly the blocks up to `head` are derived, and that they are the sequencer's. */
export const expectChain = (actions: Actions, head: number): void => {
  const derived = actions.derive()
  expect(derived.map(({ hash }) => hash)).toEqual(actions.chain.slice(0, head + 1).map(({ hash }) => hash))
}
export const buildWithTransactions = (actions: Actions, count: number, from = 1): void => {
  for (let i = from; i < from + count; i++) actions.build({ transactions: [transaction(i)] })
}
export const singular = (actions: Actions, number: number, change: Partial<Batch.SingularBatch> = {}) => ({
  ...actions.batchOf(number),
  ...change,
})
export const transactionsOf = (block: ToyBlock): number => block.transactions.length
