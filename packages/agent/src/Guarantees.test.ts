import { type Hex, Open } from '@openledger/primitives'
import { Abi, type Deployment, DevelopmentKeys } from '@openledger/protocol'
import { getContractAddress } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BareChain, startBareChain } from '../test/bareChain.ts'
import * as Guarantees from './Guarantees.ts'
import * as RegistryCalls from './RegistryCalls.ts'

let chain: BareChain
let deployment: Deployment
const validator = DevelopmentKeys.account('validator').address
const client: Hex = `0x${'c1'.repeat(20)}`
const AGENT_ROLE = 1

/** Registers an agent of `agentOwner`, and puts a hundred OPEN behind it. */
beforeAll(async () => {
  chain = await startBareChain()
  const { publicClient, deploy } = chain
  const deployer = DevelopmentKeys.account('deployer').address
  const created = (contract: 'agentIdentity' | 'agentValidation' | 'securityStake' | 'agentGuarantees') => ({
    abi: Abi[`${contract}Abi`],
    bytecode: Abi[`${contract}Bytecode`],
  })
  const agentIdentity = await deploy(created('agentIdentity'))
  const agentValidation = await deploy(created('agentValidation'), [agentIdentity])
  const nonce = BigInt(await publicClient.getTransactionCount({ address: deployer }))
  const slasher = { account: getContractAddress({ from: deployer, nonce: nonce + 1n }), capBps: 5_000n }
  const securityStake = await deploy(created('securityStake'), [deployer, agentIdentity, 300n, [slasher]])
  const agentGuarantees = await deploy(created('agentGuarantees'), [agentValidation, securityStake])
  deployment = { l2: { agentIdentity, agentValidation, securityStake, agentGuarantees } } as Deployment
  const owner = chain.senderOf('agentOwner')
  await owner.send({
    address: agentIdentity,
    abi: Abi.agentIdentityAbi,
    functionName: 'register',
    args: ['ipfs://file'],
  })
  await owner.send({
    address: securityStake,
    abi: Abi.securityStakeAbi,
    functionName: 'stake',
    args: [AGENT_ROLE, 1n],
    valueWei: Open.parse('100'),
  })
})
afterAll(() => chain.close())

/** Asks the validator, guarantees the work, and has the validator answer. @returns what names the work. */
async function guaranteed(text: string, score?: number): Promise<Hex> {
  const requestHash = RegistryCalls.requestHashOf(1n, validator, text)
  const owner = chain.senderOf('agentOwner')
  await owner.send({
    address: deployment.l2.agentValidation,
    abi: Abi.agentValidationAbi,
    functionName: 'validationRequest',
    args: [validator, 1n, text, requestHash],
  })
  const { timestamp } = await chain.publicClient.getBlock()
  const terms = { client, amountWei: Open.parse('5'), passMark: 60, until: timestamp + 100n }
  await owner.send(Guarantees.give(deployment, requestHash, terms))
  const answer = (value: number) =>
    RegistryCalls.answerValidation(deployment.l2.agentValidation, requestHash, value)
  if (score !== undefined) await chain.senderOf('validator').send(answer(score))
  return requestHash
}

const read = (requestHash: Hex) => Guarantees.read(chain.publicClient, deployment, requestHash)

test('a client whose guaranteed work failed is paid out of the agent’s stake, by anyone’s call', async () => {
  const work = await guaranteed('one answer', 59)
  expect(await read(work)).toMatchObject({
    state: 'open',
    agentId: 1n,
    amountWei: Open.parse('5'),
    passMark: 60,
    validator,
    answer: { score: 59 },
  })
  await chain.senderOf('caller').send(Guarantees.forfeit(deployment, work))
  expect(await chain.publicClient.getBalance({ address: client })).toBe(Open.parse('5'))
  expect(await read(work)).toMatchObject({ state: 'forfeited' })
})

test('work that passed, or that is not answered, pays nobody; what passed frees the stake', async () => {
  const before = await chain.publicClient.getBalance({ address: client })
  const passed = await guaranteed('another answer', 60)
  const waiting = await guaranteed('a third answer')
  expect(await read(waiting)).not.toHaveProperty('answer')
  const caller = chain.senderOf('caller')
  for (const work of [passed, waiting]) {
    await expect(caller.send(Guarantees.forfeit(deployment, work))).rejects.toMatchObject({
      errorName: 'AgentGuaranteesNotFailed',
    })
  }
  await caller.send(Guarantees.end(deployment, passed))
  expect(await read(passed)).toMatchObject({ state: 'ended' })
  expect(await chain.publicClient.getBalance({ address: client })).toBe(before)
  expect(await read(`0x${'00'.repeat(32)}`)).toBeUndefined()
})
