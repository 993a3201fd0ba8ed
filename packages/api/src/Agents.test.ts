import { Abi, type Deployment, DevelopmentKeys } from '@openledger/protocol'
import { type Hex, keccak256, toHex } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BareChain, startBareChain } from '../test/bareChain.ts'
import { createAgents } from './Agents.ts'

let chain: BareChain
let deployment: Deployment

beforeAll(async () => {
  chain = await startBareChain()
  const { deploy } = chain
  const agentIdentity = await deploy({ abi: Abi.agentIdentityAbi, bytecode: Abi.agentIdentityBytecode })
  const args = [agentIdentity]
  const l2 = {
    agentIdentity,
    wopen: await deploy({ abi: Abi.wopenAbi, bytecode: Abi.wopenBytecode }),
    agentReputation: await deploy(
      { abi: Abi.agentReputationAbi, bytecode: Abi.agentReputationBytecode },
      args,
    ),
    agentValidation: await deploy(
      { abi: Abi.agentValidationAbi, bytecode: Abi.agentValidationBytecode },
      args,
    ),
  }
  // the contracts that this view asks
  deployment = { l2StartBlock: 0, l2 } as Deployment
})
afterAll(() => chain.close())

const rate = (role: DevelopmentKeys.Role, value: bigint, tag: string, decimals = 0) =>
  chain.senderOf(role).send({
    address: deployment.l2.agentReputation,
    abi: Abi.agentReputationAbi,
    functionName: 'giveFeedback',
    args: [1n, value, decimals, tag, '', '', '', `0x${'00'.repeat(32)}`],
  })

test('shows how clients rated an agent and how the validators that its owner asked judged it', async () => {
  const owner = chain.senderOf('agentOwner')
  const { agentIdentity, agentValidation } = deployment.l2
  await owner.send({
    address: agentIdentity,
    abi: Abi.agentIdentityAbi,
    functionName: 'register',
    args: ['ipfs://a'],
  })
  const caller = DevelopmentKeys.account('caller').address.toLowerCase() as Hex
  const builder = DevelopmentKeys.account('builder').address.toLowerCase() as Hex
  const proof = { receiptSequence: 7, settlementTransaction: keccak256(toHex('settled')) }
  const paid = new Set<Hex>([caller, builder])
  const list = () =>
    createAgents(chain.publicClient, deployment, {
      proofsOf: async (accounts) =>
        new Map(accounts.filter((account) => paid.has(account)).map((account) => [account, proof])),
    }).list()
  const never = { count: 0, average: null }
  const [fresh] = await list()
  expect(fresh).toMatchObject({ owner: owner.account, rating: never, validation: never })

  await rate('caller', 80n, 'starred')
  await rate('builder', 705n, 'starred', 1)
  // what is measured in something else is no rating
  await rate('backer', 9_999n, 'responseTime')
  const validation = { address: agentValidation, abi: Abi.agentValidationAbi } as const
  const requests = ['one', 'two', 'three'].map((text) => keccak256(toHex(text)))
  for (const hash of requests)
    await owner.send({
      ...validation,
      functionName: 'validationRequest',
      args: [DevelopmentKeys.account('validator').address, BigInt(fresh!.id), 'ipfs://work', hash],
    })
  for (const [i, score] of [100, 50].entries())
    await chain.senderOf('validator').send({
      ...validation,
      functionName: 'validationResponse',
      args: [requests[i]!, score, '', requests[i]!, ''],
    })
  const [judged] = await list()
  // a request that nobody answered counts for nothing
  expect(judged).toMatchObject({
    rating: { count: 2, average: 75.25 },
    ratings: [
      { client: caller, index: 1, score: 80, proof },
      { client: builder, score: 70.5, proof },
    ],
    validation: { count: 2, average: 75 },
  })

  // whoever has paid for nothing is listed, after the others, and not counted
  paid.delete(caller)
  const [doubted] = await list()
  expect(doubted).toMatchObject({
    rating: { count: 1, average: 70.5 },
    ratings: [
      { client: builder, score: 70.5, proof },
      { client: caller, score: 80, proof: null },
    ],
  })
})
