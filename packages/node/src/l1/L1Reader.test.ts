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
let l1: DevelopmentL1
let emitter: `0x${string}`
let block: bigint

beforeAll(async () => {
  l1 = await createDevelopmentL1({ directory, blockTimeSeconds: 60 })
  const wallet = createWalletClient({
    account: DevelopmentKeys.account('deployer'),
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
const read = (from: Parameters<typeof createL1Reader>[0]['l1'], number: bigint) =>
  createL1Reader({ l1: from, portal: emitter, systemConfig: emitter, crypto: plainCrypto }).read(number)

describe('an L1 reader', () => {
  test('reads a block with its transactions and the logs of the watched contracts', async () => {
    const contents = await read(l1, block)
    expect(contents?.logs).toMatchObject([{ address: emitter, data: '0x1234', topics: [], logIndex: 0 }])
    expect(contents?.transactions.map(({ to }) => to)).toEqual([emitter])
    expect(await read(l1, 10_000n)).toBeUndefined()
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
    await using silent = await lying((method, text) =>
      method === 'eth_getBlockReceipts' ? '{"jsonrpc":"2.0","id":1,"result":[]}' : text,
    )
    await expect(read(silent.liar, block)).rejects.toMatchObject({ code: 'l1.forged' })
  })
})
