import { createAgent, PaymentRefusedError } from '@openledger/agent'
import { type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys, Http } from '@openledger/protocol'
import { decodePaymentRequiredHeader, decodePaymentResponseHeader } from '@x402/core/http'
import { ExactEvmScheme } from '@x402/evm'
import { wrapFetchWithPayment, x402Client } from '@x402/fetch'
import { keccak256, parseEventLogs } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type ApiHouse,
  INPUT_PRICE_WEI,
  OUTPUT_PRICE_WEI,
  startApiHouse,
  URL_BASE,
} from '../../test/apiHouse.ts'

let house: ApiHouse
const payer = DevelopmentKeys.account('caller')
const payerAddress = payer.address.toLowerCase() as Hex
const model = 'solidity-1'
const request = { model, prompt: 'write a token', max_tokens: 10 }
/** Three prompt tokens and ten of answer: the most that `request` can cost. */
const MAX_WEI = 3n * INPUT_PRICE_WEI + 10n * OUTPUT_PRICE_WEI

beforeAll(async () => {
  house = await startApiHouse()
  await house.senderOf('caller').send({
    address: house.deployment.l2.wopen,
    abi: Abi.wopenAbi,
    functionName: 'deposit',
    args: [],
    valueWei: Open.parse('5'),
  })
})
afterAll(() => house.close())

const prepaidWei = async (account: Hex) => (await house.settlement.accounts.balance(account)).prepaidWei
const init = (body: unknown, headers: Record<string, string> = {}) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
})
/** The official client, told that WOPEN is money. */
function payingFetch(
  fetch = house.fetch,
  signer: ConstructorParameters<typeof ExactEvmScheme>[0] = payer as never,
) {
  const client = new x402Client().register('eip155:161200', new ExactEvmScheme(signer))
  client.setSpendControls({
    allowedAssets: [{ network: 'eip155:161200', asset: house.deployment.l2.wopen }],
  })
  return wrapFetchWithPayment(fetch, client)
}

describe('a request that nobody pays for', () => {
  test('is told the price, as x402 version 2 writes it', async () => {
    const response = await house.fetch(`${URL_BASE}/v1/completions`, init(request))
    expect(response.status).toBe(402)
    const required = decodePaymentRequiredHeader(response.headers.get('PAYMENT-REQUIRED')!)
    expect(required).toMatchObject({ x402Version: 2, resource: { url: `${URL_BASE}/v1/completions` } })
    expect(required.accepts).toEqual([
      {
        scheme: 'exact',
        network: 'eip155:161200',
        asset: house.deployment.l2.wopen,
        amount: MAX_WEI.toString(),
        payTo: house.deployment.l2.settlement,
        maxTimeoutSeconds: 120,
        extra: { assetTransferMethod: 'eip3009', name: 'Wrapped OPEN', version: '1' },
      },
    ])
    expect(response.headers.get('access-control-expose-headers')).toContain('PAYMENT-REQUIRED')
    expect(await response.json()).toMatchObject({ error: { code: 'payment.required' } })
  })
})

describe('the official x402 client', () => {
  test('pays for an answer; what it does not use stays the payers', async () => {
    const before = await prepaidWei(payerAddress)
    const response = await payingFetch()(`${URL_BASE}/v1/completions`, init(request))
    expect(response.status).toBe(200)
    const settled = decodePaymentResponseHeader(response.headers.get('PAYMENT-RESPONSE')!)
    expect(settled).toMatchObject({ success: true, network: 'eip155:161200', payer: payerAddress })
    const { receipt } = Http.answerExtensionSchema.parse(((await response.json()) as never)['openledger'])
    expect(receipt.payer).toBe(payerAddress)
    await house.settlement.settler.settle()
    expect(await prepaidWei(payerAddress)).toBe(before + MAX_WEI - BigInt(receipt.feeWei))
    const paid = await house.publicClient.getTransactionReceipt({ hash: settled.transaction as Hex })
    expect(paid.status).toBe('success')
  })

  test('pays for a stream', async () => {
    const response = await payingFetch()(`${URL_BASE}/v1/completions`, init({ ...request, stream: true }))
    expect(response.headers.get('PAYMENT-RESPONSE')).not.toBeNull()
    expect(await response.text()).toContain('[DONE]')
  })
})

