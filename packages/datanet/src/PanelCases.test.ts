import type { Hex } from '@openledger/primitives'
import { Abi, DevelopmentKeys } from '@openledger/protocol'
import { parseEther } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { lower } from '../test/datanetHouse.ts'
import { type PanelHouse, startPanelHouse } from '../test/panelHouse.ts'
import { PANEL_STEP_SECONDS } from '../test/registryChain.ts'

const ada = DevelopmentKeys.contributor(0)
let house: PanelHouse
beforeAll(async () => {
  house = await startPanelHouse()
})
afterAll(() => house.close())

const ROOT: Hex = `0x${'11'.repeat(32)}`
const GOOD = 'Each lock of the northern canal is emptied once a year so that its sill can be read and mended.'
const SPAM = 'Buy three of our lanterns today and get a fourth lantern free, but hurry while the stock lasts.'

const WEIR =
  'The weir below the second lock is lowered by three boards whenever the river gauge passes the white line.'

test('validators drawn by stake overturn the rules: their verdict, and why, is in the next version', async () => {
  const { id } = await house.contribute(ada, 'canals', [GOOD, SPAM])
  await house.settled(id)
  const [before] = await house.datanets.versions('1')
  expect(await house.datanets.panelOf('1')).toMatchObject({ isUnderPanel: false })
  await house.usePanel()
  expect(await house.datanets.panelOf('1')).toEqual({
    isUnderPanel: true,
    isOnly: false,
    judges: 3,
    feeWei: parseEther('0.1').toString(),
    stepSeconds: Number(PANEL_STEP_SECONDS),
  })
  const { panel, judges, voter } = house
  const caseId = await house.dispute(id, 2n)
  expect(await house.caseOf(id)).toMatchObject({
    disputed: [1],
    outcome: 'open',
    stage: 'draw',
    isDrawable: false,
    votes: [],
  })
  expect(await house.datanets.mayReadAll(lower(judges[0]!.address), 1n)).toBe(false)
  await house.mine(2)
  expect((await house.caseOf(id)).isDrawable).toBe(true)
  await voter.send({ ...panel, functionName: 'draw', args: [caseId] })
  // all three are drawn, and may read what they judge
  expect(await house.datanets.mayReadAll(lower(judges[0]!.address), 1n)).toBe(true)
  expect((await house.datanets.panelDuties(lower(judges[0]!.address))).map((each) => each.id)).toEqual([1])
  expect((await house.caseOf(id)).stage).toBe('commit')

  // the third, who has a tenth of the others' stake, would keep the record
  const votes = [0n, 0n, 2n]
  await house.commit(caseId, votes)
  await house.pass()
  expect((await house.caseOf(id)).stage).toBe('reveal')
  await house.reveal(caseId, votes, ['', 'An advertisement.'])
  await house.pass()
  expect((await house.caseOf(id)).stage).toBe('appeal')
  await house.pass()
  expect((await house.caseOf(id)).stage).toBe('conclude')
  await voter.send({ ...panel, functionName: 'conclude', args: [caseId] })
  expect((await house.caseOf(id)).stage).toBe('carryOut')
  const { records } = await house.datanets.contribution(id)
  // the verdict as it stands on chain accepts both
  const ids = records.map((record) => record.id as Hex)
  await voter.send({ ...panel, functionName: 'carryOut', args: [caseId, ids, [3n]] })
  await house.datanets.followContributions()
  await house.settled(id)

  const after = await house.datanets.contribution(id)
  expect(after.acceptedCount).toBe(1)
  expect(after.records.map(({ verdict, reason }) => ({ verdict, reason }))).toEqual([
    { verdict: 'accepted', reason: '' },
    { verdict: 'rejected', reason: 'Case 1 of the panel: An advertisement.' },
  ])
  const [version] = await house.datanets.versions('1')
  expect(version).toMatchObject({ version: before!.version + 1, recordCount: before!.recordCount - 1 })
  const decided = await house.caseOf(id)
  expect(decided).toMatchObject({ outcome: 'decided', stage: 'over', rejected: [1], accepted: [] })
  expect(Object.fromEntries(decided.votes.map(({ judge, ...vote }) => [judge, vote]))).toEqual({
    [lower(judges[0]!.address)]: vote({ weight: '100', accepted: [], paid: '0.25' }),
    [lower(judges[1]!.address)]: vote({
      weight: '100',
      accepted: [],
      paid: '0.25',
      reason: 'An advertisement.',
    }),
    // two per cent of what it had
    [lower(judges[2]!.address)]: vote({ weight: '10', accepted: [1], slashed: '0.2' }),
  })
  // the owner's own validator has no say in it any more
  const args = [id, ROOT, 1, ROOT] as const
  const registry = { address: house.chain.deployment.l2.datanets, abi: Abi.datanetsAbi } as const
  const overruling = house.chain.validator.send({ ...registry, functionName: 'recordVerdict', args })
  await expect(overruling).rejects.toThrow(/DatanetsNotPanel/)
})

test('where only the panel accepts, nothing is in a version before judges have accepted it', async () => {
  await house.usePanel({ isOnly: true })
  const [before] = await house.datanets.versions('1')
  const { id } = await house.contribute(ada, 'weirs', [WEIR])
  await house.settled(id)
  expect(await house.datanets.contribution(id)).toMatchObject({
    acceptedCount: 0,
    records: [{ verdict: 'rejected', reason: expect.stringContaining('By the rules it would be accepted.') }],
  })
  expect((await house.datanets.versions('1'))[0]).toEqual(before)

  const { panel, voter } = house
  const caseId = await house.dispute(id, 1n)
  await house.mine(2)
  await voter.send({ ...panel, functionName: 'draw', args: [caseId] })
  await house.commit(caseId, [1n, 1n, 1n])
  await house.pass()
  await house.reveal(caseId, [1n, 1n, 1n])
  await house.pass()
  await house.pass()
  await voter.send({ ...panel, functionName: 'conclude', args: [caseId] })
  const { records } = await house.datanets.contribution(id)
  await voter.send({ ...panel, functionName: 'carryOut', args: [caseId, [records[0]!.id as Hex], [0n]] })
  await house.datanets.followContributions()
  await house.settled(id)
  expect(await house.datanets.contribution(id)).toMatchObject({
    acceptedCount: 1,
    records: [{ verdict: 'accepted', reason: '' }],
  })
  const [after] = await house.datanets.versions('1')
  expect(after!.recordCount).toBe(before!.recordCount + 1)
})

const vote = ({
  weight,
  accepted,
  paid = '0',
  slashed = '0',
  reason = '',
}: {
  weight: string
  accepted: number[]
  paid?: string
  slashed?: string
  reason?: string
}) => ({
  round: 0,
  weightWei: parseEther(weight).toString(),
  state: 'revealed',
  accepted,
  reason,
  slashedWei: parseEther(slashed).toString(),
  paidWei: parseEther(paid).toString(),
})
