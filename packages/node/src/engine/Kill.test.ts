import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createMPT } from '@ethereumjs/mpt'
import { RLP } from '@ethereumjs/rlp'
import type { Hex } from '@openledger/primitives'
import { bytesToHex, createStateTrie, Header, plainCrypto, Trie } from '@openledger/rollup'
import { hexToBytes, keccak256 } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { expect, test } from 'vitest'
import { attributes, genesisOf } from '../../test/Chain.ts'
import { openChainStore } from './ChainStore.ts'
import { createEmbeddedEngine } from './EmbeddedEngine.ts'
import { openPages } from './Head.ts'

const alice = privateKeyToAccount(`0x${'11'.repeat(32)}`)
const genesis = genesisOf({ [alice.address]: { balance: `${10n ** 20n}` } })
const KILLS = 4

type Acknowledged = { readonly block: { number: number; hash: Hex } | undefined; readonly submitted: Hex[] }

/** Lets a child build blocks and submit transactions, kills it at once after `afterMs`, and says what it had promised. */
async function runAndKill(directory: string, afterMs: number): Promise<Acknowledged> {
  const child: ChildProcess = spawn(
    process.execPath,
    ['--no-warnings', join(import.meta.dirname, '../../test/buildUntilKilled.ts'), directory],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let block: Acknowledged['block']
  const submitted: Hex[] = []
  const lines = createInterface({ input: child.stdout! })
  let firstLine: () => void = () => {}
  const begun = new Promise<void>((resolve) => {
    firstLine = resolve
  })
  lines.on('line', (line) => {
    const [kind, a, b] = line.split(' ')
    if (kind === 'block') block = { number: Number(a), hash: b as Hex }
    else submitted.push(a as Hex)
    firstLine()
  })
  const closed = new Promise<void>((resolve) => lines.once('close', () => resolve()))
  await begun
  await new Promise((resolve) => setTimeout(resolve, afterMs))
  child.kill('SIGKILL')
  await closed
  return { block, submitted }
}

/** Walks the whole state on disk and hashes it with EthereumJS. @returns its root and the head's, by our header. */
async function rehash(directory: string): Promise<{ root: Hex; expected: Hex; accounts: number }> {
  const store = openChainStore(directory, { isReadOnly: true })
  const trie = createStateTrie()
  const { stateRoot } = Header.decode(store.block(store.head()!)!.header)
  const state = openPages(store, trie, plainCrypto).open(stateRoot, store.head()!)
  const leaves: { key: Uint8Array; value: Uint8Array }[] = []
  Trie.forEach(state, ({ nonce, balance, codeHash, storage }, key) => {
    const slots =
      storage === undefined ? Header.EMPTY_ROOT : bytesToHex(Trie.hash(storage, (value) => RLP.encode(value)))
    leaves.push({ key, value: RLP.encode([nonce, balance, slots, codeHash]) })
  })
  store.close()
  const oracle = await createMPT()
  for (const { key, value } of leaves) await oracle.put(key, value)
  return { root: bytesToHex(oracle.root()), expected: stateRoot, accounts: leaves.length }
}

test('kill -9 at any moment loses no acknowledged block and no acknowledged transaction', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kill-'))
  try {
    const promised = new Set<Hex>()
    let oldest = -1n
    for (let kill = 0; kill < KILLS; kill++) {
      const { block, submitted } = await runAndKill(directory, 150 + 137 * kill)
      for (const hash of submitted) promised.add(hash)
      const { root, expected, accounts } = await rehash(directory)
      expect(root).toBe(expected)
      expect(accounts).toBeGreaterThan(3)
      const store = openChainStore(directory, { isReadOnly: true })
      expect(store.oldestState()).toBeGreaterThanOrEqual(oldest)
      oldest = store.oldestState()
      store.close()
      const engine = await createEmbeddedEngine({ directory, genesis })
      const head = engine.head()
      // every state that is said to be kept can be made
      for (let number = oldest; number <= head.number; number++) {
        const { accountProof } = engine.proof(alice.address, [], number)
        expect(keccak256(accountProof[0]!), `state ${number}`).toBe(engine.block(number)!.stateRoot)
      }
      // a block may be durable before the child could say so, never the other way round
      expect(Number(head.number)).toBeGreaterThanOrEqual(block!.number)
      expect(Number(head.number)).toBeLessThanOrEqual(block!.number + 1)
      expect(engine.block(BigInt(block!.number))?.hash).toBe(block!.hash)
      for (const hash of promised) expect(engine.transaction(hash), hash).toBeDefined()
      await engine.close()
    }
    // the runs are long enough for states to have been forgotten
    expect(oldest).toBeGreaterThan(0n)
    const engine = await createEmbeddedEngine({ directory, genesis })
    for (let number = engine.head().number; number > 0n; number--) {
      expect(engine.block(number)!.parentHash).toBe(engine.block(number - 1n)!.hash)
    }
    await engine.build(attributes(engine.head().timestamp + 1n))
    expect(engine.pending().transactions()).toEqual([])
    for (const hash of promised) expect(engine.receipt(hash)?.status).toBe(1)
    expect(engine.totalBalance()).toBe(10n ** 20n)
    const raw = await alice.signTransaction({
      chainId: engine.chainId,
      nonce: Number(engine.account(alice.address).nonce),
      to: alice.address,
      gas: 21_000n,
      maxFeePerGas: 10n ** 10n,
    })
    await engine.submit(hexToBytes(raw))
    await engine.close()
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
