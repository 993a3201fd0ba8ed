import type { Hex } from '@openledger/primitives'
import { Abi, createSender, DevelopmentKeys, type Http } from '@openledger/protocol'
import { createTestClient, http, type LocalAccount, parseEther, parseEventLogs } from 'viem'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DatanetHouse, lower, startDatanetHouse } from '../test/datanetHouse.ts'
import { connect, PANEL_STEP_SECONDS } from '../test/registryChain.ts'

const ada = DevelopmentKeys.contributor(0)
const judges = [1, 2, 3].map((index) => DevelopmentKeys.contributor(index))
let house: DatanetHouse
beforeAll(async () => {
  house = await startDatanetHouse()
})
afterAll(() => house.close())

const GOOD = 'Each lock of the northern canal is emptied once a year so that its sill can be read and mended.'
const SPAM = 'Buy three of our lanterns today and get a fourth lantern free, but hurry while the stock lasts.'

const WEIR =
  'The weir below the second lock is lowered by three boards whenever the river gauge passes the white line.'

const panel = () =>
  ({ address: house.chain.deployment.l2.validatorPanel, abi: Abi.validatorPanelAbi }) as const
const senderOf = (account: LocalAccount) => {
  const { publicClient, walletOf } = connect(house.chain.url)
  return createSender({ walletClient: walletOf(account), publicClient })
}
const anvil = () => createTestClient({ mode: 'anvil', chain: foundry, transport: http(house.chain.url) })
const onlyCase = async (id: Hex): Promise<Http.PanelCase> => (await house.datanets.panelCases(id))[0]!
const pass = async (): Promise<void> => {
  const { timestamp } = await house.chain.publicClient.getBlock()
  await anvil().setNextBlockTimestamp({ timestamp: timestamp + PANEL_STEP_SECONDS + 1n })
  await anvil().mine({ blocks: 1 })
}

test('validators drawn by stake overturn the rules: their verdict, and why, is in the next version', async () => {
  const { id } = await house.contribute(ada, 'canals', [GOOD, SPAM])
  await house.settled(id)
  const [before] = await house.datanets.versions('1')
  expect(await house.datanets.panelOf('1')).toMatchObject({ isUnderPanel: false })
  const builder = connect(house.chain.url).senderOf('builder')
  const registry = { address: house.chain.deployment.l2.datanets, abi: Abi.datanetsAbi } as const
  await builder.send({ ...registry, functionName: 'setPanel', args: [1n, panel().address, false] })
  await builder.send({ ...panel(), functionName: 'setTerms', args: [1n, 3, parseEther('0.1')] })
  expect(await house.datanets.panelOf('1')).toEqual({
    isUnderPanel: true,
    isOnly: false,
    judges: 3,
    feeWei: parseEther('0.1').toString(),
    stepSeconds: Number(PANEL_STEP_SECONDS),
  })
  for (const [place, judge] of judges.entries()) {
    await anvil().setBalance({ address: judge.address, value: parseEther('1000') })
    await senderOf(judge).send({
      address: house.chain.deployment.l2.securityStake,
      abi: Abi.securityStakeAbi,
      functionName: 'stake',
      args: [0, BigInt(judge.address)],
      valueWei: parseEther(place === 2 ? '10' : '100'),
    })
    await senderOf(judge).send({ ...panel(), functionName: 'enlist', args: [BigInt(place)] })
  }

  const voter = connect(house.chain.url).senderOf('voter')
  const { logs } = await voter.send({
    ...panel(),
    functionName: 'dispute',
    args: [id, 0, 2n],
    valueWei: parseEther('0.3'),
  })
  const [opened] = parseEventLogs({ abi: Abi.validatorPanelAbi, eventName: 'CaseOpened', logs })
  const { caseId } = opened!.args
  expect(await onlyCase(id)).toMatchObject({ disputed: [1], outcome: 'open', stage: 'draw', votes: [] })
  expect(await house.datanets.mayReadAll(lower(judges[0]!.address), 1n)).toBe(false)
  await anvil().mine({ blocks: 2 })
  await voter.send({ ...panel(), functionName: 'draw', args: [caseId] })
  // all three are drawn, and may read what they judge
  expect(await house.datanets.mayReadAll(lower(judges[0]!.address), 1n)).toBe(true)
  expect((await house.datanets.panelDuties(lower(judges[0]!.address))).map((each) => each.id)).toEqual([1])
  expect((await onlyCase(id)).stage).toBe('commit')

  const salt: Hex = `0x${'11'.repeat(32)}`
  // the third, who has a tenth of the others' stake, would keep the record
  const votes = [0n, 0n, 2n]
  for (const [i, judge] of judges.entries()) {
    const commitment = await house.chain.publicClient.readContract({
      ...panel(),
      functionName: 'commitmentOf',
      args: [caseId, judge.address, votes[i]!, salt],
    })
    await senderOf(judge).send({ ...panel(), functionName: 'commitVote', args: [caseId, commitment, salt] })
  }
  await pass()
  expect((await onlyCase(id)).stage).toBe('reveal')
  for (const [i, judge] of judges.entries()) {
    const reason = i === 1 ? 'An advertisement.' : ''
    await senderOf(judge).send({
      ...panel(),
      functionName: 'revealVote',
      args: [caseId, votes[i]!, salt, reason],
    })
  }
  await pass()
  expect((await onlyCase(id)).stage).toBe('appeal')
  await pass()
  expect((await onlyCase(id)).stage).toBe('conclude')
  await voter.send({ ...panel(), functionName: 'conclude', args: [caseId] })
  expect((await onlyCase(id)).stage).toBe('carryOut')
  const { records } = await house.datanets.contribution(id)
  // the verdict as it stands on chain accepts both
  const args = [caseId, records.map((record) => record.id as Hex), [3n]] as const
  await voter.send({ ...panel(), functionName: 'carryOut', args })
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
  const decided = await onlyCase(id)
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
  await expect(
    house.chain.validator.send({ ...registry, functionName: 'recordVerdict', args: [id, salt, 1, salt] }),
  ).rejects.toThrow(/DatanetsNotPanel/)
})

