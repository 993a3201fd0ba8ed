import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex, Deposit, Transaction } from '@openledger/rollup'
import { hexToBytes } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { afterEach, describe, expect, test } from 'vitest'
import { createEmbeddedEngine } from './EmbeddedEngine.ts'
import type { Engine, Genesis, PayloadAttributes } from './Engine.ts'

const alice = privateKeyToAccount(`0x${'11'.repeat(32)}`)
const BOB = '0x00000000000000000000000000000000000b0b00'
const CHAIN_ID = 161200

const genesis: Genesis = {
  config: {
    chainId: CHAIN_ID,
    optimism: { eip1559Elasticity: 6, eip1559Denominator: 50, eip1559DenominatorCanyon: 250 },
  },
  alloc: {},
  timestamp: 1000,
  gasLimit: 30_000_000,
}

const mintTo = (to: `0x${string}`, mint: bigint, id: number): Uint8Array =>
  Transaction.encode({
    type: 0x7e,
    sourceHash: Deposit.userSourceHash(`0x${'ab'.repeat(32)}`, id),
    from: to,
    to,
    mint,
    value: 0n,
    gas: 100_000n,
    isSystemTx: false,
    data: new Uint8Array(),
  })

const attributes = (timestamp: bigint, deposits: readonly Uint8Array[] = []): PayloadAttributes => ({
  timestamp,
  prevRandao: `0x${'01'.repeat(32)}`,
  feeRecipient: '0x4200000000000000000000000000000000000011',
  parentBeaconBlockRoot: `0x${'02'.repeat(32)}`,
  gasLimit: 30_000_000n,
  eip1559Params: '0x0000000000000000',
  deposits,
})

const directories: string[] = []
const newDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'engine-'))
  directories.push(directory)
  return directory
}
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true })
})

const transfer = async (engine: Engine, nonce: number, value: bigint): Promise<Uint8Array> => {
  const raw = await alice.signTransaction({
    chainId: engine.chainId,
    type: 'eip1559',
    nonce,
    to: BOB,
    value,
    gas: 21_000n,
    maxFeePerGas: 3_000_000_000n,
    maxPriorityFeePerGas: 1_000_000_000n,
  })
  return hexToBytes(raw)
}

describe('the embedded engine', () => {
  test('mints a deposit, executes a transfer, and has both after a restart', async () => {
    const directory = newDirectory()
    const engine = await createEmbeddedEngine({ directory, genesis })
    const address = alice.address.toLowerCase() as `0x${string}`
    await engine.build(attributes(1002n, [mintTo(address, 10n ** 18n, 0)]))
    expect(engine.account(address).balance).toBe(10n ** 18n)
    expect(engine.account(address).nonce).toBe(1n)

    const hash = await engine.submit(await transfer(engine, 1, 5n))
    const block = await engine.build(attributes(1004n))
    expect(block.transactions.map((transaction) => transaction.hash)).toEqual([hash])
    expect(engine.receipt(hash)?.status).toBe(1)
    expect(engine.account(BOB).balance).toBe(5n)
    expect(engine.totalBalance()).toBe(10n ** 18n)
    await engine.close()

    const reopened = await createEmbeddedEngine({ directory, genesis })
    expect(reopened.head()).toEqual(block)
    expect(reopened.account(BOB).balance).toBe(5n)
    expect(reopened.account(BOB, 1n).balance).toBe(0n)
    expect(reopened.totalBalance()).toBe(10n ** 18n)
    expect(bytesToHex(reopened.transaction(hash)!.raw)).toBe(bytesToHex(await transfer(engine, 1, 5n)))
    await reopened.close()
  })
})
