import { Abi, DevelopmentKeys, FeeSplit } from '@openledger/protocol'
import { Governance } from '@openledger/sdk'
import { expect, inject, test } from 'vitest'
import { access, ask, caller, visit } from './People.ts'

test('a vote changes the fee split, and the next receipt shows it', async () => {
  const house = await visit(inject('houseUrl'))
  const { deployment, l2 } = house
  const voter = house.l2Wallet(DevelopmentKeys.account('voter'))
  await Governance.becomeVoter(l2, voter, deployment, await Governance.votesNeeded(l2, deployment))
  const policy = { address: deployment.l2.feePolicy, abi: Abi.feePolicyAbi } as const
  const version = await l2.readContract({ ...policy, functionName: 'currentVersion' })
  const split = { platformBps: 800, ownerBps: 2_000, stakersBps: 2_000, contributorsBps: 5_200 }
  const proposal = await Governance.proposeSplit(
    l2,
    voter,
    deployment,
    split,
    `End-to-end split after ${version}`,
  )
  const states: string[] = []
  await Governance.carryThrough(l2, voter, deployment, proposal, (state) => states.push(state))
  expect(states).toEqual(['pending', 'active', 'succeeded', 'queued'])

  const secret = await access(house, caller)
  const { receipt } = await ask(house, secret, {
    model: 'solidity-1',
    prompt: 'contract Voted {',
    max_tokens: 8,
  })
  expect(receipt.splitVersion).toBe(version + 1)
  const parts = FeeSplit.split(BigInt(receipt.feeWei), split)
  expect(BigInt(receipt.platformWei)).toBe(parts.platformWei)
  expect(BigInt(receipt.contributorsWei) + BigInt(receipt.stakersWei)).toBe(
    parts.contributorsWei + parts.stakersWei,
  )

  const notByVote = l2.simulateContract({
    ...policy,
    functionName: 'setSplit',
    args: [split],
    account: caller,
  })
  await expect(notByVote).rejects.toThrow(/OwnableUnauthorizedAccount/)
})
