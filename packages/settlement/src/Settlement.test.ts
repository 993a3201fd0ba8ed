import { Bytes, CanonicalJson, type Hex, MerkleSum } from '@openledger/primitives'
import { Abi, DevelopmentKeys, FeeSplit, Receipt, TypedData } from '@openledger/protocol'
import { schema } from '@openledger/store'
import { keccak256, recoverAddress, toHex } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answerOf, draftOf, TINY } from '../test/answering.ts'
import { type House, INPUT_PRICE_WEI, OUTPUT_PRICE_WEI, publishModel, SPLIT } from '../test/house.ts'
import { asSigned, caller, contributor, type Market, openMarket } from '../test/market.ts'
import type { Settlement } from './Settlement.ts'

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

describe('one answer', () => {
  test('is charged, signed, divided to the wei, settled, proven and claimed once', async () => {
    const before = await settlement.accounts.balance(caller)
    const receipt = await answer([600_000, 333_333])
    const feeWei = 11n * INPUT_PRICE_WEI + 7n * OUTPUT_PRICE_WEI
    expect(BigInt(receipt.feeWei)).toBe(feeWei)
    expect(await settlement.accounts.balance(caller)).toEqual({
      prepaidWei: before.prepaidWei,
      heldWei: before.heldWei + feeWei,
      availableWei: before.availableWei - feeWei,
    })

    const { shares, commons: rest } = receipt.attribution
    const paidWei = [...shares, rest].reduce((sum, part) => sum + BigInt(part.amountWei), 0n)
    expect(paidWei).toBe(BigInt(receipt.contributorsWei))
    expect(
      BigInt(receipt.platformWei) + BigInt(receipt.ownerWei) + BigInt(receipt.stakersWei) + paidWei,
    ).toBe(feeWei)
    expect(receipt.attributionHash).toBe(CanonicalJson.hash(receipt.attribution))
    expect(shares.map((share) => share.beneficiary)).toEqual([contributor(0), contributor(1)])

    const chained = asSigned(receipt)
    expect(Receipt.hash(chained)).toBe(receipt.hash)
    const { l2ChainId, l2 } = house.deployment
    const domain = TypedData.contractDomain('OpenLedger Settlement', l2ChainId, l2.settlement)
    expect(
      await recoverAddress({ hash: Receipt.digest(chained, domain), signature: receipt.signature }),
    ).toBe(house.operator.address)

    // the payer may sign the same, and nobody else for it
    const digest = Receipt.digest(chained, domain)
    const signAs = (role: 'caller' | 'voter') => DevelopmentKeys.account(role).sign({ hash: digest })
    await expect(settlement.countersign(receipt.sequence, await signAs('voter'))).rejects.toMatchObject({
      code: 'signature.invalid',
    })
    expect((await settlement.receipts.get(receipt.sequence))?.countersignature).toBeUndefined()
    const countersignature = await signAs('caller')
    expect(await settlement.countersign(receipt.sequence, countersignature)).toEqual({
      ...receipt,
      countersignature,
    })

    expect(receipt.settlementTransaction).toBeNull()
    await settlement.settler.settle()
    const settled = await settlement.receipts.get(receipt.sequence)
    expect(settled?.settlementTransaction).toMatch(/^0x/)
    expect((await settlement.accounts.balance(caller)).prepaidWei).toBe(before.prepaidWei - feeWei)

    const earned = await settlement.earnings.of(contributor(0))
    expect(earned).toMatchObject({ claimedWei: '0', claimableWei: shares[0]!.amountWei })
    expect(earned.payouts[0]).toMatchObject({ contributionTitle: 'module 0', state: 'final' })
    const wealthBefore = await house.publicClient.getBalance({ address: contributor(0) })
    const claimed = await settlement.ledger.claim(contributor(0))
    expect(claimed.amountWei).toBe(shares[0]!.amountWei)
    const wealth = await house.publicClient.getBalance({ address: contributor(0) })
    expect(wealth - wealthBefore).toBe(BigInt(shares[0]!.amountWei))
    await expect(settlement.ledger.claim(contributor(0))).rejects.toMatchObject({
      code: 'ledger.nothing_to_claim',
    })
  })

  test('tells of a contribution and of a record which answers they shaped, and of what each paid', async () => {
    const all = await settlement.receipts.list({ limit: 200 })
    const [contributionId] = house.contributionIds as [Hex]
    const expected = all.flatMap((receipt) =>
      receipt.attribution.shares
        .filter((share) => share.contributionId === contributionId && share.amountWei !== '0')
        .map(({ beneficiary, sharePpm, amountWei, reasons }) => ({
          receiptSequence: receipt.sequence,
          modelName: receipt.modelName,
          contributionId,
          beneficiary,
          sharePpm,
          amountWei,
          reasons,
          settlementTransaction: receipt.settlementTransaction,
          timestamp: receipt.timestamp,
        })),
    )
    expect(expected.length).toBeGreaterThan(0)
    const { list } = settlement.paidAnswers
    expect(await list({ contributionId }, { limit: 200 })).toEqual(expected)
    expect(await list({ contributionId }, { limit: 1, before: expected[0]!.receiptSequence })).toEqual(
      expected.slice(1, 2),
    )
    // the drafts name a record that the contribution does not hold: it is nobody's answer until it does
    const recordId = keccak256(toHex(0))
    expect(await list({ recordId }, { limit: 200 })).toEqual([])
    await house.database.orm
      .insert(schema.records)
      .values({ contributionId, index: 9, id: recordId, text: 'what the drafts name' })
    expect(await list({ recordId }, { limit: 200 })).toEqual(expected)
    expect(await list({ recordId: keccak256('0x77') }, { limit: 200 })).toEqual([])
  })

  test('pays the stakers part to the commons while nobody stakes, whatever the attribution', async () => {
    const receipt = await answer([1_000_000])
    const { stakersWei, contributorsWei } = FeeSplit.split(BigInt(receipt.feeWei), SPLIT)
    expect(receipt.stakersWei).toBe('0')
    expect(BigInt(receipt.contributorsWei)).toBe(contributorsWei + stakersWei)
    expect(BigInt(receipt.attribution.commons.amountWei)).toBe(stakersWei)
    await settlement.settler.settle()
  })

  test('changes nothing when its shares do not sum', async () => {
    const before = await settlement.accounts.balance(caller)
    const hold = await settlement.accounts.hold({ account: caller, amountWei: 10n })
    const broken = { ...draft([500_000]), commons: { ...draft([]).commons, sharePpm: 1 } }
    await expect(
      settlement.receipts.nextReceipt({ hold, ...answerOf(house, broken, TINY) }),
    ).rejects.toMatchObject({ code: 'receipt.shares_sum' })
    await settlement.accounts.release(hold.id)
    expect(await settlement.accounts.balance(caller)).toEqual(before)
  })
})

