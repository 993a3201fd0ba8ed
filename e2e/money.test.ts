import { Abi, FeeSplit } from '@openledger/protocol'
import { rebuildLedger } from '@openledger/settlement'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { access, ask, caller, lower, settled, type Visit, visit } from './People.ts'

const sum = (amounts: readonly (string | bigint)[]): bigint =>
  amounts.reduce<bigint>((total, wei) => total + BigInt(wei), 0n)

describe('money', () => {
  let house: Visit

  beforeAll(async () => {
    house = await visit(inject('houseUrl'))
    const secret = await access(house, caller)
    const prompts = ['contract A is ERC20 {', 'contract B is Ownable {', 'zzzz qqqq']
    const answers = await Promise.all(
      prompts.map((prompt) => ask(house, secret, { model: 'solidity-1', prompt, max_tokens: 24 })),
    )
    for (const { receipt } of answers) await settled(house, receipt.sequence)
  })

  test('fees paid = platform + owner + stakers + contributors, and those = payouts + commons, to the wei', async () => {
    const receipts = await house.client.receipts({ limit: 100 })
    expect(receipts.length).toBeGreaterThan(2)
    for (const receipt of receipts) {
      const { feeWei, platformWei, ownerWei, stakersWei, contributorsWei, attribution } = receipt
      expect(sum([platformWei, ownerWei, stakersWei, contributorsWei])).toBe(BigInt(feeWei))
      expect(
        sum([...attribution.shares.map(({ amountWei }) => amountWei), attribution.commons.amountWei]),
      ).toBe(BigInt(contributorsWei))
    }
  })

  test('every fee is split as the policy on chain says', async () => {
    for (const receipt of await house.client.receipts({ limit: 20 })) {
      const policy = await house.l2.readContract({
        address: house.deployment.l2.feePolicy,
        abi: Abi.feePolicyAbi,
        functionName: 'splitOf',
        args: [receipt.splitVersion],
      })
      const parts = FeeSplit.split(BigInt(receipt.feeWei), policy)
      expect(BigInt(receipt.platformWei)).toBe(parts.platformWei)
      expect(BigInt(receipt.ownerWei)).toBe(parts.ownerWei)
      expect(BigInt(receipt.stakersWei) + BigInt(receipt.contributorsWei)).toBe(
        parts.stakersWei + parts.contributorsWei,
      )
    }
  })

  test('the settlement contract holds exactly what it owes', async () => {
    const settlement = { address: house.deployment.l2.settlement, abi: Abi.settlementAbi } as const
    const { number } = await house.l2.getBlock()
    const at = { blockNumber: number! }
    const events = await house.l2.getContractEvents({
      ...settlement,
      fromBlock: BigInt(house.deployment.l2StartBlock),
      toBlock: number!,
    })
    const accounts = new Set(
      events.flatMap(({ args }) =>
        Object.values(args as object)
          .filter((value): value is `0x${string}` => /^0x[0-9a-fA-F]{40}$/.test(value))
          .map(lower),
      ),
    )
    const policy = { address: house.deployment.l2.feePolicy, abi: Abi.feePolicyAbi } as const
    accounts.add(lower(await house.l2.readContract({ ...policy, functionName: 'treasury' })))
    for (const model of await house.client.models()) accounts.add(lower(model.owner))
    let owed = 0n
    for (const account of accounts) {
      owed += await house.l2.readContract({
        ...settlement,
        functionName: 'prepaidOf',
        args: [account],
        ...at,
      })
      owed += (
        await house.l2.readContract({ ...settlement, functionName: 'withdrawalOf', args: [account], ...at })
      )[0]
      owed += await house.l2.readContract({
        ...settlement,
        functionName: 'balanceOf',
        args: [account],
        ...at,
      })
    }
    const [ledgerSum, claimedTotal, uncredited] = await house.l2.readContract({
      ...settlement,
      functionName: 'ledger',
      ...at,
    })
    expect(await house.l2.getBalance({ address: settlement.address, ...at })).toBe(
      owed + uncredited + ledgerSum - claimedTotal,
    )
  })

  test('an auditor rebuilds the ledger from the chain alone', async () => {
    const rebuilt = await rebuildLedger({
      publicClient: house.l2,
      settlement: house.deployment.l2.settlement,
      fromBlock: BigInt(house.deployment.l2StartBlock),
    })
    const [ledgerSum] = await house.l2.readContract({
      address: house.deployment.l2.settlement,
      abi: Abi.settlementAbi,
      functionName: 'ledger',
    })
    expect(rebuilt.ledgerSumWei).toBe(ledgerSum)
    expect(rebuilt.totals.contributorsWei).toBe(ledgerSum + rebuilt.totals.uncreditedWei)
    for (const { account, cumulativeWei } of rebuilt.lines.slice(0, 5)) {
      const { settledWei } = await house.client.earnings(lower(account))
      expect(BigInt(settledWei)).toBe(cumulativeWei)
    }
  })

  test('OPEN locked on L1 = OPEN on L2', async () => {
    // a deposit is on its way for a block or two: equal once nothing moves
    await expect
      .poll(
        async () => {
          const { lockedOnL1Wei, onL2Wei } = (await house.client.network()).supply
          return BigInt(lockedOnL1Wei) - BigInt(onL2Wei!)
        },
        { timeout: 20_000 },
      )
      .toBe(0n)
  })
})
