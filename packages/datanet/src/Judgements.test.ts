import { CanonicalJson, type Hex } from '@openledger/primitives'
import { Abi, DevelopmentKeys, TypedData } from '@openledger/protocol'
import { digestOf } from '@openledger/store'
import type { LocalAccount } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DatanetHouse, inTenMinutes, lower, startDatanetHouse } from '../test/datanetHouse.ts'
import { CHAIN_ID, connect } from '../test/registryChain.ts'

const ada = DevelopmentKeys.contributor(0)
const judge = DevelopmentKeys.account('caller')
let house: DatanetHouse
beforeAll(async () => {
  house = await startDatanetHouse()
})
afterAll(() => house.close())

type Verdicts = { index: number; verdict: 'accepted' | 'rejected'; reason: string }[]

async function signed(account: LocalAccount, contributionId: Hex, verdicts: Verdicts) {
  const payload = { contributionId, verdicts }
  const deadline = inTenMinutes()
  const signature = await account.signTypedData({
    domain: TypedData.serverDomain(CHAIN_ID),
    types: TypedData.request,
    primaryType: 'Request',
    message: {
      action: 'judgeContribution',
      payloadHash: CanonicalJson.hash(payload),
      account: account.address,
      deadline: BigInt(deadline),
    },
  })
  return { payload, account: lower(account.address), deadline, signature }
}

const registry = () => ({ address: house.chain.deployment.l2.datanets, abi: Abi.datanetsAbi }) as const
const record = (id: Hex, root: Hex, count: number, reasonsHash: Hex) =>
  connect(house.chain.url)
    .senderOf('caller')
    .send({ ...registry(), functionName: 'recordVerdict', args: [id, root, count, reasonsHash] })

const GOOD = 'Each lock of the northern canal is emptied once a year so that its sill can be read and mended.'
const SPAM = 'Buy three of our lanterns today and get a fourth lantern free, but hurry while the stock lasts.'

test('a validator whom the owner named replaces what the rules found, on chain and in the next version', async () => {
  const { id } = await house.contribute(ada, 'canals', [GOOD, SPAM])
  await house.settled(id)
  const [before] = await house.datanets.versions('1')
  const spam: Verdicts = [{ index: 1, verdict: 'rejected', reason: 'An advertisement.' }]
  await expect(house.datanets.writeJudgement(id, await signed(judge, id, spam))).rejects.toMatchObject({
    code: 'datanet.not_validator',
  })
  await connect(house.chain.url)
    .senderOf('builder')
    .send({ ...registry(), functionName: 'addValidator', args: [1n, judge.address] })
  await expect(
    house.datanets.writeJudgement(id, await signed(judge, id, [{ ...spam[0]!, index: 2 }])),
  ).rejects.toMatchObject({ code: 'contribution.unknown_record' })

  const written = await house.datanets.writeJudgement(id, await signed(judge, id, spam))
  // nothing counts before the chain has it
  expect((await house.datanets.contribution(id)).acceptedCount).toBe(2)
  await record(id, written.acceptedRoot, written.acceptedCount, written.reasonsHash)
  await house.datanets.followContributions()
  await house.settled(id)
  const { acceptedCount, records } = await house.datanets.contribution(id)
  expect(acceptedCount).toBe(1)
  expect(records.map(({ verdict, reason }) => ({ verdict, reason }))).toEqual([
    { verdict: 'accepted', reason: '' },
    { verdict: 'rejected', reason: 'An advertisement.' },
  ])
  const [after] = await house.datanets.versions('1')
  expect(after).toMatchObject({
    version: before!.version + 1,
    recordCount: before!.recordCount - 1,
    recordsRoot: written.acceptedRoot,
  })

  // who changes their mind says so; what nobody accepts any more leaves the version, what is accepted again comes back
  const again = await house.datanets.writeJudgement(
    id,
    await signed(judge, id, [{ index: 1, verdict: 'accepted', reason: 'It is about lanterns after all.' }]),
  )
  await record(id, again.acceptedRoot, again.acceptedCount, again.reasonsHash)
  await house.datanets.followContributions()
  await house.settled(id)
  expect((await house.datanets.contribution(id)).acceptedCount).toBe(2)
  expect((await house.datanets.versions('1'))[0]!.recordsRoot).toBe(before!.recordsRoot)
})

test('a verdict whose reasons are unknown, or do not give its root, changes nothing and holds up nobody', async () => {
  const { id } = await house.contribute(ada, 'bridges', [
    'The swing bridge opens at slack water only, and its keeper writes each opening into a ledger.',
  ])
  await house.settled(id)
  const unknown: Hex = `0x${'ab'.repeat(32)}`
  const before = await house.datanets.contribution(id)
  await record(id, unknown, 1, unknown)
  await house.datanets.followContributions()
  // bytes that are here, but are no reasons
  await record(id, unknown, 1, digestOf(before.cid))
  await house.datanets.followContributions()
  expect(await house.datanets.contribution(id)).toEqual(before)
})
