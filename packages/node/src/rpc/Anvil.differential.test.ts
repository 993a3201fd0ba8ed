import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Hex } from '@openledger/primitives'
import {
  type Address,
  encodeDeployData,
  encodeFunctionData,
  getContractAddress,
  hexToBytes,
  keccak256,
  parseEther,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { attributes, genesisOf } from '../../test/Chain.ts'
import { artifact } from '../deployment/Bedrock.ts'
import { createEmbeddedEngine } from '../engine/EmbeddedEngine.ts'
import type { InspectableEngine } from '../engine/Engine.ts'
import { findAnvil, freePort } from '../l1/Anvil.ts'
import { silentLogger } from '../node/Logger.ts'
import { createDispatcher } from './Dispatcher.ts'
import { createDebugMethods } from './debugMethods.ts'
import { createFeeMethods } from './feeMethods.ts'
import { createNodeMethods } from './nodeMethods.ts'
import { createSimulateMethods } from './simulateMethods.ts'
import { createStateMethods } from './stateMethods.ts'

const alice = privateKeyToAccount(`0x${'11'.repeat(32)}`)
const weth = artifact('WETH98')
const CHAIN_ID = 161_200
const RICH = parseEther('1000')
const BOB: Address = '0x00000000000000000000000000000000000b0b00'

let anvil: ChildProcess
let url: string
let engine: InspectableEngine
let ask: (method: string, params: readonly unknown[]) => Promise<unknown>
let directory: string
let token: Address
let transactions: Hex[]

const encode = (functionName: string, args: readonly unknown[] = []): Hex =>
  encodeFunctionData({ abi: weth.abi, functionName, args: args as never })

async function theirs(method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  const { result, error } = (await response.json()) as { result?: unknown; error?: unknown }
  return error === undefined ? result : { error }
}

/** Another node, written by others in another language, is asked the same of the same chain. */
beforeAll(async () => {
  const port = await freePort()
  url = `http://127.0.0.1:${port}`
  anvil = spawn(
    findAnvil(),
    `--port ${port} --chain-id ${CHAIN_ID} --hardfork prague --no-mining --accounts 0 --steps-tracing`.split(
      ' ',
    ),
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  await new Promise<void>((resolve) => {
    createInterface({ input: anvil.stdout! }).on('line', (line) => {
      if (line.startsWith('Listening on')) resolve()
    })
  })
  directory = mkdtempSync(join(tmpdir(), 'differential-'))
  const genesis = genesisOf({ [alice.address]: { balance: `${RICH}` } })
  engine = await createEmbeddedEngine({ directory, genesis })
  const { handle } = createDispatcher(
    {
      ...createStateMethods(engine),
      ...createFeeMethods(engine, genesis.config.optimism),
      ...createNodeMethods(engine, 'test'),
      ...createDebugMethods(engine),
      ...createSimulateMethods(engine),
    },
    silentLogger,
  )
  ask = async (method, params) => {
    const text = await handle(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))
    const { result, error } = JSON.parse(text!) as { result?: unknown; error?: unknown }
    return error === undefined ? result : { error }
  }
  await theirs('anvil_setBalance', [alice.address, `0x${RICH.toString(16)}`])
  token = getContractAddress({ from: alice.address, nonce: 0n })
  // a contract that calls the token three ways, creates a child, logs, and sends the rest back
  const steps: { to?: Address; data?: Hex; value?: bigint }[] = [
    { data: encodeDeployData({ abi: weth.abi, bytecode: weth.bytecode }) },
    { to: token, data: encode('deposit'), value: 10n ** 18n },
    { to: token, data: encode('transfer', [BOB, 123n]) },
    { to: token, data: encode('withdraw', [7n]) },
    { to: token, data: encode('transfer', [BOB, 10n ** 30n]) },
    { to: BOB, value: 5n },
    { data: callerOf(token) },
    { data: '0x60006000fd' },
    { data: '0xfe' },
  ]
  transactions = []
  for (const [nonce, step] of steps.entries()) {
    const raw = await alice.signTransaction({
      type: 'eip1559',
      chainId: CHAIN_ID,
      nonce,
      gas: 2_000_000n,
      maxFeePerGas: 10n ** 10n,
      maxPriorityFeePerGas: 10n ** 9n,
      ...step,
    })
    transactions.push(keccak256(raw))
    await theirs('eth_sendRawTransaction', [raw])
    await engine.submit(hexToBytes(raw))
  }
  await theirs('evm_mine', [])
  await engine.build(attributes(engine.head().timestamp + 2n))
})
afterAll(async () => {
  anvil.kill()
  await engine.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Init code that does CALL, DELEGATECALL, STATICCALL on `target`, CREATE, LOG1, and a CALL of the identity precompile. */
function callerOf(target: Address): Hex {
  const push = `73${target.slice(2)}`
  const call = `6000600060006000600 0${push}620186a0f150`.replaceAll(' ', '')
  const delegate = `60006000600060 00${push}620186a0f450`.replaceAll(' ', '')
  const inspect = `60006000600060 00${push}620186a0fa50`.replaceAll(' ', '')
  const create = '600160006000f050'
  const log = '60aa60206000a1'
  const identity = '6020600060206000 6000600461ffff f150'.replaceAll(' ', '')
  return `0x${call}${delegate}${inspect}${create}${log}${identity}00`
}

/**
 * Without what depends on the chain's other rules: fees that go elsewhere, and the hash and time of the block; and without
 * what geth says beyond anvil: hashes of codes.
 */
const withoutFees = (prestate: unknown): unknown => {
  const accounts = prestate as Record<string, { balance?: string; codeHash?: string }>
  return Object.fromEntries(
    Object.entries(accounts)
      .filter(([address]) => [token, alice.address.toLowerCase(), BOB].includes(address as Address))
      .map(([address, { balance: _, codeHash: __, ...rest }]) => [address, rest] as const)
      // geth leaves out who did not exist before
      .filter(([, rest]) => Object.keys(rest).length > 0),
  )
}

/** Exceptional halts have another name in every client. */
const inOurWords = (trace: object): unknown =>
  JSON.parse(
    JSON.stringify(trace, (key, value) => (key === 'error' && !/revert/.test(value) ? 'halt' : value)),
  )

describe('answers as anvil does', () => {
  test('the calls of every transaction', async () => {
    for (const [i, hash] of transactions.entries()) {
      for (const tracerConfig of [{}, { onlyTopCall: true }, { withLog: true }]) {
        const params = [hash, { tracer: 'callTracer', tracerConfig }]
        const [ours, reference] = [
          await ask('debug_traceTransaction', params),
          await theirs('debug_traceTransaction', params),
        ]
        // anvil takes the intrinsic gas off the root's and adds up the block's, geth does neither
        const root = ours as { gas: string; gasUsed: string }
        const { gasUsed } = engine.receipt(hash)!
        expect([root.gas, root.gasUsed]).toEqual(['0x1e8480', `0x${gasUsed.toString(16)}`])
        expect(inOurWords({ ...root, gas: '', gasUsed: '' }), `${i} ${JSON.stringify(tracerConfig)}`).toEqual(
          inOurWords({ ...(reference as object), gas: '', gasUsed: '' }),
        )
      }
    }
  })

  test('every opcode of every transaction', async () => {
    for (const [i, hash] of transactions.entries()) {
      const params = [hash, { disableStorage: true }]
      type Log = { pc: number; op: string; gas: number; gasCost: number; depth: number; stack: string[] }
      const pick = (trace: unknown) =>
        (trace as { structLogs: Log[] }).structLogs.map(({ pc, op, gas, gasCost, depth, stack }) => ({
          pc,
          op: op === 'SHA3' || op === 'KECCAK256' ? 'KECCAK256' : op,
          gas,
          // a call’s cost is counted differently by every client
          ...(/CALL|CREATE|INVALID/.test(op) ? {} : { gasCost }),
          depth,
          stack,
        }))
      const ours = await ask('debug_traceTransaction', params)
      const reference = await theirs('debug_traceTransaction', params)
      expect(pick(ours), `transaction ${i}`).toEqual(pick(reference))
      const { gas, failed } = ours as { gas: number; failed: boolean }
      // anvil adds up the block's gas here
      const receipt = engine.receipt(hash)!
      expect([gas, failed]).toEqual([Number(receipt.gasUsed), receipt.status === 0])
    }
  })

  test('what a transaction read and what it changed', async () => {
    for (const [i, hash] of transactions.entries()) {
      const whole = [hash, { tracer: 'prestateTracer' }]
      expect(withoutFees(await ask('debug_traceTransaction', whole)), `transaction ${i}`).toEqual(
        withoutFees(await theirs('debug_traceTransaction', whole)),
      )
      const diff = [hash, { tracer: 'prestateTracer', tracerConfig: { diffMode: true } }]
      const ours = (await ask('debug_traceTransaction', diff)) as { pre: unknown; post: unknown }
      const reference = (await theirs('debug_traceTransaction', diff)) as { pre: unknown; post: unknown }
      expect(withoutFees(ours.post), `transaction ${i}`).toEqual(withoutFees(reference.post))
    }
  })

  test('a call that never becomes a transaction, with state assumed', async () => {
    const call = { from: BOB, to: token, data: encode('transfer', [alice.address, 100n]) }
    for (const params of [
      [call, 'latest', { tracer: 'callTracer' }],
      [
        { ...call, data: encode('transfer', [alice.address, 10n ** 20n]) },
        'latest',
        { tracer: 'callTracer' },
      ],
    ]) {
      const { gas: _, ...ours } = (await ask('debug_traceCall', params)) as { gas: string }
      const { gas: __, ...reference } = (await theirs('debug_traceCall', params)) as { gas: string }
      expect(ours).toEqual(reference)
    }
    const code = '0x4360005260206000f3'
    const overrides = { [BOB]: { code, balance: '0x64' } }
    const assumed = [{ to: BOB, data: '0x' }, 'latest', overrides, { number: '0x1234' }]
    expect(await ask('eth_call', assumed)).toBe(await theirs('eth_call', assumed))
    const estimate = [
      { from: BOB, to: alice.address, value: '0x1' },
      'latest',
      { [BOB]: { balance: '0xde0b6b3a7640000' } },
    ]
    expect(await ask('eth_estimateGas', estimate)).toBe(await theirs('eth_estimateGas', estimate))
  })

  test('blocks that will never be', async () => {
    const payload = {
      traceTransfers: true,
      blockStateCalls: [
        {
          stateOverrides: { [BOB]: { balance: '0x3e8' } },
          calls: [
            { from: BOB, to: alice.address, value: '0x5' },
            { from: BOB, to: token, data: encode('transfer', [alice.address, 100n]) },
            { from: BOB, to: token, data: encode('transfer', [alice.address, 10n ** 20n]) },
            { from: BOB, to: token, data: encode('deposit'), value: '0x7' },
          ],
        },
        { calls: [{ from: alice.address, to: token, data: encode('balanceOf', [BOB]) }] },
      ],
    }
    type Call = {
      status: string
      gasUsed: string
      returnData: string
      logs: { address: string; topics: string[]; data: string }[]
    }
    const pick = (blocks: unknown) =>
      (blocks as { calls: Call[]; gasUsed: string }[]).map(({ calls, gasUsed }) => ({
        gasUsed,
        calls: calls.map(({ status, gasUsed: own, returnData, logs }) => ({
          status,
          own,
          returnData,
          logs: logs.map(({ address, topics, data }) => ({ address, topics, data })),
        })),
      }))
    const ours = await ask('eth_simulateV1', [payload, 'latest'])
    expect(pick(ours)).toEqual(pick(await theirs('eth_simulateV1', [payload, 'latest'])))
  })
})

test('a trace that would take too long or too much is refused, and the node goes on', async () => {
  // counts down for ever, or stores words until memory is dear
  const endless = { to: BOB, gas: '0x1c9c380' }
  const options = { stateOverrides: { [BOB]: { code: '0x5b600056' } } }
  expect(await ask('debug_traceCall', [endless, 'latest', options])).toMatchObject({
    error: { code: -32_005 },
  })
  expect(
    await ask('debug_traceCall', [
      { ...endless, gas: '0x40000' },
      'latest',
      { ...options, tracer: 'callTracer' },
    ]),
  ).toMatchObject({ error: 'out of gas' })
  expect(await ask('eth_call', [{ to: token, data: encode('totalSupply') }, 'latest'])).toBe(
    `0x${(10n ** 18n - 7n).toString(16).padStart(64, '0')}`,
  )
})

test('raw bytes hash to what the block says of them', async () => {
  const head = engine.head()
  const header = (await ask('debug_getRawHeader', ['latest'])) as Hex
  expect(keccak256(header)).toBe(head.hash)
  expect(await ask('debug_getRawTransaction', [transactions[0]])).toMatch(/^0x02/)
  const block = (await ask('debug_getRawBlock', ['latest'])) as Hex
  expect((block.length - 2) / 2).toBe(Number(head.size))
  expect(await ask('debug_getRawReceipts', ['latest'])).toHaveLength(transactions.length)
})
