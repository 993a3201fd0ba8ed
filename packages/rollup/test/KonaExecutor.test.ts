import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import type { Hex } from '@openledger/primitives'
import { afterAll, describe, expect, test } from 'vitest'
import { beginBlock, toExecutable } from '../src/BlockExecution.ts'
import { loadCrypto } from '../src/Crypto.ts'
import { createEvm } from '../src/Evm.ts'
import type { OptimismConfig } from '../src/Genesis.ts'
import * as Header from '../src/Header.ts'
import { createStateTrie, stateFromWitness } from '../src/WorldState.ts'
import { readRocksLog } from './RocksLog.ts'

/**
 * Real OP Sepolia blocks with their witnesses: `block-*.tar.gz` of kona's executor fixtures, read from
 * `$OPENLEDGER_VECTORS/kona`. They are not part of this repository; without them this suite is skipped and says so.
 */
const folder = join(process.env['OPENLEDGER_VECTORS'] ?? '', 'kona')
const isPresent = process.env['OPENLEDGER_VECTORS'] !== undefined && existsSync(folder)
const names = isPresent
  ? readdirSync(folder).filter((name) => /^block-\d+\.tar\.gz$/.test(name))
  : ['(absent: set OPENLEDGER_VECTORS to a folder that has kona/block-*.tar.gz)']

type Fixture = {
  readonly rollup_config: { readonly l2_chain_id: number; readonly chain_op_config: OptimismConfig }
  readonly parent_header: Record<string, Hex>
  readonly executing_payload: {
    readonly timestamp: Hex
    readonly prevRandao: Hex
    readonly suggestedFeeRecipient: Hex
    readonly parentBeaconBlockRoot: Hex
    readonly transactions: readonly Hex[]
    readonly gasLimit: Hex
    readonly eip1559Params: Hex
  }
  readonly expected_block_hash: Hex
}

const scratch = mkdtempSync(join(tmpdir(), 'kona-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

function readFixture(name: string): { fixture: Fixture; witness: Map<string, Uint8Array> } | undefined {
  execFileSync('tar', ['xf', join(folder, name), '-C', scratch, '--warning=no-unknown-keyword'])
  const directory = join(scratch, name.replace('.tar.gz', ''))
  const log = join(directory, 'kv', '000004.log')
  if (!existsSync(log)) return undefined
  return {
    fixture: JSON.parse(readFileSync(join(directory, 'fixture.json'), 'utf8')) as Fixture,
    witness: readRocksLog(readFileSync(log)),
  }
}

const headerOf = (json: Record<string, Hex>): Header.Header => {
  const numeric = [
    'difficulty',
    'number',
    'gasLimit',
    'gasUsed',
    'timestamp',
    'baseFeePerGas',
    'blobGasUsed',
    'excessBlobGas',
  ]
  const entries = Object.entries(json).map(([key, value]) => [
    key,
    numeric.includes(key) ? BigInt(value) : value,
  ])
  return Object.fromEntries(entries) as Header.Header
}

describe.skipIf(!isPresent)('OP Sepolia blocks of kona’s executor fixtures (OPENLEDGER_VECTORS)', () => {
  test.for(names)('%s executes to its block hash', async (name, { skip }) => {
    const read = readFixture(name)
    if (read === undefined) {
      skip('its entries lie in a compacted table, which this reader does not know')
      return
    }
    const { fixture, witness } = read
    const crypto = await loadCrypto()
    const trie = createStateTrie(crypto)
    const parent = headerOf(fixture.parent_header)
    const preimage = (hash: Uint8Array): Uint8Array | undefined => witness.get(bytesToHex(hash).slice(2))
    const state = stateFromWitness(parent.stateRoot, preimage)
    const payload = fixture.executing_payload
    const chainId = fixture.rollup_config.l2_chain_id
    const block = beginBlock(
      { header: parent, hash: Header.hash(parent, crypto) },
      state,
      {
        timestamp: BigInt(payload.timestamp),
        prevRandao: payload.prevRandao,
        feeRecipient: payload.suggestedFeeRecipient,
        parentBeaconBlockRoot: payload.parentBeaconBlockRoot,
        gasLimit: BigInt(payload.gasLimit),
        eip1559Params: payload.eip1559Params,
      },
      {
        evm: await createEvm({ chainId, crypto, fork: 'holocene' }),
        crypto,
        trie,
        chainId: BigInt(chainId),
        fork: 'holocene',
        optimism: fixture.rollup_config.chain_op_config,
        code: (codeHash) => preimage(hexToBytes(codeHash)) ?? new Uint8Array(),
        blockHash: () => undefined,
      },
    )
    for (const raw of payload.transactions) await block.execute(toExecutable(hexToBytes(raw), crypto))
    expect(block.finish().hash).toBe(fixture.expected_block_hash)
  })
})
