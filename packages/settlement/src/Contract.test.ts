import { Abi } from '@openledger/protocol'
import { createPublicClient, custom, http } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type House, startHouse } from '../test/house.ts'
import { type Contract, createContract } from './Contract.ts'

let house: House
let contract: Contract
let callCount = 0

beforeAll(async () => {
  house = await startHouse(4)
  const { request } = http()({ chain: house.publicClient.chain! })
  const counting = custom({
    request: (asked) => {
      if (asked.method === 'eth_call') callCount++
      return request(asked)
    },
  })
  const publicClient = createPublicClient({
    chain: house.publicClient.chain!,
    transport: counting,
    cacheTime: 0,
  })
  contract = createContract(publicClient, house.deployment.l2)
})
afterAll(() => house.close())

const callsOf = async (work: () => Promise<unknown>): Promise<number> => {
  const before = callCount
  await work()
  return callCount - before
}

test('asks for all beneficiaries of an answer at once, and in the order asked', async () => {
  const ids = house.contributionIds.toReversed()
  const one = await callsOf(() => contract.answerTerms(house.modelId, ids.slice(0, 1)))
  const more = await callsOf(() => contract.answerTerms(house.modelId, ids))
  expect({ one, more }).toEqual({ one: 6, more: 1 })
  const { beneficiaries } = await contract.answerTerms(house.modelId, ids)
  const { beneficiaries: reversed } = await contract.answerTerms(house.modelId, house.contributionIds)
  expect(beneficiaries).toEqual(reversed.toReversed())
  expect(new Set(beneficiaries).size).toBe(4)
})

test('answers that end within a block share what was read of it, and the next block is read anew', async () => {
  const payer = house.sender.account
  await contract.coverage(payer)
  expect(await callsOf(() => contract.coverage(payer))).toBe(0)
  expect(await callsOf(() => contract.prepaid(payer))).toBe(0)
  expect(await callsOf(() => contract.answerTerms(house.modelId, house.contributionIds))).toBe(0)

  const before = await contract.prepaid(payer)
  const hash = await house.wallet('operator').writeContract({
    address: house.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [payer],
    value: 7n,
  })
  await house.mined(hash)
  expect((await contract.prepaid(payer)).prepaidWei).toBe(before.prepaidWei + 7n)
})

test('what the chain refused is asked again', async () => {
  const unknown = `0x${'12'.repeat(32)}` as const
  const ask = () => contract.answerTerms(house.modelId, [...house.contributionIds, unknown])
  await expect(ask()).rejects.toThrow(/DatanetsUnknownContribution/)
  await expect(ask()).rejects.toThrow(/DatanetsUnknownContribution/)
  const { beneficiaries } = await contract.answerTerms(house.modelId, house.contributionIds)
  expect(beneficiaries).toHaveLength(4)
})
