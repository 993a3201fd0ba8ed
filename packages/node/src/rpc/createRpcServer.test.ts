import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DevelopmentKeys } from '@openledger/protocol'
import { wopenAbi, wopenBytecode } from '@openledger/protocol/abi/index'
import { Deposit, L1Info, Transaction } from '@openledger/rollup'
import {
  createPublicClient,
  createWalletClient,
  decodeEventLog,
  defineChain,
  ExecutionRevertedError,
  encodeFunctionData,
  type Hex,
  http,
  InsufficientFundsError,
  NonceTooLowError,
  parseAbi,
  parseEther,
  webSocket,
} from 'viem'
import { chainConfig, publicActionsL2 } from 'viem/op-stack'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createGenesis } from '../deployment/createGenesis.ts'
import { createEmbeddedEngine } from '../engine/EmbeddedEngine.ts'
import type { Engine } from '../engine/Engine.ts'
import { silentLogger } from '../node/Logger.ts'
import { createRpcServer, type RpcServer } from './createRpcServer.ts'
import { createRpcThread } from './createRpcThread.ts'

const CHAIN_ID = 161_200
const START = 1_800_000_000n
const directory = mkdtempSync(join(tmpdir(), 'openledger-rpc-'))
const alice = DevelopmentKeys.account('caller')
const poor = DevelopmentKeys.contributor(0)
const bob = '0x00000000000000000000000000000000000000b0'

const genesis = createGenesis({
  l2ChainId: CHAIN_ID,
  timestamp: Number(START),
  gasLimit: 30_000_000n,
  open: `0x${'0e'.repeat(20)}`,
  treasury: DevelopmentKeys.account('treasury').address,
})
const threadOptions = () => ({
  engine,
  directory,
  genesis,
  port: 0,
  readThreads: 1,
  logger: silentLogger,
})

let engine: Engine
let server: RpcServer
let building: NodeJS.Timeout

const chain = () =>
  defineChain({
    ...chainConfig,
    id: CHAIN_ID,
    name: 'OpenLedger',
    nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [server.url], webSocket: [server.webSocketUrl] } },
    contracts: {
      ...chainConfig.contracts,
      multicall3: { address: '0xca11bde05977b3631167028862be2a173976ca11' },
    },
  })
const publicClient = () =>
  createPublicClient({ chain: chain(), transport: http(), pollingInterval: 50, cacheTime: 0 }).extend(
    publicActionsL2(),
  )
const walletClient = (account = alice) =>
  createWalletClient({ account, chain: chain(), transport: http(), pollingInterval: 50 })

async function build(extra: readonly Uint8Array[] = []): Promise<void> {
  const head = engine.head()
  const info = L1Info.toDeposit({
    number: 7n,
    timestamp: START,
    hash: `0x${'cd'.repeat(32)}`,
    baseFee: 1_000_000_000n,
    blobBaseFee: 1n,
    sequenceNumber: head.number,
    batcherAddress: `0x${'ba'.repeat(20)}`,
    baseFeeScalar: 1368n,
    blobBaseFeeScalar: 810_949n,
    operatorFeeScalar: 0n,
    operatorFeeConstant: 0n,
  })
  await engine.build({
    timestamp: head.timestamp + 1n,
    prevRandao: `0x${'01'.repeat(32)}`,
    feeRecipient: '0x4200000000000000000000000000000000000011',
    parentBeaconBlockRoot: `0x${'02'.repeat(32)}`,
    gasLimit: 30_000_000n,
    eip1559Params: '0x0000000000000000',
    deposits: [Transaction.encode(info), ...extra],
  })
}

const mint = (to: Hex, amount: bigint): Uint8Array =>
  Transaction.encode({
    type: 0x7e,
    sourceHash: Deposit.userSourceHash(`0x${'cd'.repeat(32)}`, 3),
    from: to,
    to,
    mint: amount,
    value: 0n,
    gas: 100_000n,
    isSystemTx: false,
    data: new Uint8Array(),
  })

const ask = async (body: string): Promise<{ status: number; answer: unknown }> => {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  const text = await response.text()
  return { status: response.status, answer: text === '' ? undefined : JSON.parse(text) }
}
const request = async (method: string, params: unknown): Promise<unknown> =>
  (await ask(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))).answer

beforeAll(async () => {
  engine = await createEmbeddedEngine({ directory, genesis })
  server = await createRpcThread(threadOptions())
  await build([mint(alice.address.toLowerCase() as Hex, parseEther('1000'))])
  building = setInterval(() => void build(), 150)
})

afterAll(async () => {
  clearInterval(building)
  await server.close()
  await engine.close()
  rmSync(directory, { recursive: true, force: true })
})

