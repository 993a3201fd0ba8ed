import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Hex, systemClock } from '@openledger/primitives'
import { hexToBytes } from '@openledger/rollup'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, expect, test } from 'vitest'
import { attributes, CHAIN_ID, genesisOf } from '../../test/Chain.ts'
import { toRpcError } from '../rpc/RpcError.ts'
import { openChainFollower } from './ChainFollower.ts'
import { createEmbeddedEngine } from './EmbeddedEngine.ts'

const alice = privateKeyToAccount(`0x${'11'.repeat(32)}`)
/** Adds one to slot 0 and logs what it was. */
const COUNTER: Hex = '0x00000000000000000000000000000000000c0de0'
const COUNTER_CODE: Hex = '0x60005460016000540160005560005260206000a0'
const root = mkdtempSync(join(tmpdir(), 'receipts-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

test('a window of receipts forgets what lies before it and nothing else', async () => {
  const genesis = genesisOf({
    [alice.address.toLowerCase()]: { balance: '1000000000000000000000' },
    [COUNTER]: { code: COUNTER_CODE },
  })
  const directory = join(root, 'short')
  const options = { directory, genesis, receiptBlocks: 8n }
  const whole = await createEmbeddedEngine({ directory: join(root, 'whole'), genesis })
  let short = await createEmbeddedEngine(options)
  const hashes: Hex[] = []
  const build = async (): Promise<void> => {
    const raw = await alice.signTransaction({
      type: 'eip1559',
      chainId: CHAIN_ID,
      nonce: hashes.length,
      to: COUNTER,
      gas: 100_000n,
      maxFeePerGas: 10n ** 11n,
    })
    const next = attributes(whole.head().timestamp + 2n)
    for (const engine of [whole, short]) {
      await engine.build({ ...next, noTxPool: true, transactions: [hexToBytes(raw)] })
    }
    hashes.push(whole.head().transactions[0]!.hash)
  }
  // what is not final may be taken back, and is kept however short the window is
  for (let i = 0; i < 20; i++) await build()
  expect(short.oldestReceipts()).toBe(0n)
  short.setFinalized(15n)
  for (let i = 0; i < 20; i++) await build()
  expect(short.oldestReceipts()).toBe(15n)
  await short.close()
  short = await createEmbeddedEngine(options)
  short.setFinalized(40n)
  for (let i = 0; i < 10; i++) await build()
  expect(short.oldestReceipts()).toBe(40n)

  const follower = await openChainFollower(directory, genesis, systemClock)
  for (const kept of [short, follower.reads]) {
    for (let number = 1n; number <= 50n; number++) {
      const hash = hashes[Number(number) - 1]!
      expect(kept.block(number)!.transactions).toEqual(whole.block(number)!.transactions)
      if (number >= 40n) {
        expect(kept.receipts(number)).toEqual(whole.receipts(number))
        expect(kept.receipt(hash)).toEqual(whole.receipt(hash))
        expect(kept.transaction(hash)).toEqual(whole.transaction(hash))
      } else {
        expect(kept.receipt(hash)).toBeUndefined()
        expect(kept.transaction(hash)).toBeUndefined()
      }
    }
    const asked = { addresses: [COUNTER], toBlock: 50n }
    expect(kept.logs({ ...asked, fromBlock: 40n })).toEqual(whole.logs({ ...asked, fromBlock: 40n }))
    expect(() => kept.logs({ ...asked, fromBlock: 39n })).toThrow(
      expect.objectContaining({ code: 'engine.pruned_receipts' }),
    )
  }
  try {
    follower.reads.receipts(39n)
    expect.unreachable()
  } catch (error) {
    expect(toRpcError(error)).toMatchObject({ rpcCode: 4444, message: expect.stringContaining('got 39') })
  }
  follower.close()
  await Promise.all([whole.close(), short.close()])

  const database = new DatabaseSync(join(directory, 'chain.sqlite'), { readOnly: true })
  const oldest = (table: string) => database.prepare(`SELECT min(number) AS number FROM ${table}`).get()
  expect([oldest('place'), oldest('log_key')]).toEqual([{ number: 40 }, { number: 40 }])
  database.close()
})
