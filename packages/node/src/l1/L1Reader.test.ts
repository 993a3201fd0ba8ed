import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DevelopmentKeys } from '@openledger/protocol'
import { plainCrypto } from '@openledger/rollup'
import { createWalletClient, http } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDevelopmentL1, type DevelopmentL1 } from './DevelopmentL1.ts'
import { connectL1 } from './L1.ts'
import { createL1Reader } from './L1Reader.ts'

const directory = mkdtempSync(join(tmpdir(), 'openledger-reader-'))
/** A contract that logs whatever it is called with, under no topic. */
const LOGGER = '0x600b600c600039600b6000f3366000600037366000a000'
const OTHER = '0x00000000000000000000000000000000000000aa'
const ZERO = `0x${'00'.repeat(32)}` as const
const sender = DevelopmentKeys.account('deployer')
let l1: DevelopmentL1
let emitter: `0x${string}`
let block: bigint

beforeAll(async () => {
  l1 = await createDevelopmentL1({ directory, blockTimeSeconds: 60 })
  const wallet = createWalletClient({
    account: sender,
    transport: http(l1.rpcUrl),
  })
  const create = await wallet.sendTransaction({ chain: null, data: LOGGER, gas: 200_000n })
  await l1.nextBlock()
  emitter = (await l1.client.getTransactionReceipt({ hash: create })).contractAddress!
  const call = await wallet.sendTransaction({ chain: null, to: emitter, data: '0x1234', gas: 200_000n })
  await l1.nextBlock()
  block = (await l1.client.getTransactionReceipt({ hash: call })).blockNumber
})

afterAll(async () => {
  await l1.close()
  rmSync(directory, { recursive: true, force: true })
})

/** An endpoint that hands on what the L1 says, changed. */
async function lying(change: (method: string, text: string) => string) {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString('utf8')
    const answer = await fetch(l1.rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    const { method } = JSON.parse(body) as { readonly method: string }
    response.setHeader('content-type', 'application/json')
    response.end(change(method, await answer.text()))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const liar = await connectL1({ rpcUrl: `http://127.0.0.1:${port}` })
  return { liar, [Symbol.asyncDispose]: async () => void server.close() }
}
const read = (from: Parameters<typeof createL1Reader>[0]['l1'], number: bigint, inbox = emitter) =>
  createL1Reader({ l1: from, inbox, portal: emitter, systemConfig: emitter, crypto: plainCrypto }).read(
    number,
  )

describe('an L1 reader', () => {
  test('reads a block with the transactions to the inbox and the logs of the watched contracts', async () => {
    const contents = await read(l1, block)
    expect(contents?.logs).toMatchObject([{ address: emitter, data: '0x1234', topics: [], logIndex: 0 }])
    expect(contents?.transactions).toEqual([
      { type: 2, from: sender.address.toLowerCase(), to: emitter, input: Uint8Array.of(0x12, 0x34) },
    ])
    expect((await read(l1, block, OTHER))?.transactions).toEqual([])
    expect(await read(l1, 10_000n)).toBeUndefined()
  })

  test('hashes transactions of every type to the root of their block', async () => {
    const nonce = await l1.client.getTransactionCount({ address: sender.address })
    const common = { chainId: 31_337, to: emitter, gas: 300_000n, data: '0xabcd' } as const
    const accessList = [{ address: OTHER, storageKeys: [ZERO, ZERO] }] as const
    const fees = { maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 1n }
    const authorization = await sender.signAuthorization!({ chainId: 0, address: OTHER, nonce: nonce + 5 })
    const { chainId: _, ...unprotected } = common
    const signed = await Promise.all([
      sender.signTransaction({ ...unprotected, type: 'legacy', nonce, gasPrice: 10n ** 10n }),
      sender.signTransaction({ ...common, type: 'legacy', nonce: nonce + 1, gasPrice: 10n ** 10n }),
      sender.signTransaction({
        ...common,
        type: 'eip2930',
        nonce: nonce + 2,
        gasPrice: 10n ** 10n,
        accessList,
      }),
      sender.signTransaction({
        ...common,
        ...fees,
        type: 'eip1559',
        nonce: nonce + 3,
        accessList,
        value: 0n,
      }),
      sender.signTransaction({
        ...common,
        ...fees,
        type: 'eip7702',
        nonce: nonce + 4,
        authorizationList: [authorization],
      }),
    ])
    for (const serializedTransaction of signed) await l1.client.sendRawTransaction({ serializedTransaction })
    await l1.nextBlock()
    const contents = await read(l1, await l1.client.getBlockNumber({ cacheTime: 0 }))
    expect(contents?.transactions.map(({ type }) => type)).toEqual([0, 0, 1, 2, 4])
    expect(new Set(contents?.transactions.map(({ from }) => from))).toEqual(
      new Set([sender.address.toLowerCase()]),
    )
  })

  test('takes no header and no receipt that does not hash to what the block says', async () => {
    await using header = await lying((method, text) =>
      method === 'eth_getBlockByNumber' ? text.replace(/"gasUsed":"0x/, '"gasUsed":"0x1') : text,
    )
    await expect(read(header.liar, block)).rejects.toMatchObject({ code: 'l1.forged' })
    await using receipts = await lying((method, text) =>
      method === 'eth_getBlockReceipts' ? text.replace('"data":"0x1234"', '"data":"0x1235"') : text,
    )
    await expect(read(receipts.liar, block)).rejects.toMatchObject({ code: 'l1.forged' })
    // where a log stands is not in its receipt
    await using elsewhere = await lying((method, text) =>
      method === 'eth_getBlockReceipts' ? text.replace('"logIndex":"0x0"', '"logIndex":"0x7"') : text,
    )
    expect((await read(elsewhere.liar, block))?.logs[0]?.logIndex).toBe(0)
    await using silent = await lying((method, text) =>
      method === 'eth_getBlockReceipts' ? '{"jsonrpc":"2.0","id":1,"result":[]}' : text,
    )
    await expect(read(silent.liar, block)).rejects.toMatchObject({ code: 'l1.forged' })
  })

  test('takes no transaction that the block does not have, misses none, and finds out itself who sent it', async () => {
    const changed = (change: (text: string) => string) =>
      lying((method, text) => (method === 'eth_getBlockByNumber' ? change(text) : text))
    await using other = await changed((text) => text.replace('"input":"0x1234"', '"input":"0x1235"'))
    await expect(read(other.liar, block)).rejects.toMatchObject({ code: 'l1.forged' })
    await using fewer = await changed((text) => text.replace(/"transactions":\[.*?\}\]/, '"transactions":[]'))
    await expect(read(fewer.liar, block)).rejects.toMatchObject({ code: 'l1.forged' })
    await using newer = await changed((text) => text.replace('"type":"0x2"', '"type":"0x9"'))
    await expect(read(newer.liar, block)).rejects.toMatchObject({ code: 'l1.transaction_type' })
    await using disguised = await changed((text) =>
      text.replace(/"from":"0x[0-9a-f]{40}"/, `"from":"${OTHER}"`),
    )
    expect((await read(disguised.liar, block))?.transactions[0]?.from).toBe(sender.address.toLowerCase())
  })
})