describe('a viem wallet', () => {
  test('sends OPEN and reads the receipt with the L1 fee', async () => {
    const client = publicClient()
    const hash = await walletClient().sendTransaction({ to: bob, value: parseEther('2') })
    const receipt = await client.waitForTransactionReceipt({ hash })
    expect(receipt).toMatchObject({
      status: 'success',
      gasUsed: 21_000n,
      from: alice.address.toLowerCase(),
      to: bob,
    })
    expect(receipt.l1Fee).toBeGreaterThan(0n)
    expect(await client.getBalance({ address: bob })).toBe(parseEther('2'))
    const transaction = await client.getTransaction({ hash })
    expect(transaction).toMatchObject({
      type: 'eip1559',
      value: parseEther('2'),
      chainId: CHAIN_ID,
      typeHex: '0x2',
    })
    const block = await client.getBlock({ blockHash: receipt.blockHash, includeTransactions: true })
    expect(block.transactions[0]).toMatchObject({
      type: 'deposit',
      from: '0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001',
    })
    expect(block.transactions.map((each) => each.hash)).toContain(hash)
  })

  test('pays exactly what estimateL1Fee, gas and base fee say', async () => {
    const client = publicClient()
    const before = await client.getBalance({ address: alice.address })
    const hash = await walletClient().sendTransaction({ to: bob, value: 1n })
    const receipt = await client.waitForTransactionReceipt({ hash })
    const after = await client.getBalance({ address: alice.address })
    expect(before - after).toBe(1n + receipt.gasUsed * receipt.effectiveGasPrice + (receipt.l1Fee ?? 0n))
    const estimated = await client.estimateL1Fee({ account: alice, to: bob, value: 1n })
    // 100 bytes is the least a transaction is charged for, and both are below
    expect(estimated).toBe(receipt.l1Fee)
  })

  test('deploys a contract, writes to it, reads it, and finds its events', async () => {
    const client = publicClient()
    const wallet = walletClient()
    const deployed = await client.waitForTransactionReceipt({
      hash: await wallet.deployContract({ abi: wopenAbi, bytecode: wopenBytecode }),
    })
    const address = deployed.contractAddress!
    expect(await client.getCode({ address })).toMatch(/^0x60/)
    const { request: write } = await client.simulateContract({
      account: alice,
      address,
      abi: wopenAbi,
      functionName: 'deposit',
      value: 5n,
    })
    const receipt = await client.waitForTransactionReceipt({ hash: await wallet.writeContract(write) })
    const event = decodeEventLog({ abi: wopenAbi, ...receipt.logs[0]! })
    expect(event.eventName).toBe('Transfer')
    const read = { address, abi: wopenAbi, functionName: 'balanceOf', args: [alice.address] } as const
    expect(await client.readContract(read)).toBe(5n)
    expect(await client.multicall({ contracts: [read, read], allowFailure: false })).toEqual([5n, 5n])
    const found = await client.getContractEvents({
      address,
      abi: wopenAbi,
      eventName: 'Deposit',
      fromBlock: 0n,
    })
    expect(found.map((log) => log.transactionHash)).toEqual([receipt.transactionHash])
    const byHash = await client.getLogs({ blockHash: receipt.blockHash, address })
    expect(byHash.length).toBe(receipt.logs.length)
    // the state before the deposit is still there to read
    const past = await client.readContract({ ...read, blockNumber: receipt.blockNumber - 1n })
    expect(past).toBe(0n)
  })

  test('is told in words it knows why a transaction cannot be', async () => {
    const client = publicClient()
    await expect(walletClient(poor).sendTransaction({ to: bob, value: 1n, gas: 21_000n })).rejects.toSatisfy(
      (error: { walk: (match: (cause: unknown) => boolean) => unknown }) =>
        error.walk((cause) => cause instanceof InsufficientFundsError) !== null,
    )
    const nonce = await client.getTransactionCount({ address: alice.address })
    expect(nonce).toBeGreaterThan(0)
    await expect(
      walletClient().sendTransaction({ to: bob, value: 1n, gas: 21_000n, nonce: 0 }),
    ).rejects.toSatisfy(
      (error: { walk: (match: (cause: unknown) => boolean) => unknown }) =>
        error.walk((cause) => cause instanceof NonceTooLowError) !== null,
    )
  })

  test('gets the reason and the data of a revert', async () => {
    const call = encodeFunctionData({
      abi: parseAbi(['function initiateWithdrawal(address,uint256,bytes) payable']),
      functionName: 'initiateWithdrawal',
      args: [bob, 1n, '0x'],
    })
    // FeeVault: balance below the minimum, with an Error(string)
    const vault = '0x4200000000000000000000000000000000000011'
    const withdraw = encodeFunctionData({ abi: parseAbi(['function withdraw()']), functionName: 'withdraw' })
    await expect(publicClient().call({ to: vault, data: withdraw })).rejects.toSatisfy(
      (error: { walk: (match: (cause: unknown) => boolean) => unknown }) =>
        error.walk((cause) => cause instanceof ExecutionRevertedError) !== null,
    )
    expect(await request('eth_estimateGas', [{ to: vault, data: withdraw }])).toMatchObject({
      error: {
        code: 3,
        message: expect.stringContaining('FeeVault: withdrawal amount'),
        data: expect.stringMatching(/^0x08c379a0/),
      },
    })
    expect(
      await request('eth_call', [{ to: '0x4200000000000000000000000000000000000016', data: call }]),
    ).toMatchObject({
      result: '0x',
    })
  })

  test('estimates fees from the history', async () => {
    const client = publicClient()
    const history = await client.getFeeHistory({ blockCount: 3, rewardPercentiles: [25, 75] })
    expect(history.baseFeePerGas).toHaveLength(4)
    expect(history.reward).toHaveLength(3)
    const next = history.baseFeePerGas.at(-1)
    const oldest = await client.getBlock({ blockNumber: history.oldestBlock })
    expect(history.baseFeePerGas[0]).toBe(oldest.baseFeePerGas)
    await vi.waitFor(async () => {
      const after = await client.getBlock({ blockNumber: history.oldestBlock + 3n })
      expect(after.baseFeePerGas).toBe(next)
    })
    const fees = await client.estimateFeesPerGas()
    expect(fees.maxPriorityFeePerGas).toBeGreaterThan(0n)
  })

  test('reads a proof that hangs on the state root of its block', async () => {
    const client = publicClient()
    const proof = await client.getProof({
      address: '0x4200000000000000000000000000000000000016',
      storageKeys: [`0x${'00'.repeat(31)}01`],
      blockNumber: 1n,
    })
    const block = await client.getBlock({ blockNumber: 1n })
    expect(proof.storageHash).toBe((block as unknown as { withdrawalsRoot: Hex }).withdrawalsRoot)
    expect(proof.accountProof.length).toBeGreaterThan(0)
  })
})

