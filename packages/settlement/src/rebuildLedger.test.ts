import { Open } from '@openledger/primitives'
import { Abi, FeeSplit } from '@openledger/protocol'
import { keccak256 } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type House, SPLIT } from '../test/house.ts'
import { asSigned, caller, type Market, openMarket } from '../test/market.ts'
import * as Batch from './Batch.ts'
import * as Credits from './Credits.ts'
import { bookOf } from './Ledger.ts'
import { LedgerAuditError } from './readBatches.ts'
import type { Settlement } from './Settlement.ts'

let market: Market
let house: House
let settlement: Settlement
beforeAll(async () => {
  market = await openMarket()
  ;({ house, settlement } = market)
  await answer([600_000, 300_000])
  await answer([])
  await settlement.settler.settle()
  // one answer while somebody stakes, and one after
  const staking = { address: house.deployment.l2.staking, abi: Abi.stakingAbi } as const
  const backer = house.senderOf('backer')
  await backer.send({ ...staking, functionName: 'stake', args: [house.modelId], valueWei: Open.ONE })
  await answer([100_000, 0, 900_000])
  await backer.send({ ...staking, functionName: 'requestUnstake', args: [house.modelId, Open.ONE] })
  await answer([500_000])
})
afterAll(() => house.close())
const answer: Market['answer'] = (...words) => market.answer(...words)
const audit = () => market.audit()

describe('rebuildLedger', () => {
  test('finds in the chain alone what the database has, to the wei', async () => {
    await settlement.settler.settle()
    const rebuilt = await audit()
    expect(rebuilt.lines).toEqual(await settlement.ledger.lines())
    const state = await settlement.contract.state()
    expect(rebuilt).toMatchObject({
      ledgerSumWei: state.ledgerSumWei,
      receiptCount: state.lastSequence,
      batchCount: state.batchCount,
      lines: { length: state.accountCount },
    })
    const stored = await settlement.receipts.list({ limit: 1_000 })
    expect(rebuilt.paid).toEqual([
      { account: caller, amountWei: stored.reduce((sum, receipt) => sum + BigInt(receipt.feeWei), 0n) },
    ])
    for (const key of ['feeWei', 'platformWei', 'ownerWei', 'stakersWei', 'contributorsWei'] as const) {
      expect(rebuilt.totals[key]).toBe(stored.reduce((sum, receipt) => sum + BigInt(receipt[key]), 0n))
    }
    const { platformWei, ownerWei, stakersWei, contributorsWei, feeWei } = rebuilt.totals
    expect(platformWei + ownerWei + stakersWei + contributorsWei).toBe(feeWei)
    const { settlement: address } = house.deployment.l2
    const [sumWei, claimedWei] = await house.publicClient.readContract({
      address,
      abi: Abi.settlementAbi,
      functionName: 'ledger',
    })
    expect(await house.publicClient.getBalance({ address })).toBeGreaterThanOrEqual(sumWei - claimedWei)
  })

  test('catches an operator whose root does not follow from the credits', async () => {
    await settlement.settler.settle()
    const rebuilt = await audit()
    const [last] = await settlement.receipts.list({ limit: 1 })
    const told = { ...asSigned(last!), sequence: BigInt(last!.sequence + 1), previousHash: last!.hash }
    const { posted } = Batch.make(
      [{ receipt: told, signature: last!.signature, platformWei: 0n, ownerWei: 0n, stakersWei: 0n }],
      [],
      bookOf(rebuilt.lines),
    )
    const { platformWei, ownerWei, contributorsWei } = FeeSplit.split(told.feeWei, SPLIT)
    const stakersWei = told.feeWei - platformWei - ownerWei - contributorsWei
    await house.sender.send({
      address: house.deployment.l2.settlement,
      abi: Abi.settlementAbi,
      functionName: 'settle',
      args: [
        posted.header,
        posted.debits,
        posted.groups.map((group) => ({ ...group, platformWei, ownerWei })),
        [
          {
            credits: Credits.pack([
              { account: caller, amountWei: contributorsWei + stakersWei, index: 0, isNew: false },
            ]),
            ledgerRoot: keccak256('0xbad0'),
          },
        ],
      ],
    })
    await expect(audit()).rejects.toThrow(LedgerAuditError)
    await answer([])
    await expect(settlement.settler.settle()).rejects.toMatchObject({ code: 'settlement.diverged' })
  })
})
