import { type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys } from '@openledger/protocol'
import { schema } from '@openledger/store'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answerOf, draftOf, TINY } from '../test/answering.ts'
import { type House, INPUT_PRICE_WEI, OUTPUT_PRICE_WEI } from '../test/house.ts'
import { caller, contributor, type Market, openMarket } from '../test/market.ts'
import { createSettlement, type Settlement } from './Settlement.ts'

let market: Market
let house: House
let settlement: Settlement
beforeAll(async () => {
  market = await openMarket()
  ;({ house, settlement } = market)
})
afterAll(() => house.close())
const answer: Market['answer'] = (...words) => market.answer(...words)
const draft = (shares: readonly number[]) => draftOf(house, shares)

describe('holds', () => {
  test('made at the same time never promise more than there is', async () => {
    const { availableWei } = await settlement.accounts.balance(caller)
    const amountWei = availableWei / 4n
    const outcomes = await Promise.allSettled(
      Array.from({ length: 9 }, () => settlement.accounts.hold({ account: caller, amountWei })),
    )
    const held = outcomes.filter((outcome) => outcome.status === 'fulfilled')
    expect(held).toHaveLength(4)
    const refused = outcomes.find((outcome) => outcome.status === 'rejected')
    expect(refused?.reason).toMatchObject({ code: 'account.insufficient_balance' })
    for (const { value } of held) await settlement.accounts.release(value.id)
    expect((await settlement.accounts.balance(caller)).availableWei).toBe(availableWei)
  })

  test('of a process that died count no more', async () => {
    const before = await settlement.accounts.balance(caller)
    await settlement.accounts.hold({ account: caller, amountWei: 1_000n })
    const restarted = createSettlement({ ...house, clock: { nowMs: () => Date.now() + 5 } })
    expect(await restarted.accounts.balance(caller)).toEqual(before)
    await restarted.accounts.release((await restarted.accounts.hold({ account: caller, amountWei: 1n })).id)
    expect(await settlement.accounts.balance(caller)).toEqual(before)
  })

  test('can be charged once only', async () => {
    const hold = await settlement.accounts.hold({ account: caller, amountWei: Open.parse('1') })
    const charge = () => settlement.receipts.nextReceipt({ hold, ...answerOf(house, draft([]), TINY) })
    await charge()
    await expect(charge()).rejects.toMatchObject({ code: 'account.hold_gone' })
  })

  test('stay within the limit of an API key, which is shown once and kept as a hash', async () => {
    const limitWei = 2n * (11n * INPUT_PRICE_WEI + 64n * OUTPUT_PRICE_WEI)
    const { secret, apiKey } = await settlement.apiKeys.create({ account: caller, name: 'test', limitWei })
    expect(secret).toMatch(/^ol-[\w-]{43}$/)
    const stored = await house.database.orm.select().from(schema.apiKeys)
    expect(
      JSON.stringify(stored, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
    ).not.toContain(secret)
    expect(await settlement.apiKeys.find(secret)).toEqual({ id: apiKey.id, account: caller })
    expect(await settlement.apiKeys.find(`${secret}x`)).toBeUndefined()

    const receipt = await answer([], undefined, apiKey.id)
    expect((await settlement.apiKeys.list(caller))[0]?.spentWei).toBe(receipt.feeWei)
    const hold = await settlement.accounts.hold({
      account: caller,
      amountWei: limitWei / 2n,
      apiKeyId: apiKey.id,
    })
    await expect(answer([], undefined, apiKey.id)).rejects.toMatchObject({ code: 'api_key.limit' })
    await settlement.accounts.release(hold.id)
    await settlement.apiKeys.revoke(caller, apiKey.id)
    expect(await settlement.apiKeys.find(secret)).toBeUndefined()
    await expect(answer([], undefined, apiKey.id)).rejects.toMatchObject({ code: 'api_key.revoked' })
    await expect(settlement.apiKeys.revoke(contributor(0), apiKey.id)).rejects.toMatchObject({
      code: 'api_key.not_found',
    })
  })
})

describe('a payer who leaves', () => {
  test('is not served on money that can be gone before it is settled', async () => {
    const leaver = DevelopmentKeys.account('voter').address.toLowerCase() as Hex
    const sender = house.senderOf('voter')
    await market.deposit(leaver, 1_000n)
    const hold = await settlement.accounts.hold({ account: leaver, amountWei: 500n })
    const call = { address: house.deployment.l2.settlement, abi: Abi.settlementAbi } as const
    await sender.send({ ...call, functionName: 'requestWithdrawal', args: [1_000n] })
    expect((await settlement.accounts.balance(leaver)).availableWei).toBe(0n)
    const client = house.publicClient as unknown as {
      request: (request: { method: string; params: unknown[] }) => Promise<unknown>
    }
    await client.request({ method: 'evm_increaseTime', params: [8] })
    await client.request({ method: 'evm_mine', params: [] })
    await expect(
      settlement.receipts.nextReceipt({ hold, ...answerOf(house, draft([]), { ...TINY, inputTokens: 100 }) }),
    ).rejects.toMatchObject({ code: 'account.insufficient_balance' })
  })
})
