import { type Hex, Open } from '@openledger/primitives'
import { Abi, type Deployment, DevelopmentKeys } from '@openledger/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BareChain, startBareChain } from '../test/bareChain.ts'
import * as SecurityStake from './SecurityStake.ts'

let chain: BareChain
let deployment: Deployment
const validator = SecurityStake.parse('validator', DevelopmentKeys.account('validator').address)
const unbondingSeconds = 100

beforeAll(async () => {
  chain = await startBareChain()
  const agentIdentity = await chain.deploy({ abi: Abi.agentIdentityAbi, bytecode: Abi.agentIdentityBytecode })
  const securityStake = await chain.deploy(
    { abi: Abi.securityStakeAbi, bytecode: Abi.securityStakeBytecode },
    [DevelopmentKeys.account('deployer').address, agentIdentity, BigInt(unbondingSeconds), []],
  )
  // the only contract that these functions ask
  deployment = { l2StartBlock: 0, l2: { securityStake } } as Deployment
})
afterAll(() => chain.close())

const contract = () => ({ address: deployment.l2.securityStake, abi: Abi.securityStakeAbi }) as const
const poolOf = (role: DevelopmentKeys.Role) =>
  SecurityStake.read(chain.publicClient, deployment, validator, DevelopmentKeys.account(role).address)

test('shows stake, slashes and exits of one account in one pool, to the wei', async () => {
  const args = SecurityStake.argumentsOf(validator)
  const stake = (role: DevelopmentKeys.Role, open: string) =>
    chain.senderOf(role).send({ ...contract(), functionName: 'stake', args, valueWei: Open.parse(open) })
  await stake('backer', '30')
  await stake('caller', '10')
  expect(await poolOf('backer')).toMatchObject({
    assetsWei: Open.parse('40'),
    stakedWei: Open.parse('30'),
    unbondingSeconds,
    slashes: [],
    unstakings: [],
  })

  const slasher = DevelopmentKeys.account('challenger').address
  await chain
    .senderOf('deployer')
    .send({ ...contract(), functionName: 'setSlasher', args: [slasher, 1_000n] })
  const reasonHash: Hex = `0x${'ab'.repeat(32)}`
  const to = DevelopmentKeys.account('treasury').address
  const { transactionHash } = await chain.senderOf('challenger').send({
    ...contract(),
    functionName: 'slash',
    args: [...args, Open.parse('4'), to, reasonHash],
  })
  const slashed = await poolOf('backer')
  expect(slashed.slashes).toEqual([{ amountWei: Open.parse('4'), slasher, to, reasonHash, transactionHash }])
  // a tenth of everybody's; rounding is against who leaves, by a wei at most
  expect(Open.parse('27') - slashed.stakedWei).toBeLessThanOrEqual(1n)

  const shares = await SecurityStake.sharesFor(
    chain.publicClient,
    deployment,
    validator,
    slashed,
    Open.parse('9'),
  )
  await chain
    .senderOf('backer')
    .send({ ...contract(), functionName: 'requestUnstake', args: [...args, shares] })
  const leaving = await poolOf('backer')
  expect(leaving.unstakings).toHaveLength(1)
  expect(leaving.unstakings[0]!.readyAt - leaving.chainTime).toBe(unbondingSeconds)
  expect(Open.parse('9') - leaving.unstakings[0]!.worthWei).toBeLessThanOrEqual(2n)
  expect(Open.parse('18') - leaving.stakedWei).toBeLessThanOrEqual(2n)

  // all that there is takes the shares themselves, so nothing is left behind
  expect(
    await SecurityStake.sharesFor(chain.publicClient, deployment, validator, leaving, leaving.stakedWei),
  ).toBe(leaving.shares)
  await chain.publicClient.request({ method: 'evm_increaseTime', params: [unbondingSeconds] } as never)
  const id = leaving.unstakings[0]!.id
  await chain.senderOf('backer').send({ ...contract(), functionName: 'unstake', args: [id] })
  expect((await poolOf('backer')).unstakings).toEqual([])
  expect((await poolOf('caller')).unstakings).toEqual([])
})

test.each([
  ['validator', 'seven'],
  ['agent', '0x12'],
  ['juror', '7'],
])('refuses %s %s as the name of a pool', (role, subject) => {
  expect(() => SecurityStake.parse(role, subject)).toThrow(
    /validator and its address, or agent and its number/,
  )
})
