import type { Hex } from '@openledger/primitives'
import { DevelopmentKeys, Http } from '@openledger/protocol'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type DatanetHouse, lower, SUMMARY, startDatanetHouse } from '../test/datanetHouse.ts'

const ada = DevelopmentKeys.contributor(0)

let house: DatanetHouse
beforeAll(async () => {
  house = await startDatanetHouse()
})
afterAll(() => house.close())

describe('a Datanet', () => {
  test('is listed as its owner created it on chain, once', async () => {
    const [datanet, ...others] = await house.datanets.datanets()
    expect(others).toEqual([])
    expect(Http.datanetSchema.parse(datanet)).toEqual(datanet)
    expect(datanet).toMatchObject({
      id: '1',
      name: 'solidity',
      summary: SUMMARY,
      licence: 'MIT',
      owner: lower(DevelopmentKeys.account('builder').address),
      commons: lower(DevelopmentKeys.account('treasury').address),
      version: 0,
    })
    const again = await house.datanets.register({
      transactionHash: datanet!.transactionHash,
      summary: SUMMARY,
    })
    expect(again).toEqual(datanet)
  })

  test('is not listed with another summary, nor by a transaction that created none', async () => {
    const transactionHash = await house.chain.createDatanet('unlisted', SUMMARY)
    await expect(house.datanets.register({ transactionHash, summary: 'other' })).rejects.toMatchObject({
      code: 'datanet.summary_mismatch',
    })
    const nothing: Hex = `0x${'ab'.repeat(32)}`
    await expect(
      house.datanets.register({ transactionHash: nothing, summary: SUMMARY }),
    ).rejects.toMatchObject({
      code: 'datanet.not_created',
    })
    expect(await house.datanets.datanets()).toHaveLength(1)
  })
})

test('a Datanet whose owner has not named the validator yet holds up nobody, and is validated once they have', async () => {
  const transactionHash = await house.chain.createDatanet('later', SUMMARY, { isValidated: false })
  const { id: datanetId } = await house.datanets.register({ transactionHash, summary: SUMMARY })
  const early = await house.contribute(
    ada,
    'early',
    ['Something that came before anyone could validate it in this place.'],
    {
      datanetId,
    },
  )
  const other = await house.contribute(ada, 'other', [
    'Meanwhile elsewhere life goes on and records are accepted as ever.',
  ])
  await house.settled(other.id)
  expect((await house.datanets.contribution(early.id)).status).toBe('registered')
  await vi.waitFor(() => expect(house.onError).toHaveBeenCalled(), { timeout: 10_000 })
  expect(house.onError.mock.lastCall![0].message).toContain('DatanetsNotValidator')
  await house.chain.addValidator(BigInt(datanetId))
  await house.settled(early.id)
})