describe('filters and subscriptions', () => {
  test('poll new blocks, logs and pending transactions', async () => {
    const client = publicClient()
    const wallet = walletClient()
    const { contractAddress, blockNumber: fromBlock } = await client.waitForTransactionReceipt({
      hash: await wallet.deployContract({ abi: wopenAbi, bytecode: wopenBytecode }),
    })
    const address = contractAddress!
    const blocks = await client.createBlockFilter()
    const pending = await client.createPendingTransactionFilter()
    // without a first block a filter's logs are those of the newest block alone, as in geth
    const events = await client.createContractEventFilter({
      address,
      abi: wopenAbi,
      eventName: 'Deposit',
      fromBlock,
    })
    const hash = await wallet.writeContract({ address, abi: wopenAbi, functionName: 'deposit', value: 1n })
    const receipt = await client.waitForTransactionReceipt({ hash })
    expect(await client.getFilterChanges({ filter: pending })).toContain(hash)
    expect(await client.getFilterChanges({ filter: blocks })).toContain(receipt.blockHash)
    const changes = await client.getFilterChanges({ filter: events })
    expect(changes.map((log) => log.args)).toEqual([{ account: alice.address, amount: 1n }])
    expect(await client.getFilterChanges({ filter: events })).toEqual([])
    expect(await client.getFilterLogs({ filter: events })).toHaveLength(1)
    expect(await client.uninstallFilter({ filter: events })).toBe(true)
    await expect(client.getFilterChanges({ filter: events })).rejects.toThrow('filter not found')
  })

  test('push new heads, logs and pending transactions over a WebSocket', async () => {
    const client = createPublicClient({ chain: chain(), transport: webSocket() })
    const heads: bigint[] = []
    const hashes: Hex[] = []
    const logs: Hex[] = []
    const stops = [
      client.watchBlocks({ onBlock: (block) => heads.push(block.number) }),
      client.watchPendingTransactions({ onTransactions: (found) => hashes.push(...found) }),
      client.watchEvent({ onLogs: (found) => logs.push(...found.map((log) => log.transactionHash!)) }),
    ]
    await vi.waitFor(() => expect(heads.length).toBeGreaterThan(1), { timeout: 5_000 })
    const hash = await walletClient().deployContract({ abi: wopenAbi, bytecode: wopenBytecode })
    const { contractAddress } = await publicClient().waitForTransactionReceipt({ hash })
    const deposit = await walletClient().writeContract({
      address: contractAddress!,
      abi: wopenAbi,
      functionName: 'deposit',
      value: 1n,
    })
    await vi.waitFor(() => expect(logs).toContain(deposit), { timeout: 5_000 })
    expect(hashes).toEqual([hash, deposit])
    for (const stop of stops) stop()
    const socket = await client.transport.getRpcClient()
    socket.close()
  })
})

