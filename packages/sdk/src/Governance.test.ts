import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNode, type Node, stopDevelopmentL1 } from '@openledger/node'
import { Abi, createSender, DevelopmentKeys } from '@openledger/protocol'
import { createPublicClient, createWalletClient, http, type PublicClient } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createChains } from './bridge.ts'
import * as Governance from './Governance.ts'
import * as Parameters from './Parameters.ts'

const directory = mkdtempSync(join(tmpdir(), 'openledger-governance-'))
let node: Node
let l2: PublicClient

beforeAll(async () => {
  node = await createNode({
    directory,
    l1: { blockTimeSeconds: 1 },
    l2: { blockTimeSeconds: 1, batchIntervalSeconds: 1 },
  })
  const chain = createChains(node.deployment, node).l2Chain
  l2 = createPublicClient({ chain, transport: http(), pollingInterval: 100, cacheTime: 0 }) as PublicClient
})

afterAll(async () => {
  await node.close()
  await stopDevelopmentL1(directory)
  rmSync(directory, { recursive: true, force: true })
})

const walletOf = (role: DevelopmentKeys.Role): Governance.Wallet =>
  createWalletClient({
    account: DevelopmentKeys.account(role),
    chain: createChains(node.deployment, node).l2Chain,
    transport: http(),
  })
/** The bounds as people read them. */
const bounds = async (): Promise<string> => {
  const { fields } = Parameters.get('bounds')
  const values = await Parameters.read(l2, node.deployment, 'bounds')
  return fields.map((field, i) => Parameters.format(field, values![i]!)).join(', ')
}

test('a vote changes the bounds of the split, said in words before, and what it cannot do is refused before it is proposed', async () => {
  const { deployment } = node
  const voter = walletOf('voter')
  await Governance.becomeVoter(l2, voter, deployment, await Governance.votesNeeded(l2, deployment))
  expect(await bounds()).toBe('20 %, 40 %, 30 %, 30 %')

  const call = Parameters.callOf(deployment, 'bounds', ['15', '40', '30', '35.5'])
  expect((await Parameters.describe(l2, deployment, call)).lines).toEqual([
    { label: 'Platform at most', current: '20 %', proposed: '15 %' },
    { label: 'Model owner at most', current: '40 %', proposed: '40 %' },
    { label: 'Stakers at most', current: '30 %', proposed: '30 %' },
    { label: 'Contributors at least', current: '30 %', proposed: '35.5 %' },
  ])
  await Parameters.tryOut(l2, deployment, call)
  // the split in force gives contributors half
  const beyond = Parameters.callOf(deployment, 'bounds', ['20', '40', '30', '60'])
  await expect(Parameters.tryOut(l2, deployment, beyond)).rejects.toThrow(
    /FeePolicyInvalidSplit.*Nothing was proposed/,
  )

  const proposal = await Governance.propose(l2, voter, deployment, [call], 'Tighter bounds')
  const states: Governance.State[] = []
  await Governance.carryThrough(l2, voter, deployment, proposal, (state) => states.push(state))
  expect(states.at(-1)).toBe('queued')
  expect(await bounds()).toBe('15 %, 40 %, 30 %, 35.5 %')
  const [listed] = await Governance.list(l2, deployment)
  expect(listed).toMatchObject({ id: proposal.id, state: 'executed' })
  expect(Governance.callsOf(listed!)).toEqual([call])
})

test('every parameter that has a view is read from the chain that was deployed', async () => {
  const unread = []
  for (const { key, fields } of Parameters.ALL) {
    const values = await Parameters.read(l2, node.deployment, key)
    if (values === undefined) unread.push(key)
    else expect(values).toHaveLength(fields.length)
  }
  // who may slash is asked one by one, and the quorum has no view of its share
  expect(unread).toEqual(['slasher', 'quorum'])
})

test('a raw call that the timelock may not make is refused', async () => {
  const { deployment } = node
  const taking = Parameters.rawCall(deployment.l2.wopen, `0x2e1a7d4d${'00'.repeat(31)}01`)
  await expect(Parameters.tryOut(l2, deployment, taking)).rejects.toMatchObject({
    code: 'governance.call_refused',
  })
})

test('the registries of agents stand beside the identities that they speak of', async () => {
  const { agentIdentity, agentReputation, agentValidation } = node.deployment.l2
  for (const [address, abi] of [
    [agentReputation, Abi.agentReputationAbi],
    [agentValidation, Abi.agentValidationAbi],
  ] as const) {
    const known = await l2.readContract({ address, abi, functionName: 'getIdentityRegistry' })
    expect(known.toLowerCase()).toBe(agentIdentity)
  }
  const rater = createSender({ walletClient: walletOf('voter'), publicClient: l2 })
  await expect(
    rater.send({
      address: agentReputation,
      abi: Abi.agentReputationAbi,
      functionName: 'giveFeedback',
      args: [99n, 80n, 0, 'starred', '', '', '', `0x${'00'.repeat(32)}`],
    }),
  ).rejects.toThrow(/nonexistent|Nonexistent|Unknown/i)
})
