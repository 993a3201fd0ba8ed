import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPublicClient, http, keccak256, toRlp, trim } from 'viem'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { findAnvil, freePort } from '../l1/Anvil.ts'
import { createGenesis } from './createGenesis.ts'
import { ExportMismatchError, ExportMissingError, exportChain, genesisHash } from './exportChain.ts'
import { createRollupConfig } from './RollupConfig.ts'

const CHAIN_ID = 161_200
const MESSAGE_PASSER = '0x4200000000000000000000000000000000000016'
const genesis = createGenesis({
  l2ChainId: CHAIN_ID,
  timestamp: 1_800_000_000,
  gasLimit: 30_000_000n,
  open: '0x5fbdb2315678afecb367f032d93f642f64180aa3',
  treasury: '0x15d34aaf54267db7d7c367839aaf71a00a2c6a65',
})
const directory = mkdtempSync(join(tmpdir(), 'openledger-export-'))
const write = (name: string, value: unknown): void =>
  writeFileSync(join(directory, name), JSON.stringify(value))

afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Block 0 as the specification writes it, with roots that anvil's own state gives for the exported accounts. */
async function independentHash(): Promise<string> {
  const path = join(directory, 'anvil.json')
  writeFileSync(path, JSON.stringify(genesis))
  const port = await freePort()
  const args = ['--quiet', '--port', String(port), '--init', path, '--no-mining', '--accounts', '0']
  const anvil = spawn(findAnvil(), [...args, '--chain-id', String(CHAIN_ID)], { stdio: 'ignore' })
  try {
    const client = createPublicClient({ transport: http(`http://127.0.0.1:${port}`) })
    await vi.waitFor(() => client.getChainId(), { timeout: 15_000 })
    const proof = await client.getProof({ address: MESSAGE_PASSER, storageKeys: [] })
    return keccak256(
      toRlp([
        `0x${'00'.repeat(32)}`,
        keccak256('0xc0'),
        genesis.coinbase!,
        keccak256(proof.accountProof[0]!),
        keccak256('0x80'),
        keccak256('0x80'),
        `0x${'00'.repeat(256)}`,
        '0x',
        '0x',
        trim(genesis.gasLimit as `0x${string}`),
        '0x',
        trim(genesis.timestamp as `0x${string}`),
        genesis.extraData!,
        `0x${'00'.repeat(32)}`,
        `0x${'00'.repeat(8)}`,
        trim(genesis.baseFeePerGas as `0x${string}`),
        proof.storageHash,
        '0x',
        '0x',
        `0x${'00'.repeat(32)}`,
        // SHA-256 of nothing: no requests
        '0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      ]),
    )
  } finally {
    anvil.kill('SIGKILL')
  }
}

describe('an exported chain', () => {
  const rollupOf = (l2GenesisHash: `0x${string}`) =>
    createRollupConfig({
      l1ChainId: 31_337,
      l2ChainId: CHAIN_ID,
      l2BlockTimeSeconds: 2,
      portal: '0xdc64a140aa3e981100a9beca4e685f962f0cf6c9',
      systemConfig: '0xcf7ed3acca5a467e9e704c703e8d87f634fb0fc9',
      batchInbox: '0xff00000000000000000000000000000000161200',
      origin: { number: 1, hash: `0x${'5e'.repeat(32)}`, timestamp: 1_800_000_000 },
      l2GenesisHash,
      initial: {
        batcherAddress: '0x70997970c51812dc3a010c7d01b50e0d17dc79c8',
        gasLimit: 30_000_000n,
        eip1559Params: '0x0000000000000000',
        baseFeeScalar: 1_368n,
        blobBaseFeeScalar: 810_949n,
        operatorFeeScalar: 0n,
        operatorFeeConstant: 0n,
      },
    })

  test('has the genesis block that another client computes from its accounts', async () => {
    expect(await genesisHash(genesis)).toBe(await independentHash())
  })

  test('is refused until both files are there and belong together', async () => {
    await expect(exportChain(directory)).rejects.toThrow(ExportMissingError)
    write('genesis.json', genesis)
    write('rollup.json', rollupOf(`0x${'12'.repeat(32)}`))
    await expect(exportChain(directory)).rejects.toThrow(ExportMismatchError)
    const rollup = rollupOf(await genesisHash(genesis))
    write('rollup.json', rollup)
    expect(await exportChain(directory)).toMatchObject({
      genesis: JSON.parse(JSON.stringify(genesis)),
      rollup,
      l1ChainConfig: { chainId: 31_337, pragueTime: 0 },
    })
  })

  test('has every field that op-node’s rollup.Config requires, and no fork twice or out of order', () => {
    const rollup = rollupOf(`0x${'12'.repeat(32)}`)
    // what Config.Check of op-node 1.19 refuses when it is zero or missing
    const required = [
      rollup.block_time,
      rollup.channel_timeout,
      rollup.seq_window_size - 1,
      rollup.max_sequencer_drift,
      rollup.genesis.l2_time,
      rollup.genesis.system_config.gasLimit,
      rollup.l1_chain_id,
      rollup.l2_chain_id,
    ]
    expect(required.every((value) => value > 0)).toBe(true)
    expect(rollup.genesis.system_config.scalar).toBe(
      '0x010000000000000000000000000000000000000000000000000c5fc500000558',
    )
    const forks = Object.keys(rollup).filter((key) => key.endsWith('_time') && key !== 'block_time')
    expect(forks).toEqual(
      ['regolith', 'canyon', 'delta', 'ecotone', 'fjord', 'granite', 'holocene', 'isthmus'].map(
        (fork) => `${fork}_time`,
      ),
    )
  })
})
