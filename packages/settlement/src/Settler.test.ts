import { Open } from '@openledger/primitives'
import { Abi, FeeSplit, type Sender } from '@openledger/protocol'
import { desc, schema } from '@openledger/store'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answerOf, draftOf, TINY } from '../test/answering.ts'
import { type House, SPLIT } from '../test/house.ts'
import { caller, type Market, openMarket } from '../test/market.ts'
import { createSettlement, type Settlement } from './Settlement.ts'

let market: Market
let house: House
let settlement: Settlement
beforeAll(async () => {
  market = await openMarket()
  ;({ house, settlement } = market)
})
afterAll(() => house.close())
const answer: Market['answer'] = (...words) => market.answer(...words)
const draft = (shares: readonly number[]) => draftOf(house, shares)
const audit = () => market.audit()

describe('the settler', () => {
  /** A sender whose process dies right before or right after the transaction is on chain. */
  const dying = (when: 'before' | 'after'): Sender => ({
    account: house.sender.account,
    send: async (call) => {
      if (when === 'after') await house.sender.send(call)
      throw new Error('the process is gone')
    },
  })
  const batchRow = async () =>
    (await house.database.orm.select().from(schema.batches).orderBy(desc(schema.batches.number)).limit(1))[0]!

  test.for(['before', 'after'] as const)('settles a batch once when it dies %s sending it', async (when) => {
    await settlement.settler.settle()
    await answer([250_000, 250_000])
    const dead = createSettlement({ ...house, sender: dying(when) })
    if (when === 'before') await expect(dead.settler.settle()).rejects.toThrow('gone')
    // the chain already has it: the same code that a restart runs finds it at once
    else await dead.settler.settle().catch(() => {})
    const prepared = await batchRow()
    const revived = createSettlement(house)
    await revived.settler.settle()
    const settled = await batchRow()
    expect(settled).toMatchObject({ number: prepared.number, callData: prepared.callData, status: 'settled' })
    expect((await audit()).ledgerRoot).toBe(settled.ledgerRoot)
  })

  test('gathers what comes while a batch is on its way for the next turn', async () => {
    await settlement.settler.settle()
    const before = await answer([250_000, 250_000])
    let meanwhile: Awaited<ReturnType<typeof answer>> | undefined
    const slow: Sender = {
      account: house.sender.account,
      send: async (call) => {
        meanwhile ??= await answer([250_000, 250_000])
        return house.sender.send(call)
      },
    }
    const { settler } = createSettlement({ ...house, sender: slow })
    await settler.settle()
    expect(settler.status().lastSequence).toBe(before.sequence)
    await settler.settle()
    expect(settler.status().lastSequence).toBe(meanwhile!.sequence)
  })

  test('pays those who staked when the answer was made, whoever comes or goes before it is settled', async () => {
    const staking = { address: house.deployment.l2.staking, abi: Abi.stakingAbi } as const
    const backer = house.senderOf('backer')
    const pendingWei = () =>
      house.publicClient.readContract({
        ...staking,
        functionName: 'pendingRewards',
        args: [house.modelId, backer.account],
      })
    const unstaked = await answer([400_000])
    expect(unstaked).toMatchObject({ stakersWei: '0', stakeVersion: 0 })
    await backer.send({ ...staking, functionName: 'stake', args: [house.modelId], valueWei: Open.ONE })
    await settlement.settler.settle()
    expect((await settlement.receipts.get(unstaked.sequence))?.stakersWei).toBe('0')
    expect(await pendingWei()).toBe(0n)

    const staked = await answer([400_000])
    const { stakersWei } = FeeSplit.split(BigInt(staked.feeWei), SPLIT)
    expect(staked).toMatchObject({ stakersWei: stakersWei.toString(), stakeVersion: 1 })
    await backer.send({ ...staking, functionName: 'requestUnstake', args: [house.modelId, Open.ONE] })
    await settlement.settler.settle()
    expect(await settlement.receipts.get(staked.sequence)).toMatchObject({
      stakersWei: stakersWei.toString(),
      settlementTransaction: expect.stringMatching(/^0x/),
    })
    expect(await pendingWei()).toBe(stakersWei)
  })

  test('divides credits that one transaction could not carry over several batches', async () => {
    const before = await settlement.contract.state()
    for (const shares of [
      [500_000, 0, 0],
      [0, 500_000, 0],
      [0, 0, 500_000],
    ]) {
      await answer(shares)
    }
    // room for the credits of one answer, its contributor's and the commons'
    await createSettlement(house, { creditBytesMax: 2 * 17 }).settler.settle()
    const after = await settlement.contract.state()
    expect(after.lastSequence).toBe(before.lastSequence + 3)
    expect(after.batchCount).toBe(before.batchCount + 3)
    expect((await audit()).book.tree.root().sum).toBe(after.ledgerSumWei)
  })

  test('divides them alike when it dies between the batches', async () => {
    await settlement.settler.settle()
    const before = await settlement.contract.state()
    for (const shares of [
      [500_000, 0, 0],
      [0, 500_000, 0],
      [0, 0, 500_000],
    ]) {
      await answer(shares)
    }
    let sentCount = 0
    const dying: Sender = {
      account: house.sender.account,
      send: async (call) => {
        if (++sentCount === 2) throw new Error('the process is gone')
        return house.sender.send(call)
      },
    }
    const room = { creditBytesMax: 2 * 17 }
    await expect(createSettlement({ ...house, sender: dying }, room).settler.settle()).rejects.toThrow('gone')
    // one of three is on chain, the second prepared: its ledger is nobody's yet
    expect((await settlement.contract.state()).batchCount).toBe(before.batchCount + 1)
    await createSettlement(house, room).settler.settle()
    const after = await settlement.contract.state()
    expect(after.batchCount).toBe(before.batchCount + 3)
    const rebuilt = await audit()
    expect(rebuilt.totals.uncreditedWei).toBe(0n)
    expect(rebuilt.lines).toEqual(await settlement.ledger.lines())
  })

  test('gathers credits for many accounts, and credits them all at once when it is time', async () => {
    await settlement.settler.settle()
    const before = await audit()
    const gathering = createSettlement(house, { creditCountAtOnce: 0 })
    const first = await answer([300_000, 200_000])
    await gathering.settler.settle()
    const between = await audit()
    expect(between.lines).toEqual(before.lines)
    expect(between.totals.uncreditedWei).toBe(BigInt(first.contributorsWei))
    expect((await settlement.receipts.get(first.sequence))?.settlementTransaction).toMatch(/^0x/)
    const second = await answer([100_000, 200_000])
    const due = createSettlement(house, { creditCountAtOnce: 0, ledgerIntervalMs: 0 })
    await due.settler.settle()
    const after = await audit()
    expect(after.totals.uncreditedWei).toBe(0n)
    expect(after.ledgerSumWei - before.ledgerSumWei).toBe(
      BigInt(first.contributorsWei) + BigInt(second.contributorsWei),
    )
    expect(after.lines).toEqual(await settlement.ledger.lines())
  })

  test('says why when the chain refuses, and keeps the batch', async () => {
    await answer([])
    const refused = createSettlement({ ...house, sender: house.senderOf('caller') })
    await expect(refused.settler.settle()).rejects.toMatchObject({ errorName: 'SettlementNotOperator' })
    expect(refused.settler.status()).toMatchObject({
      state: 'blocked',
      failure: { code: 'transaction.reverted', message: expect.stringContaining('SettlementNotOperator') },
    })
    await settlement.settler.settle()
    expect(settlement.settler.status().state).toBe('idle')
  })

  test('works on its own once started', async () => {
    const running = createSettlement(house, { intervalMs: 10_000, gatherMs: 10 })
    running.settler.start()
    const hold = await running.accounts.hold({ account: caller, amountWei: 100n })
    const receipt = await running.receipts.nextReceipt({ hold, ...answerOf(house, draft([]), TINY) })
    await expect
      .poll(async () => (await running.receipts.get(receipt.sequence))?.settlementTransaction, {
        timeout: 5_000,
      })
      .toMatch(/^0x/)
    await running.settler.close()
  })
})
