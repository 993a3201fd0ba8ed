import { rmSync } from 'node:fs'
import { stopDevelopmentL1 } from '@openledger/node'
import { afterAll, expect, test } from 'vitest'
import { type House, newDirectory, startHouse, waitFor } from './House.ts'
import { access, ask, caller, settled, visit } from './People.ts'

const directory = newDirectory()
let house: House | undefined

afterAll(async () => {
  await house?.stop()
  await stopDevelopmentL1(`${directory}/chain`)
  rmSync(directory, { recursive: true, force: true })
})

/** What a house has acknowledged up to now. */
async function acknowledged({ client, url }: House) {
  const { l2 } = await visit(url)
  const block = await l2.getBlock()
  const contributions = await client.contributions()
  return {
    block: { number: block.number!, hash: block.hash! },
    contributionIds: contributions.map(({ id }) => id),
  }
}

/** Kills a house, starts it again, and checks that nothing it had acknowledged is gone. */
async function survive(before: House): Promise<House> {
  const promised = await acknowledged(before)
  await before.kill()
  const after = await startHouse(directory)
  const { l2 } = await visit(after.url)
  expect((await l2.getBlock({ blockNumber: promised.block.number })).hash).toBe(promised.block.hash)
  const ids = (await after.client.contributions()).map(({ id }) => id)
  for (const id of promised.contributionIds) expect(ids).toContain(id)
  return after
}

test('kill -9 during the first start, in training and right after an answer loses nothing acknowledged', async () => {
  house = await startHouse(directory)
  const { client } = house
  await waitFor('a few contributions', 180_000, async () =>
    (await client.contributions()).length >= 4 ? true : undefined,
  )
  house = await survive(house)

  const again = house.client
  await waitFor('training to be under way', 300_000, async () =>
    (await again.trainingRuns()).some(({ step }) => step > 45) ? true : undefined,
  )
  house = await survive(house)
  await house.seeded()

  const visitor = await visit(house.url)
  const secret = await access(visitor, caller)
  const { receipt } = await ask(visitor, secret, {
    model: 'solidity-1',
    prompt: 'contract Crash is ERC20 {',
    max_tokens: 16,
  })
  await house.kill()
  house = await startHouse(directory)
  const after = await visit(house.url)
  const kept = await settled(after, receipt.sequence)
  expect(kept.hash).toBe(receipt.hash)
  expect(kept.signature).toBe(receipt.signature)
  // the key still works, and the next receipt follows without a gap
  const next = await ask(after, secret, {
    model: 'solidity-1',
    prompt: 'contract Next is ERC20 {',
    max_tokens: 4,
  })
  expect(next.receipt.sequence).toBe(receipt.sequence + 1)
  expect(next.receipt.previousHash).toBe(receipt.hash)
  const { supply } = await after.client.network()
  expect(supply.lockedOnL1Wei).toBe(supply.onL2Wei)
})
