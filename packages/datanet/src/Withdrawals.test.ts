import type { Hex } from '@openledger/primitives'
import { DevelopmentKeys, Manifest, TypedData } from '@openledger/protocol'
import { eq, schema } from '@openledger/store'
import type { LocalAccount } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DatanetHouse, inTenMinutes, startDatanetHouse } from '../test/datanetHouse.ts'
import { CHAIN_ID } from '../test/registryChain.ts'

const ada = DevelopmentKeys.contributor(0)
const ben = DevelopmentKeys.contributor(1)
let house: DatanetHouse
beforeAll(async () => {
  house = await startDatanetHouse()
})
afterAll(() => house.close())

async function signed(account: LocalAccount, contributionId: Hex) {
  const deadline = inTenMinutes()
  const signature = await account.signTypedData({
    domain: TypedData.contractDomain('OpenLedger Datanets', CHAIN_ID, house.chain.deployment.l2.datanets),
    types: TypedData.withdrawal,
    primaryType: 'Withdrawal',
    message: { contributionId, deadline: BigInt(deadline) },
  })
  return { deadline, signature }
}

const textsOf = async (id: Hex) =>
  (await house.database.orm.select().from(schema.records).where(eq(schema.records.contributionId, id))).map(
    ({ text }) => text,
  )

const STAYS = 'Oysters on the western reef are counted each spring by divers who write upon slates.'
const LEAVES = 'The bell of the lower chapel was recast after a winter in which it cracked along its waist.'

test('what a version holds stays in it and leaves the next; nobody but its contributor can take it back', async () => {
  const kept = await house.contribute(ben, 'oysters', [STAYS])
  const { id } = await house.contribute(ada, 'bells', [LEAVES])
  await house.settled(id)
  const [before] = await house.datanets.versions('1')
  await expect(house.datanets.withdraw(id, await signed(ben, id))).rejects.toMatchObject({
    code: 'transaction.reverted',
  })
  expect((await house.datanets.contribution(id)).status).toBe('versioned')

  const request = await signed(ada, id)
  await house.datanets.withdraw(id, request)
  await house.settled(id, 'withdrawn')
  const [after] = await house.datanets.versions('1')
  expect(after!.version).toBe(before!.version + 1)
  const rows = await house.database.orm.select().from(schema.datanetVersions)
  const heldBy = async (version: number) => {
    const { manifestCid } = rows.find((row) => row.version === version)!
    return Manifest.decode(await house.blobs.get(manifestCid)).records.map(
      ({ contributionId }) => contributionId,
    )
  }
  expect(await heldBy(after!.version)).toEqual([kept.id])
  expect(await heldBy(before!.version)).toEqual([kept.id, id])
  // the earlier version can still be trained on again and checked
  expect(await textsOf(id)).toEqual([LEAVES])
  const detail = await house.datanets.contribution(id)
  expect(detail).toMatchObject({ isOpen: false, access: 'Its contributor took this contribution back.' })
  expect(detail.records).toMatchObject([{ verdict: 'withdrawn', text: null }])
  const reading = { payload: { datanetId: '1' }, account: ada.address, deadline: 0, signature: '0x' } as const
  await expect(house.datanets.read(id, reading)).rejects.toMatchObject({ code: 'contribution.withdrawn' })
  await expect(house.datanets.withdraw(id, request)).rejects.toMatchObject({ code: 'transaction.reverted' })
})

test('what no version holds yet is deleted, text and bytes, and its words belong to nobody', async () => {
  const datanetId = await house.addDatanet('later', { isValidated: false })
  const text = 'A lamp in the harbour office burns whale oil on the first night of every herring season.'
  const { id, cid } = await house.contribute(ada, 'lamps', [text], { datanetId })
  expect(await house.blobs.has(cid)).toBe(true)
  await house.datanets.withdraw(id, await signed(ada, id))
  await house.settled(id, 'withdrawn')
  expect(await textsOf(id)).toEqual([''])
  expect(await house.blobs.has(cid)).toBe(false)
  expect(await house.datanets.versions(datanetId)).toEqual([])

  const again = await house.contribute(ben, 'lamps of mine', [text])
  await house.settled(again.id)
  expect((await house.datanets.contribution(again.id)).acceptedCount).toBe(1)
  // exactly the same list of records was registered once, and is not taken again
  await expect(house.contribute(ada, 'lamps', [text], { datanetId })).rejects.toMatchObject({
    code: 'contribution.withdrawn',
  })
})
