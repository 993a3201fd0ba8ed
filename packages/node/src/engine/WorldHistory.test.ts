import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex } from '@openledger/primitives'
import { Transaction } from '@openledger/rollup'
import fc from 'fast-check'
import { zeroAddress } from 'viem'
import { expect, test } from 'vitest'
import { attributes, genesisOf } from '../../test/Chain.ts'
import { createEmbeddedEngine } from './EmbeddedEngine.ts'
import { completedSpans, coverSpans, LEVELS_MAX, SPAN_FACTOR } from './Undo.ts'
import { PrunedStateError } from './WorldHistory.ts'

test('spans cover every block once, in order, and exist by the time they are asked for', () => {
  fc.assert(
    fc.property(fc.bigInt(1n, 40_000n), fc.bigInt(0n, 40_000n), (from, length) => {
      const to = from + length
      let at = from
      for (const { level, index } of coverSpans(from, to)) {
        const size = SPAN_FACTOR ** BigInt(level)
        expect(level).toBeLessThanOrEqual(LEVELS_MAX)
        expect(level === 0 ? index : index * size + 1n).toBe(at)
        const last = level === 0 ? index : (index + 1n) * size
        if (level > 0) expect(completedSpans(last)).toContainEqual({ level, index })
        at = last + 1n
      }
      expect(at).toBe(to + 1n)
    }),
    { numRuns: 300 },
  )
})

test('a week back is a few hundred records, not hundreds of thousands', () => {
  const week = (7n * 86_400n) / 2n
  expect(coverSpans(12_346n, 12_345n + week).length).toBeLessThan(300)
})

test('a window shorter than a span of undo records forgets parts of spans and goes on', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'history-'))
  try {
    const genesis = genesisOf({})
    const engine = await createEmbeddedEngine({ directory, genesis, historyBlocks: 4n })
    for (let number = 1n; number <= 200n; number++) {
      await engine.build({ ...attributes(1000n + 2n * number), noTxPool: true })
      engine.setFinalized(number)
    }
    expect(engine.head().number).toBe(200n)
    for (let number = engine.oldestState(); number <= 200n; number++) engine.proof(zeroAddress, [], number)
    await engine.close()
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

test('every old state is that of its block, from memory, from spans, and after a restart', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'history-'))
  try {
    const counter: Hex = '0x00000000000000000000000000000000000c0de0'
    // adds 1 to slot 0 and writes the number of the block to slot (number mod 8)
    const code: Hex = '0x6000546001016000554360086007430660010155 00'.replaceAll(' ', '') as Hex
    const genesis = genesisOf({ [counter]: { code, balance: '0' } })
    const poke = (number: bigint): Uint8Array =>
      Transaction.encode({
        type: 0x7e,
        sourceHash: `0x${number.toString(16).padStart(64, '0')}`,
        from: '0x00000000000000000000000000000000000000dd',
        to: counter,
        mint: number,
        value: 1n,
        gas: 200_000n,
        isSystemTx: false,
        data: new Uint8Array(),
      })
    // with hardly anything in memory, so that states are read from rows that have moved on
    const engine = await createEmbeddedEngine({ directory, genesis, stateBytesMax: 1_000 })
    const BLOCKS = 330n
    for (let number = 1n; number <= BLOCKS; number++) {
      await engine.build({ ...attributes(1000n + 2n * number, [poke(number)]), noTxPool: true })
    }
    const check = (asked: typeof engine, number: bigint): void => {
      expect(BigInt(asked.storage(counter, '0x0', number)), `slot 0 after block ${number}`).toBe(number)
      expect(asked.account(counter, number).balance).toBe(number)
      expect(asked.proof(counter, ['0x0'], number).storageHash).toBe(
        asked.account(counter, number).storageRoot,
      )
    }
    for (const number of [330n, 300n, 80n, 64n, 65n, 63n, 5n, 0n, 1n, 128n, 129n]) check(engine, number)
    await engine.close()
    const reopened = await createEmbeddedEngine({ directory, genesis })
    for (const number of [0n, 64n, 200n, 329n, 330n]) {
      check(reopened, number)
      // the proof is of the root that the header commits to
      const { accountProof } = reopened.proof(counter, [], number)
      expect(Transaction.hash(Uint8Array.from(Buffer.from(accountProof[0]!.slice(2), 'hex')))).toBe(
        reopened.block(number)!.stateRoot,
      )
    }
    await reopened.close()

    const window = await createEmbeddedEngine({ directory, genesis, historyBlocks: 100n })
    window.setFinalized(BLOCKS)
    await window.build({ ...attributes(1002n + 2n * BLOCKS, [poke(BLOCKS + 1n)]), noTxPool: true })
    await window.close()
    const pruned = await createEmbeddedEngine({ directory, genesis, historyBlocks: 100n })
    for (const number of [231n, 256n, 257n, 300n, 331n]) check(pruned, number)
    const asked = () => pruned.account(counter, 230n)
    expect(asked).toThrow(PrunedStateError)
    expect(pruned.oldestState()).toBe(231n)
    expect(asked).toThrow(/block from 231 to 331/)
    // blocks, receipts and logs are not states
    expect(pruned.block(3n)?.number).toBe(3n)
    expect(pruned.receipts(3n)).toHaveLength(1)
    await pruned.close()
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
