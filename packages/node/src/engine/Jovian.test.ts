import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hexToBytes } from '@openledger/rollup'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, expect, test } from 'vitest'
import { attributes, CHAIN_ID, genesisOf } from '../../test/Chain.ts'
import { createEmbeddedEngine } from './EmbeddedEngine.ts'

const accounts = [1, 2].map((i) => privateKeyToAccount(`0x${`${i}${i}`.repeat(32)}`))
const directory = mkdtempSync(join(tmpdir(), 'jovian-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

test('a Jovian block holds as much data as its footprint allows; what does not fit waits for the next', async () => {
  const made = genesisOf(
    Object.fromEntries(accounts.map(({ address }) => [address, { balance: '1000000000000000000000' }])),
  )
  const genesis = { ...made, config: { ...made.config, jovianTime: 0 } }
  await expect(async () => {
    const plain = await createEmbeddedEngine({ directory: join(directory, 'plain'), genesis })
    try {
      await plain.build(attributes(1_002n))
    } finally {
      await plain.close()
    }
  }).rejects.toMatchObject({ code: 'block.min_base_fee' })

  const engine = await createEmbeddedEngine({ directory: join(directory, 'jovian'), genesis })
  for (const account of accounts) {
    const raw = await account.signTransaction({
      type: 'eip1559',
      chainId: CHAIN_ID,
      nonce: 0,
      to: `0x${'aa'.repeat(20)}`,
      data: `0x${randomBytes(60_000).toString('hex')}`,
      gas: 4_000_000n,
      maxFeePerGas: 10n ** 11n,
    })
    await engine.submit(hexToBytes(raw))
  }
  const build = async (timestamp: bigint) =>
    engine.build({ ...attributes(timestamp), minBaseFee: 2_000_000_000n })
  const first = await build(1_002n)
  const second = await build(1_004n)
  expect([first, second].map(({ transactions }) => transactions.length)).toEqual([1, 1])
  // 400 gas for each byte of the estimate, which is most of what 60,000 random bytes take
  expect(first.blobGasUsed).toBeGreaterThan(15_000_000n)
  expect(first.blobGasUsed).toBeLessThanOrEqual(first.gasLimit)
  expect(engine.receipt(first.transactions[0]!.hash)).toMatchObject({
    daFootprintGasScalar: 400n,
    blobGasUsed: first.blobGasUsed,
  })
  expect(first.extraData).toBe('0x01000000fa000000060000000077359400')
  expect(second.baseFeePerGas).toBeGreaterThanOrEqual(2_000_000_000n)
  await engine.close()
})
