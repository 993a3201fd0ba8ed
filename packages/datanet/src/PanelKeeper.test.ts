import type { Hex } from '@openledger/primitives'
import { DevelopmentKeys } from '@openledger/protocol'
import { parseEther } from 'viem'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type PanelHouse, startPanelHouse } from '../test/panelHouse.ts'
import { createPanelKeeper, type PanelKeeper, type PanelKeeperOptions } from './PanelKeeper.ts'

let house: PanelHouse
beforeAll(async () => {
  house = await startPanelHouse()
  await house.usePanel()
})
afterAll(() => house.close())

const GOOD =
  'The keeper of the eastern sluice writes down the level of the water whenever the bell has rung twice.'
const SPAM =
  'Our lamps burn longer than any other lamps, and whoever buys one today is given the oil for a week.'

/** One that remembers nothing of those before it, as after `kill -9`. */
const newKeeper = (options?: PanelKeeperOptions, sender = house.chain.relayer): PanelKeeper =>
  createPanelKeeper({ ...house.chain, datanets: house.datanets, sender }, options)

let count = 0
async function contributed(): Promise<Hex> {
  const mark = `This is number ${++count} of them.`
  const { id } = await house.contribute(DevelopmentKeys.contributor(0), `notes ${count}`, [
    `${mark} ${GOOD.split(' ').reverse().join(` ${count} `)}`,
    `${SPAM.split(' ').reverse().join(` ${count} `)} ${mark}`,
  ])
  await house.settled(id)
  return id
}

test('a case goes from the dispute to the next version while only its judges do anything', async () => {
  const id = await contributed()
  const [before] = await house.datanets.versions('1')
  const caseId = await house.dispute(id, 2n)
  // the block whose hash draws is not there yet
  expect(await newKeeper().proceed()).toBe(0)
  await house.mine(2)
  const taken: string[] = []
  const onStep = (_: number, step: string) => taken.push(step)
  expect(await newKeeper({ onStep }).proceed()).toBe(1)
  expect(await newKeeper({ onStep }).proceed()).toBe(0)
  expect((await house.caseOf(id)).stage).toBe('commit')

  await house.commit(caseId, [0n, 0n, 2n])
  await house.pass()
  await house.reveal(caseId, [0n, 0n, 2n], ['An advertisement.'])
  await house.pass()
  // whoever wants to appeal has time for it
  expect(await newKeeper({ onStep }).proceed()).toBe(0)
  await house.pass()
  const keeper = newKeeper({ onStep })
  expect(await keeper.proceed()).toBe(2)
  expect(taken).toEqual(['draw', 'conclude', 'carryOut'])
  expect(keeper.status()).toEqual({
    openCount: 0,
    refusedCount: 0,
    steps: { draw: 0, conclude: 1, carryOut: 1 },
  })
  await house.settled(id)
  expect((await house.datanets.contribution(id)).records.map(({ verdict }) => verdict)).toEqual([
    'accepted',
    'rejected',
  ])
  expect((await house.datanets.versions('1'))[0]!.version).toBe(before!.version + 1)
})

test('of two who take the same step one pays for it, and neither complains', async () => {
  const id = await contributed()
  const caseId = await house.dispute(id, 1n)
  await house.mine(2)
  const onError = vi.fn()
  const keepers = [newKeeper({ onError }), newKeeper({ onError }, house.voter)]
  const proceedBoth = async () => {
    const counts = await Promise.all(keepers.map((keeper) => keeper.proceed()))
    return counts[0]! + counts[1]!
  }
  expect(await proceedBoth()).toBe(1)
  await house.commit(caseId, [1n, 1n, 1n])
  await house.pass()
  await house.reveal(caseId, [1n, 1n, 1n])
  await house.pass()
  await house.pass()
  expect(await proceedBoth()).toBe(2)
  expect(await house.caseOf(id)).toMatchObject({ outcome: 'decided', stage: 'over', accepted: [0] })
  expect(onError).not.toHaveBeenCalled()
})

test('who was away until the hash was forgotten draws by another block', async () => {
  const id = await contributed()
  await house.dispute(id, 1n)
  await house.mine(300)
  const keeper = newKeeper()
  expect(await keeper.proceed()).toBe(1)
  expect((await house.caseOf(id)).stage).toBe('draw')
  await house.mine(2)
  expect(await keeper.proceed()).toBe(1)
  expect((await house.caseOf(id)).stage).toBe('commit')
})

test('a draw for which there are too few is told once, tried again, and ends when its time is over', async () => {
  const id = await contributed()
  const caseId = await house.dispute(id, 2n)
  await house.mine(2)
  const onError = vi.fn()
  const keeper = newKeeper({ onError })
  await keeper.proceed()
  await house.commit(caseId, [0n, 0n, 0n])
  await house.pass()
  await house.reveal(caseId, [0n, 0n, 0n])
  await house.pass()
  // an appeal wants six others, and there are none
  const valueWei = parseEther('1.2')
  await house.voter.send({ ...house.panel, functionName: 'appeal', args: [caseId], valueWei })
  await house.mine(2)
  await keeper.proceed()
  await keeper.proceed()
  expect(onError.mock.calls.filter(([, of]) => of === Number(caseId))).toEqual([
    [expect.objectContaining({ errorName: 'ValidatorPanelTooFew' }), Number(caseId)],
  ])
  expect(keeper.status().refusedCount).toBe(1)
  await house.pass()
  await keeper.proceed()
  expect(await house.caseOf(id)).toMatchObject({ outcome: 'decided', stage: 'over', rejected: [1] })
  expect(keeper.status().refusedCount).toBe(0)
})

test('what was disputed for too little is left to others', async () => {
  const id = await contributed()
  await house.dispute(id, 1n)
  await house.mine(2)
  const keeper = newKeeper({ feeMinWei: parseEther('0.31') })
  expect(await keeper.proceed()).toBe(0)
  expect(keeper.status().openCount).toBe(0)
  expect((await house.caseOf(id)).stage).toBe('draw')
})
