import { Abi, DevelopmentKeys } from '@openledger/protocol'
import type { LocalAccount } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DatanetHouse, lower, startDatanetHouse } from '../test/datanetHouse.ts'
import { connect } from '../test/registryChain.ts'

const ada = DevelopmentKeys.contributor(0)
const ben = DevelopmentKeys.contributor(1)

let house: DatanetHouse
beforeAll(async () => {
  house = await startDatanetHouse()
})
afterAll(() => house.close())

test('rewards that were handed on belong to their new owner here as on chain, however often asked', async () => {
  const { id } = await house.contribute(ada, 'to hand on', [
    'A record whose rewards change hands twice before anyone has asked a model about it.',
  ])
  const listed = async () =>
    (await house.datanets.contributions({})).find((each) => each.id === id)!.beneficiary
  const handOn = async (from: LocalAccount, to: LocalAccount) => {
    const { publicClient, deployment } = house.chain
    await publicClient.request({
      method: 'anvil_setBalance',
      params: [from.address, '0xde0b6b3a7640000'],
    } as never)
    const hash = await connect(house.chain.url)
      .walletOf(from)
      .writeContract({
        address: deployment.l2.datanets,
        abi: Abi.datanetsAbi,
        functionName: 'setBeneficiary',
        args: [id, to.address],
      })
    await publicClient.waitForTransactionReceipt({ hash })
  }
  expect(await listed()).toBe(lower(ada.address))
  await handOn(ada, ben)
  expect(await listed()).toBe(lower(ada.address))
  // one contribution is read from the chain itself
  expect((await house.datanets.contribution(id)).beneficiary).toBe(lower(ben.address))
  await Promise.all([house.datanets.followContributions(), house.datanets.followContributions()])
  expect(await listed()).toBe(lower(ben.address))
  await handOn(ben, ada)
  await house.datanets.followContributions()
  await house.datanets.followContributions()
  expect(await listed()).toBe(lower(ada.address))
})