describe('receipts', () => {
  test('made at the same time form one chain without a gap', async () => {
    const made = await Promise.all(Array.from({ length: 6 }, (_, i) => answer([i * 100_000])))
    const stored = await settlement.receipts.list({ limit: 6 })
    expect(stored.map((receipt) => receipt.sequence).toReversed()).toEqual(
      made.map((receipt) => receipt.sequence).toSorted((a, b) => a - b),
    )
    for (const [i, receipt] of stored.entries()) {
      const before = stored[i + 1]
      if (before !== undefined) expect(receipt.previousHash).toBe(before.hash)
    }
  })
})

describe('a settled answer', () => {
  test('proves that a settled receipt is in its batch, and no other', async () => {
    await Promise.all([answer([1]), answer([2]), answer([3])])
    await settlement.settler.settle()
    for (const receipt of await settlement.receipts.list({ limit: 3 })) {
      const proof = await settlement.receipts.inclusion(receipt.sequence)
      const [event] = await house.publicClient.getContractEvents({
        address: house.deployment.l2.settlement,
        abi: Abi.settlementAbi,
        fromBlock: 0n,
        strict: true,
        eventName: 'BatchSettled',
        args: { batch: BigInt(proof.batch) },
      })
      const root = { hash: Bytes.fromHex(event!.args.receiptsRoot), sum: BigInt(proof.feesWei) }
      const siblings = proof.siblings.map(({ hash, sum }) => ({
        hash: Bytes.fromHex(hash),
        sum: BigInt(sum),
      }))
      const holds = (told: Receipt.Receipt) =>
        MerkleSum.verify(root, Receipt.leaf(told, receipt.signature), proof.index, siblings)
      const told = asSigned(receipt)
      expect(holds(told)).toBe(true)
      expect(holds({ ...told, feeWei: told.feeWei + 1n })).toBe(false)
    }
    const waiting = await answer([])
    await expect(settlement.receipts.inclusion(waiting.sequence)).rejects.toMatchObject({
      code: 'receipt.not_settled',
    })
  })

  test('claims for many accounts in one transaction', async () => {
    await answer([300_000, 300_000, 300_000])
    await settlement.settler.settle()
    const accounts = [contributor(0), contributor(1), contributor(2), caller]
    const before = await Promise.all(accounts.map((address) => house.publicClient.getBalance({ address })))
    const owed = await Promise.all(accounts.map((account) => settlement.earnings.of(account)))
    const claimed = await settlement.ledger.claimMany([...accounts, contributor(0)])
    expect(claimed.map(({ account }) => account).sort()).toEqual(accounts.slice(0, 3).sort())
    expect(new Set(claimed.map(({ transactionHash }) => transactionHash)).size).toBe(1)
    for (const [i, address] of accounts.slice(0, 3).entries()) {
      const got = (await house.publicClient.getBalance({ address })) - before[i]!
      expect(got).toBe(BigInt(owed[i]!.claimableWei))
      expect((await settlement.earnings.of(address)).claimableWei).toBe('0')
    }
    expect(await settlement.ledger.claimMany(accounts)).toEqual([])
  })
})