test('where only the panel accepts, nothing is in a version before judges have accepted it', async () => {
  const registry = { address: house.chain.deployment.l2.datanets, abi: Abi.datanetsAbi } as const
  const builder = connect(house.chain.url).senderOf('builder')
  await builder.send({ ...registry, functionName: 'setPanel', args: [1n, panel().address, true] })
  const [before] = await house.datanets.versions('1')
  const { id } = await house.contribute(ada, 'weirs', [WEIR])
  await house.settled(id)
  expect(await house.datanets.contribution(id)).toMatchObject({
    acceptedCount: 0,
    records: [{ verdict: 'rejected', reason: expect.stringContaining('By the rules it would be accepted.') }],
  })
  expect((await house.datanets.versions('1'))[0]).toEqual(before)

  const voter = connect(house.chain.url).senderOf('voter')
  const args = [id, 0, 1n] as const
  await voter.send({ ...panel(), functionName: 'dispute', args, valueWei: parseEther('0.3') })
  await anvil().mine({ blocks: 2 })
  await voter.send({ ...panel(), functionName: 'draw', args: [2n] })
  const salt: Hex = `0x${'22'.repeat(32)}`
  for (const judge of judges) {
    const commitment = await house.chain.publicClient.readContract({
      ...panel(),
      functionName: 'commitmentOf',
      args: [2n, judge.address, 1n, salt],
    })
    await senderOf(judge).send({ ...panel(), functionName: 'commitVote', args: [2n, commitment, salt] })
  }
  await pass()
  for (const judge of judges)
    await senderOf(judge).send({ ...panel(), functionName: 'revealVote', args: [2n, 1n, salt, ''] })
  await pass()
  await pass()
  await voter.send({ ...panel(), functionName: 'conclude', args: [2n] })
  const { records } = await house.datanets.contribution(id)
  await voter.send({ ...panel(), functionName: 'carryOut', args: [2n, [records[0]!.id as Hex], [0n]] })
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
