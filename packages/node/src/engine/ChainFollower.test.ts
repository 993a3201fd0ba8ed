import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Hex, systemClock } from '@openledger/primitives'
import { hexToBytes } from '@openledger/rollup'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, describe, expect, test } from 'vitest'
import { attributes, CHAIN_ID, genesisOf } from '../../test/Chain.ts'
import { openChainFollower } from './ChainFollower.ts'
import { createEmbeddedEngine } from './EmbeddedEngine.ts'

const alice = privateKeyToAccount(`0x${'11'.repeat(32)}`)
const ALICE = alice.address.toLowerCase() as Hex
/** Adds one to slot 0 and logs what it was. */
const COUNTER: Hex = '0x00000000000000000000000000000000000c0de0'
const COUNTER_CODE: Hex = '0x60005460016000540160005560005260206000a0'
const directory = mkdtempSync(join(tmpdir(), 'follower-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('a follower of a chain', () => {
  test('knows what the engine knows, at the head and before, whatever came or was taken back meanwhile', async () => {
    const genesis = genesisOf({
      [ALICE]: { balance: '1000000000000000000000' },
      [COUNTER]: { code: COUNTER_CODE },
    })
    const engine = await createEmbeddedEngine({ directory, genesis })
    let nonce = 0
    const build = async (to: Hex): Promise<void> => {
      const raw = await alice.signTransaction({
        type: 'eip1559',
        chainId: CHAIN_ID,
        nonce: nonce++,
        to,
        value: to === COUNTER ? 0n : 7n,
        gas: 100_000n,
        maxFeePerGas: 10n ** 11n,
      })
      const head = engine.head()
      await engine.build({
        ...attributes(head.timestamp + 2n),
        noTxPool: true,
        transactions: [hexToBytes(raw)],
      })
    }
    await build(COUNTER)
    const follower = await openChainFollower(directory, genesis, systemClock)
    const agree = async (): Promise<void> => {
      follower.follow()
      const { reads } = follower
      expect(reads.head().hash).toBe(engine.head().hash)
      for (let number = 0n; number <= engine.head().number; number++) {
        for (const address of [ALICE, COUNTER, '0x00000000000000000000000000000000000000aa'] as const) {
          expect(reads.account(address, number)).toEqual(engine.account(address, number))
          expect(reads.proof(address, ['0x0'], number)).toEqual(engine.proof(address, ['0x0'], number))
        }
        expect(await reads.call({ to: COUNTER }, number)).toEqual(await engine.call({ to: COUNTER }, number))
      }
      const everything = { fromBlock: 0n, toBlock: engine.head().number }
      expect(reads.logs(everything)).toEqual(engine.logs(everything))
    }
    await agree()
    for (let i = 0; i < 5; i++) await build(COUNTER)
    await build('0x00000000000000000000000000000000000000aa')
    await agree()
    await engine.rewind(3n)
    nonce = 3
    await agree()
    for (let i = 0; i < 6; i++)
      await build(i % 2 === 0 ? COUNTER : '0x00000000000000000000000000000000000000aa')
    await agree()
    follower.close()
    await engine.close()
  })

  test('answers for the block it stands at, though the engine has written others over it', async () => {
    const many = Array.from(
      { length: 500 },
      (_, i): Hex => `0x${(0x5000 + i).toString(16).padStart(40, '0')}`,
    )
    const genesis = genesisOf({
      [ALICE]: { balance: '1000000000000000000000' },
      ...Object.fromEntries(many.map((address) => [address, { balance: '5' }])),
    })
    const folder = mkdtempSync(join(tmpdir(), 'follower-'))
    const engine = await createEmbeddedEngine({ directory: folder, genesis })
    const follower = await openChainFollower(folder, genesis, systemClock)
    let nonce = 0
    for (let block = 0n; block < 6n; block++) {
      const before = many.map((address) => engine.proof(address, [], engine.head().number))
      const raws = await Promise.all(
        many
          .filter((_, i) => BigInt(i) % 6n === block)
          .map((to) =>
            alice.signTransaction({
              type: 'eip1559',
              chainId: CHAIN_ID,
              nonce: nonce++,
              to,
              value: 7n,
              gas: 21_000n,
              maxFeePerGas: 10n ** 11n,
            }),
          ),
      )
      await engine.build({
        ...attributes(engine.head().timestamp + 2n),
        noTxPool: true,
        transactions: raws.map((raw) => hexToBytes(raw)),
      })
      // it has not followed: what it has not loaded yet has gone from the database
      many.forEach((address, i) => {
        if (i % 3 === 0) expect(follower.reads.proof(address, [], block)).toEqual(before[i])
      })
      follower.follow()
      expect(follower.reads.account(many[1]!)).toEqual(engine.account(many[1]!))
    }
    follower.close()
    await engine.close()
    rmSync(folder, { recursive: true, force: true })
  })
})