describe('an answer that several models made', () => {
  test('is charged once, by a receipt for each of them, all or none', async () => {
    const others = [await publishModel(house, 'first-of-two'), await publishModel(house, 'second-of-two')]
    const before = await settlement.accounts.balance(caller)
    const parts = [11, 6].map((inputTokens, index) => ({
      ...answerOf(house, draft([300_000]), { inputTokens, outputTokens: 7 }),
      modelId: others[index]!,
    }))
    const amountWei = 100n * OUTPUT_PRICE_WEI
    const hold = await settlement.accounts.hold({ account: caller, amountWei })
    const receipts = await settlement.receipts.nextReceipts(hold, parts)
    expect(receipts.map(({ modelName, inputTokens }) => [modelName, inputTokens])).toEqual([
      ['first-of-two', 11],
      ['second-of-two', 6],
    ])
    expect(receipts[1]).toMatchObject({
      sequence: receipts[0]!.sequence + 1,
      previousHash: receipts[0]!.hash,
    })
    const feesWei = receipts.reduce((sum, { feeWei }) => sum + BigInt(feeWei), 0n)
    expect(feesWei).toBe(17n * INPUT_PRICE_WEI + 14n * OUTPUT_PRICE_WEI)
    const after = await settlement.accounts.balance(caller)
    expect(before.availableWei - after.availableWei).toBe(feesWei)

    await house.senderOf('builder').send({
      address: house.deployment.l2.models,
      abi: Abi.modelsAbi,
      functionName: 'retire',
      args: [others[1]!],
    })
    const second = await settlement.accounts.hold({ account: caller, amountWei })
    await expect(settlement.receipts.nextReceipts(second, parts)).rejects.toMatchObject({
      code: 'model.retired',
    })
    await settlement.accounts.release(second.id)
    expect(await settlement.accounts.balance(caller)).toEqual(after)
    // the last one of an answer costs more than was held: none of them is stored
    const poor = await settlement.accounts.hold({ account: caller, amountWei: feesWei / 2n })
    const same = parts.map((part) => ({ ...part, modelId: others[0]! }))
    await expect(settlement.receipts.nextReceipts(poor, same)).rejects.toMatchObject({
      code: 'account.hold_exceeded',
    })
    await settlement.accounts.release(poor.id)
    expect(await settlement.accounts.balance(caller)).toEqual(after)
    await settlement.settler.settle()
  })
})

describe('a model that its owner retires', () => {
  test('is answered for no more, and does not stop what was answered before from being settled', async () => {
    const modelId = await publishModel(house, 'short-lived')
    const one = async () => {
      const hold = await settlement.accounts.hold({ account: caller, amountWei: 100n })
      return settlement.receipts.nextReceipt({ hold, ...answerOf(house, draft([]), TINY), modelId })
    }
    const served = await one()
    await house.senderOf('builder').send({
      address: house.deployment.l2.models,
      abi: Abi.modelsAbi,
      functionName: 'retire',
      args: [modelId],
    })
    await expect(one()).rejects.toMatchObject({ code: 'model.retired' })
    await settlement.settler.settle()
    expect((await settlement.receipts.get(served.sequence))?.settlementTransaction).toMatch(/^0x/)
  })
})