describe('a payment', () => {
  /** Makes the official client's payment and gives the header instead of sending it. */
  async function signedHeader(): Promise<string> {
    let header = ''
    const catching: typeof globalThis.fetch = async (input, requestInit) => {
      const sent = new Request(input, requestInit)
      header = sent.headers.get('PAYMENT-SIGNATURE') ?? ''
      return header === '' ? house.fetch(sent) : new Response('{}')
    }
    await payingFetch(catching)(`${URL_BASE}/v1/completions`, init(request))
    return header
  }
  const send = (header: string, body: unknown = request) =>
    house.fetch(`${URL_BASE}/v1/completions`, init(body, { 'PAYMENT-SIGNATURE': header }))
  const changed = (header: string, change: (payment: Record<string, object>) => void): string => {
    const payment = JSON.parse(Buffer.from(header, 'base64').toString())
    change(payment)
    return Buffer.from(JSON.stringify(payment)).toString('base64')
  }

  test('pays once', async () => {
    const header = await signedHeader()
    expect((await send(header)).status).toBe(200)
    const before = await prepaidWei(payerAddress)
    const again = await send(header)
    expect(again.status).toBe(402)
    expect(await again.json()).toMatchObject({ error: { code: 'payment.replayed' } })
    expect(decodePaymentResponseHeader(again.headers.get('PAYMENT-RESPONSE')!)).toMatchObject({
      success: false,
      errorReason: 'payment.replayed',
    })
    await house.settlement.settler.settle()
    expect(await prepaidWei(payerAddress)).toBeLessThanOrEqual(before)
  })

  test.for([
    ['that is no payment', () => 'not base64 at all!', 'payment.invalid'],
    [
      'of another version',
      (h: string) => changed(h, (p) => Object.assign(p, { x402Version: 1 })),
      'payment.invalid',
    ],
    [
      'for less than the request can cost',
      (h: string) => changed(h, (p) => Object.assign(p['accepted']!, { amount: '1' })),
      'payment.invalid',
    ],
    [
      'to somebody else',
      (h: string) => changed(h, (p) => Object.assign(p['accepted']!, { payTo: `0x${'11'.repeat(20)}` })),
      'payment.invalid',
    ],
    [
      'on another chain',
      (h: string) => changed(h, (p) => Object.assign(p['accepted']!, { network: 'eip155:1' })),
      'payment.invalid',
    ],
    [
      'whose signature is another ones',
      (h: string) => changed(h, (p) => Object.assign(p['payload']!, { signature: `0x${'22'.repeat(64)}1b` })),
      'payment.refused',
    ],
  ] as const)('%s is refused with the price, and moves nothing', async ([, spoil, code]) => {
    const header = await signedHeader()
    const before = await house.settlement.accounts.balance(payerAddress)
    const response = await send(spoil(header))
    expect(response.status).toBe(402)
    expect(response.headers.get('PAYMENT-REQUIRED')).not.toBeNull()
    expect(await response.json()).toMatchObject({ error: { code } })
    expect((await house.settlement.accounts.balance(payerAddress)).availableWei).toBe(before.availableWei)
  })

  test('for a cheap request buys no dear one', async () => {
    const response = await send(await signedHeader(), { ...request, max_tokens: 500 })
    expect(response.status).toBe(402)
    expect(await response.json()).toMatchObject({ error: { code: 'payment.invalid' } })
  })
})

describe('an agent', () => {
  test('finds a model through MCP, pays from its wallet, and is stopped by the chain at its limit', async () => {
    const owner = house.senderOf('agentOwner')
    const session = DevelopmentKeys.account('agentSession')
    const { logs } = await owner.send({
      address: house.deployment.l2.agentWalletFactory,
      abi: Abi.agentWalletFactoryAbi,
      functionName: 'createWallet',
      args: [owner.account, keccak256('0x01')],
    })
    const [created] = parseEventLogs({ abi: Abi.agentWalletFactoryAbi, eventName: 'WalletCreated', logs })
    const wallet = created!.args.wallet.toLowerCase() as Hex
    const price = 3n * INPUT_PRICE_WEI + 16n * OUTPUT_PRICE_WEI
    await owner.send({
      address: wallet,
      abi: Abi.agentWalletAbi,
      functionName: 'grantSession',
      args: [session.address, house.deployment.l2.settlement, price, price * 2n, 4_000_000_000n],
    })
    await house.mined(await house.wallet('agentOwner').sendTransaction({ to: wallet, value: Open.ONE }))
    const agent = createAgent({
      wallet,
      sessionAccount: session,
      chainId: 161_200,
      serverUrl: URL_BASE,
      fetch: house.fetch,
    })
    expect((await agent.findModel('solidity')).name).toBe(model)
    const question = { model, prompt: 'write a token', maxTokens: 16 }
    for (let i = 0; i < 2; i++) expect((await agent.ask(question)).receipt.payer).toBe(wallet)
    await expect(agent.ask(question)).rejects.toThrow(PaymentRefusedError)
    await expect(agent.ask(question)).rejects.toThrow('SessionLimitExceeded')
    const { spentWei } = await house.publicClient.readContract({
      address: wallet,
      abi: Abi.agentWalletAbi,
      functionName: 'sessionOf',
      args: [session.address],
    })
    expect(spentWei).toBe(price * 2n)
  })
})
