import { createAgent, PaymentRefusedError } from '@openledger/agent'
import { type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys, Http } from '@openledger/protocol'
import { eq, schema } from '@openledger/store'
import { decodePaymentRequiredHeader, decodePaymentResponseHeader } from '@x402/core/http'
import { ExactEvmScheme, UptoEvmScheme } from '@x402/evm'
import { wrapFetchWithPayment, x402Client } from '@x402/fetch'
import { keccak256, parseEventLogs } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type ApiHouse,
  INPUT_PRICE_WEI,
  installPermit2,
  OUTPUT_PRICE_WEI,
  PERMIT2,
  publishModel,
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
  await installPermit2(house.publicClient, house.deployment.l2ChainId)
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
    const { wopen: asset, uptoPayments } = house.deployment.l2
    const common = { network: 'eip155:161200', asset, amount: MAX_WEI.toString() }
    expect(required.accepts).toEqual([
      {
        ...common,
        scheme: 'upto',
        payTo: uptoPayments,
        maxTimeoutSeconds: 660,
        extra: {
          assetTransferMethod: 'permit2',
          name: 'Wrapped OPEN',
          version: '1',
          facilitatorAddress: uptoPayments,
        },
      },
      {
        ...common,
        scheme: 'exact',
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

describe('the official x402 client, paying by upto', () => {
  const address = () => ({ address: house.deployment.l2.wopen, abi: Abi.wopenAbi }) as const
  const wopenOf = (account: Hex) =>
    house.publicClient.readContract({ ...address(), functionName: 'balanceOf', args: [account] })
  /** Without `rpcUrl` the client cannot see its allowance, and sends no permit for it. */
  const uptoFetch = (account = payer, rpcUrl?: string, fetch = house.fetch) => {
    const scheme = new UptoEvmScheme(account as never, rpcUrl === undefined ? undefined : { rpcUrl })
    const client = new x402Client().register('eip155:161200', scheme)
    client.setSpendControls({
      allowedAssets: [{ network: 'eip155:161200', asset: house.deployment.l2.wopen }],
    })
    return wrapFetchWithPayment(fetch, client)
  }
  /** Resolves while an answer is made for a payment that was verified and not taken. */
  const isMade = () =>
    expect
      .poll(() => house.database.orm.$count(schema.payments, eq(schema.payments.status, 'verified')))
      .toBe(1)
  const paid = (response: Response) => {
    expect(response.status).toBe(200)
    return decodePaymentResponseHeader(response.headers.get('PAYMENT-RESPONSE')!)
  }

  test('is told to approve Permit2 once', async () => {
    const response = await uptoFetch()(`${URL_BASE}/v1/completions`, init(request))
    expect(response.status).toBe(412)
    expect(await response.json()).toMatchObject({ error: { code: 'payment.permit2_allowance' } })
    await house
      .senderOf('caller')
      .send({ ...address(), functionName: 'approve', args: [PERMIT2, Open.parse('1000')] })
  })

  test('pays the fee of what was delivered and nothing else, once it is there', async () => {
    await house.settlement.settler.settle()
    const [wealth, before] = [await wopenOf(payerAddress), await prepaidWei(payerAddress)]
    const response = await uptoFetch()(`${URL_BASE}/v1/completions`, init(request))
    const settled = paid(response)
    const { receipt } = Http.answerExtensionSchema.parse(((await response.json()) as never)['openledger'])
    // five words of ten allowed
    expect(BigInt(receipt.feeWei)).toBe(3n * INPUT_PRICE_WEI + 5n * OUTPUT_PRICE_WEI)
    expect(settled).toMatchObject({ success: true, payer: payerAddress, amount: receipt.feeWei })
    expect(await wopenOf(payerAddress)).toBe(wealth - BigInt(receipt.feeWei))
    await house.settlement.settler.settle()
    expect(await prepaidWei(payerAddress)).toBe(before)
  })

  test('pays all models that answered together with one payment', async () => {
    await publishModel(house, 'solidity-2')
    const files = { recordsCid: 'bafkreir', influenceCid: 'bafkreii', spansCid: 'bafkreis' }
    await house.database.orm.update(schema.trainingRuns).set(files)
    await house.settlement.settler.settle()
    const [wealth, before] = [await wopenOf(payerAddress), await prepaidWei(payerAddress)]
    const adapters = [
      { name: model, weight: 0.5 },
      { name: 'solidity-2', weight: 1 },
    ]
    const response = await uptoFetch()(`${URL_BASE}/v1/completions`, init({ ...request, adapters }))
    const settled = paid(response)
    const { receipt, mergedReceipts = [] } = Http.answerExtensionSchema.parse(
      ((await response.json()) as never)['openledger'],
    )
    const feeWei = BigInt(receipt.feeWei) + BigInt(mergedReceipts[0]!.feeWei)
    // half of three and of five, rounded up, and all of them
    expect(feeWei).toBe(5n * INPUT_PRICE_WEI + 8n * OUTPUT_PRICE_WEI)
    expect(settled).toMatchObject({ success: true, amount: feeWei.toString() })
    expect(await wopenOf(payerAddress)).toBe(wealth - feeWei)
    await house.settlement.settler.settle()
    expect(await prepaidWei(payerAddress)).toBe(before)
  })

  test('pays for a stream before it begins', async () => {
    const wealth = await wopenOf(payerAddress)
    const response = await uptoFetch()(`${URL_BASE}/v1/completions`, init({ ...request, stream: true }))
    const { amount } = paid(response)
    expect(await response.text()).toContain('[DONE]')
    expect(await wopenOf(payerAddress)).toBe(wealth - BigInt(amount!))
  })

  test('has the gas of its approval paid, and never sends a transaction itself', async () => {
    const poor = DevelopmentKeys.account('voter')
    const send = house.senderOf('caller')
    await send.send({ ...address(), functionName: 'transfer', args: [poor.address, MAX_WEI] })
    const rpcUrl = house.publicClient.chain!.rpcUrls.default.http[0]!
    const { amount } = paid(await uptoFetch(poor, rpcUrl)(`${URL_BASE}/v1/completions`, init(request)))
    const account = poor.address.toLowerCase() as Hex
    expect(await wopenOf(account)).toBe(MAX_WEI - BigInt(amount!))
    expect(await house.publicClient.getTransactionCount({ address: account })).toBe(0)
  })

  test('pays nothing for an answer that fails, or that it does not wait for', async () => {
    const wealth = await wopenOf(payerAddress)
    house.script.failsAt = 2
    const failed = await uptoFetch()(`${URL_BASE}/v1/completions`, init({ ...request, stream: true }))
    expect(failed.status).toBeGreaterThanOrEqual(500)
    house.script.failsAt = undefined
    house.script.wordMs = 200
    const leaving = new AbortController()
    const left = uptoFetch()(`${URL_BASE}/v1/completions`, { ...init(request), signal: leaving.signal })
    await isMade()
    leaving.abort()
    await left.catch(() => {})
    house.script.wordMs = 0
    expect(await wopenOf(payerAddress)).toBe(wealth)
    // neither holds anything back for the next
    paid(await uptoFetch()(`${URL_BASE}/v1/completions`, init(request)))
  })

  test('gets nothing for money that it takes away meanwhile', async () => {
    const poor = DevelopmentKeys.account('backer')
    const of = { ...address() }
    const send = house.senderOf('backer')
    await send.send({ ...of, functionName: 'deposit', args: [], valueWei: MAX_WEI })
    await send.send({ ...of, functionName: 'approve', args: [PERMIT2, MAX_WEI] })
    house.script.wordMs = 300
    const answer = uptoFetch(poor)(`${URL_BASE}/v1/completions`, init({ ...request, stream: true }))
    await isMade()
    await send.send({ ...of, functionName: 'transfer', args: [payer.address, MAX_WEI] })
    const response = await answer
    house.script.wordMs = 0
    expect(response.status).toBe(402)
    expect(await response.json()).toMatchObject({ error: { code: 'payment.refused' } })
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
