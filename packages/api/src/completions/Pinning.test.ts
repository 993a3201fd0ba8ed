import { type Hex, Open } from '@openledger/primitives'
import { Abi, Attribution, DevelopmentKeys, Http } from '@openledger/protocol'
import { eq, schema } from '@openledger/store'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type ApiHouse,
  PIN_PRICE_WEI,
  PINNED_BYTES,
  publishModel,
  startApiHouse,
  URL_BASE,
} from '../../test/apiHouse.ts'
import { createPinning } from './Pinning.ts'

const owner = DevelopmentKeys.account('builder').address.toLowerCase() as Hex
const names = ['solidity-1', 'second', 'third']
let house: ApiHouse
let secret: string

beforeAll(async () => {
  house = await startApiHouse()
  for (const name of names.slice(1)) await publishModel(house, name)
  const files = { recordsCid: 'bafkreir', influenceCid: 'bafkreii', spansCid: 'bafkreis' }
  await house.database.orm.update(schema.trainingRuns).set(files)
  await house.senderOf('builder').send({
    address: house.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [owner],
    valueWei: Open.parse('1'),
  })
  const key = { account: owner, name: 'test', limitWei: Open.parse('1') }
  secret = (await house.settlement.apiKeys.create(key)).secret
})
afterAll(() => house.close())

const keep = (name: string, hours?: number) =>
  house.post('/v1/load_lora_adapter', { lora_name: name, hours }, { authorization: `Bearer ${secret}` })
const receiptOf = (body: unknown): Http.SignedReceipt => Http.pinnedSchema.parse(body).openledger.receipt
const pins = async (): Promise<Http.Pins> =>
  Http.pinsSchema.parse(await (await house.fetch(`${URL_BASE}/api/pins`)).json())
const availableWei = async (): Promise<bigint> =>
  (await house.settlement.accounts.balance(owner)).availableWei

test('an owner pays by size and time, with a receipt whose parts sum to the fee', async () => {
  const before = await availableWei()
  const receipt = receiptOf((await keep('solidity-1', 6)).body)
  // two MiB for six hours
  const feeWei = 12n * PIN_PRICE_WEI
  expect(BigInt(receipt.feeWei)).toBe(feeWei)
  expect(before - (await availableWei())).toBe(feeWei)
  const parts = [receipt.platformWei, receipt.ownerWei, receipt.stakersWei, receipt.contributorsWei]
  expect(parts.reduce((sum, wei) => sum + BigInt(wei), 0n)).toBe(feeWei)
  const { pin } = receipt.attribution
  expect(pin).toMatchObject({ seconds: 21_600, sizeBytes: PINNED_BYTES, priceWei: PIN_PRICE_WEI.toString() })
  expect(Attribution.pinFeeWei(pin!)).toBe(feeWei)
  expect(await pins()).toEqual({
    priceWei: PIN_PRICE_WEI.toString(),
    pins: [
      {
        modelName: 'solidity-1',
        untilSeconds: pin!.untilSeconds,
        sizeBytes: PINNED_BYTES,
        receiptSequence: receipt.sequence,
      },
    ],
  })
})

test('who pays again adds to the time, also twice at once, and not beyond 30 days', async () => {
  const [before] = (await pins()).pins
  const answers = await Promise.all([keep('solidity-1', 0.5), keep('solidity-1', 0.5)])
  const ends = answers.map(({ body }) => receiptOf(body).attribution.pin!.untilSeconds)
  expect(Math.max(...ends)).toBe(before!.untilSeconds + 3_600)
  expect(Math.min(...ends)).toBe(before!.untilSeconds + 1_800)
  const wei = await availableWei()
  expect(await keep('solidity-1', 719)).toMatchObject({
    status: 400,
    body: { error: { code: 'model.pin_too_long' } },
  })
  expect((await keep('solidity-1', 0)).status).toBe(400)
  expect((await keep('solidity-1', 721)).status).toBe(400)
  expect(await availableWei()).toBe(wei)
})

test('leaves out what the owner contributed, as an auditor expects of every receipt', async () => {
  const paidBy = async (): Promise<string[]> =>
    receiptOf((await keep('solidity-1', 0.1)).body).attribution.shares.map(
      ({ contributionId }) => contributionId,
    )
  const [first, next] = house.contributionIds
  expect(await paidBy()).toEqual([first])
  await house.database.orm
    .update(schema.contributions)
    .set({ beneficiary: owner })
    .where(eq(schema.contributions.id, first!))
  expect(await paidBy()).toEqual([next])
})

test('what does not fit is refused, and what cannot be paid is not kept; neither costs anything', async () => {
  expect((await keep('second')).status).toBe(200)
  const before = { wei: await availableWei(), pins: await pins() }
  expect(await keep('third')).toMatchObject({ status: 409, body: { error: { code: 'openlora.pins_full' } } })
  house.script.pinsMax = 3
  // 1,440 MiB hours are more than the key may spend
  expect((await keep('third', 720)).status).toBe(402)
  expect({ wei: await availableWei(), pins: await pins() }).toEqual(before)
  expect((await keep('third')).status).toBe(200)
})

test('what is paid for is kept again after a restart, and let go when its time is over', async () => {
  const kept = new Map<string, number>()
  let nowMs = Date.now()
  const restart = () =>
    createPinning({
      database: house.database,
      followBeneficiaries: async () => {},
      settlement: house.settlement,
      serving: {
        attribute: () => expect.fail('nothing is sold'),
        pin: async (name) => {
          kept.set(name, (kept.get(name) ?? 0) + 1)
          return { isNew: true, sizeBytes: PINNED_BYTES }
        },
        unpin: (name) => kept.delete(name),
      },
      blobs: house.blobs,
      findModel: () => expect.fail('nothing is sold'),
      priceWei: PIN_PRICE_WEI,
      clock: { nowMs: () => nowMs },
      onError: (error) => expect.fail(String(error)),
    })
  const restarted = restart()
  await restarted.restore()
  expect(restarted.list()).toEqual(await pins())
  expect([...kept.keys()].sort()).toEqual([...names].sort())
  restarted.close()
  // after two hours only what was paid for seven of them is left
  kept.clear()
  nowMs += 2 * 3_600_000
  const later = restart()
  await later.restore()
  expect([...kept.keys()]).toEqual(['solidity-1'])
  nowMs += 6 * 3_600_000
  later.letGo()
  expect(later.list().pins).toEqual([])
  expect(kept.size).toBe(0)
  later.close()
})