describe('bad input', () => {
  test.each([
    ['not JSON', '{', { code: -32_700, message: 'parse error: expected JSON' }],
    ['an empty batch', '[]', { code: -32_600, message: expect.stringContaining('at least one') }],
    ['a number', '1', { code: -32_600, message: expect.stringContaining('an object') }],
    [
      'another version',
      '{"id":1,"method":"eth_chainId"}',
      { code: -32_600, message: expect.stringContaining('2.0') },
    ],
    [
      'an unknown method',
      '{"jsonrpc":"2.0","id":1,"method":"constructor"}',
      { code: -32_601, message: 'the method constructor does not exist/is not available' },
    ],
    [
      'named parameters',
      '{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":{"address":"0x0"}}',
      { code: -32_602, message: expect.stringContaining('array') },
    ],
  ])('%s is an error', async (_, body, error) => {
    expect((await ask(body)).answer).toMatchObject({ error })
  })

  test.each([
    [
      'eth_getBalance',
      ['0x12'],
      'invalid argument address: expected an address: 0x and 40 hexadecimal digits, got "0x12"',
    ],
    ['eth_getBalance', [bob, 'soon'], 'invalid argument block: expected a block number'],
    ['eth_getBlockByNumber', ['0x1', 'yes'], 'invalid argument hydrated: expected true or false, got "yes"'],
    ['eth_getTransactionByHash', [], 'invalid argument transactionHash: expected a hash'],
    ['eth_call', [{ to: bob, value: '1' }], 'invalid argument transaction.value: expected a quantity'],
    ['eth_call', [{ to: bob, data: '0x1' }], 'invalid argument transaction.input: expected bytes'],
    ['eth_sendRawTransaction', ['0x02c0'], 'Expected the bytes of one signed transaction'],
    ['eth_sendRawTransaction', ['hello'], 'invalid argument transaction: expected bytes'],
    [
      'eth_feeHistory',
      ['0x2', 'latest', [50, 10]],
      'invalid argument rewardPercentiles[1]: expected numbers',
    ],
    [
      'eth_getLogs',
      [{ blockHash: `0x${'00'.repeat(32)}`, fromBlock: '0x0' }],
      'invalid argument filter: expected either',
    ],
    ['eth_getLogs', [{ topics: [1] }], 'invalid argument filter.topics[0]: expected an array'],
  ])('%s with %j says what was expected', async (method, params, message) => {
    expect(await request(method, params)).toMatchObject({
      error: { code: -32_602, message: expect.stringContaining(message) },
    })
  })

  test('state of a block that does not exist is an error in geth’s words', async () => {
    expect(await request('eth_getBalance', [bob, '0xffffffff'])).toMatchObject({
      error: { code: -32_000, message: 'header not found' },
    })
    expect(await request('eth_getBlockByNumber', ['0xffffffff', false])).toMatchObject({ result: null })
  })

  test('a body beyond the limit is refused', async () => {
    const { status, answer } = await ask(`{"jsonrpc":"2.0","id":1,"method":"${'x'.repeat(6_000_000)}"}`)
    expect(status).toBe(413)
    expect(answer).toMatchObject({ error: { code: -32_600 } })
  })

  test('a batch answers each call and drops notifications', async () => {
    const call = { jsonrpc: '2.0', method: 'eth_chainId' }
    const { answer } = await ask(
      JSON.stringify([{ ...call, id: 'a' }, call, { ...call, id: 2, method: 'eth_nope' }]),
    )
    expect(answer).toEqual([
      { jsonrpc: '2.0', id: 'a', result: '0x275b0' },
      { jsonrpc: '2.0', id: 2, error: { code: -32_601, message: expect.any(String) } },
    ])
  })

  test('a page of any origin may call', async () => {
    const response = await fetch(server.url, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://example.org',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      },
    })
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
  })

  test('an idle connection is kept longer than clients and proxies keep theirs', async () => {
    const response = await fetch(server.url)
    expect(Number(/timeout=(\d+)/.exec(response.headers.get('keep-alive') ?? '')?.[1])).toBeGreaterThan(60)
  })

  test('a port in use is named', async () => {
    await expect(
      createRpcServer({ port: server.port, logger: silentLogger, methods: {} }),
    ).rejects.toMatchObject({ code: 'rpc.port' })
    await expect(createRpcThread({ ...threadOptions(), port: server.port })).rejects.toMatchObject({
      code: 'rpc.port',
    })
  })
})
