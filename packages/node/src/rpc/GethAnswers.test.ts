import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hexToBytes, L1Info, Transaction } from '@openledger/rollup'
import { keccak256, parseEther } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { attributes, CHAIN_ID } from '../../test/Chain.ts'
import { createGenesis } from '../deployment/createGenesis.ts'
import { chainOpConfig } from '../deployment/RollupConfig.ts'
import { createEmbeddedEngine, type EmbeddedEngine } from '../engine/EmbeddedEngine.ts'
import type { BlockRecord } from '../engine/Engine.ts'
import { createDebugMethods } from './debugMethods.ts'
import { createFeeMethods } from './feeMethods.ts'
import type { Methods } from './Methods.ts'
import { createStateMethods } from './stateMethods.ts'

// what op-geth 1.101702.3 answers about the same things, as `npm run vectors -- op-geth` found
const alice = privateKeyToAccount(`0x${'11'.repeat(32)}`)
const ALICE = alice.address.toLowerCase()
const L1_BLOCK = '0x4200000000000000000000000000000000000015'
const L1_BLOCK_CODE = '0xc0d3c0d3c0d3c0d3c0d3c0d3c0d3c0d3c0d30015'
const BASE_FEE_VAULT = '0x4200000000000000000000000000000000000019'
const NOBODY = '0x00000000000000000000000000000000000dead0'
const ZERO = `0x${'00'.repeat(32)}`
const directory = mkdtempSync(join(tmpdir(), 'geth-answers-'))
let engine: EmbeddedEngine
let methods: Methods
let block: BlockRecord
const ask = async (method: string, ...params: unknown[]) => (await methods[method]!(params)) as never

beforeAll(async () => {
  const made = createGenesis({
    l2ChainId: CHAIN_ID,
    timestamp: 1_000,
    gasLimit: 30_000_000n,
    open: `0x${'0e'.repeat(20)}`,
    treasury: `0x${'0f'.repeat(20)}`,
  })
  const alloc = { ...made.alloc, [ALICE]: { balance: `${parseEther('10')}` } }
  engine = await createEmbeddedEngine({ directory, genesis: { ...made, alloc } })
  methods = {
    ...createStateMethods(engine),
    ...createFeeMethods(engine, chainOpConfig),
    ...createDebugMethods(engine),
  }
  const info = L1Info.toDeposit({
    number: 7n,
    timestamp: 990n,
    hash: `0x${'cd'.repeat(32)}`,
    baseFee: 7n,
    blobBaseFee: 1n,
    sequenceNumber: 0n,
    batcherAddress: `0x${'ba'.repeat(20)}`,
    baseFeeScalar: 1_368n,
    blobBaseFeeScalar: 810_949n,
    operatorFeeScalar: 0n,
    operatorFeeConstant: 0n,
  })
  const raw = await alice.signTransaction({
    type: 'eip1559',
    chainId: CHAIN_ID,
    nonce: 0,
    to: NOBODY.replace('dead0', 'b0b00') as `0x${string}`,
    value: 1n,
    gas: 21_000n,
    maxFeePerGas: 3_000_000_000n,
    maxPriorityFeePerGas: 5n,
  })
  await engine.submit(hexToBytes(raw))
  block = await engine.build(attributes(1_002n, [Transaction.encode(info)]))
})
afterAll(async () => {
  await engine.close()
  rmSync(directory, { recursive: true, force: true })
})

describe('answers as op-geth gives them', () => {
  test('a transaction has its block’s time; a deposit says that it is a system’s only if it is', async () => {
    const [deposit, transfer] = block.transactions.map(({ hash }) => hash)
    const shown: Record<string, unknown> = await ask('eth_getTransactionByHash', deposit)
    expect(shown).toMatchObject({ blockTimestamp: '0x3ea' })
    expect(shown).not.toHaveProperty('isSystemTx')
    expect(await ask('eth_getTransactionByHash', transfer)).toMatchObject({ blockTimestamp: '0x3ea' })
  })

  test('a proof repeats short slots as quantities, and hashes nothing for who does not exist', async () => {
    const proof: { storageProof: { key: string }[] } = await ask(
      'eth_getProof',
      L1_BLOCK,
      ['0x00', ZERO],
      '0x1',
    )
    expect(proof.storageProof.map(({ key }) => key)).toEqual(['0x0', ZERO])
    expect(await ask('eth_getProof', NOBODY, [], '0x1')).toMatchObject({ codeHash: ZERO, storageHash: ZERO })
  })

  test('deposits count among the rewards of a block, with nothing', async () => {
    const history = await ask('eth_feeHistory', '0x1', '0x1', [10, 100])
    expect(history).toMatchObject({ reward: [['0x0', '0x5']] })
  })

  test('what a transaction read has hashes of codes, who only lent code, and nobody new', async () => {
    const tracer = { tracer: 'prestateTracer' }
    const [deposit, transfer] = block.transactions.map(({ hash }) => hash)
    const read: Record<string, { codeHash?: string }> = await ask('debug_traceTransaction', deposit, tracer)
    const code = await ask('eth_getCode', L1_BLOCK_CODE, '0x1')
    expect(read[L1_BLOCK_CODE]).toMatchObject({ codeHash: keccak256(code) })
    expect(read).toHaveProperty(BASE_FEE_VAULT)
    // the depositor had no account before the first block
    expect(read).not.toHaveProperty('0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001')
    const sent: object = await ask('debug_traceTransaction', transfer, tracer)
    expect(Object.keys(sent)).not.toContain(NOBODY.replace('dead0', 'b0b00'))
    // what the block charges by is read by the block, even for the first that pays
    expect(Object.keys(sent)).not.toContain(L1_BLOCK)
    const config = { ...tracer, tracerConfig: { includeEmpty: true } }
    const all: object = await ask('debug_traceTransaction', transfer, config)
    expect(Object.keys(all)).toContain(NOBODY.replace('dead0', 'b0b00'))
  })
})

test('a block given whole is traced as the one of its number, and bytes that are none are refused', async () => {
  const number = `0x${block.number.toString(16)}`
  const raw = await ask('debug_getRawBlock', number)
  const options = { tracer: 'callTracer' }
  expect(await ask('debug_traceBlock', raw, options)).toEqual(
    await ask('debug_traceBlockByNumber', number, options),
  )
  await expect(ask('debug_traceBlock', '0xc0', options)).rejects.toMatchObject({ code: 'rlp.malformed' })
})
