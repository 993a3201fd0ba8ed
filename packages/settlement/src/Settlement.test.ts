import { Bytes, CanonicalJson, type Hex, MerkleSum, Open } from '@openledger/primitives'
import {
  Abi,
  DevelopmentKeys,
  FeeSplit,
  type Http,
  Receipt,
  type Sender,
  TypedData,
} from '@openledger/protocol'
import { desc, schema } from '@openledger/store'
import { keccak256, recoverAddress, toHex } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AnswerSize, answerOf, draftOf, serve, TINY } from '../test/answering.ts'
import {
  type House,
  INPUT_PRICE_WEI,
  OUTPUT_PRICE_WEI,
  publishModel,
  SPLIT,
  startHouse,
} from '../test/house.ts'
import * as Batch from './Batch.ts'
import * as Credits from './Credits.ts'
import { bookOf } from './Ledger.ts'
import { LedgerAuditError } from './readBatches.ts'
import { rebuildLedger } from './rebuildLedger.ts'
import { createSettlement, type Settlement } from './Settlement.ts'

let house: House
let settlement: Settlement
const caller = DevelopmentKeys.account('caller').address.toLowerCase() as Hex
const contributor = (i: number) => DevelopmentKeys.contributor(i).address.toLowerCase() as Hex

beforeAll(async () => {
  house = await startHouse(3)
  settlement = createSettlement(house)
  await deposit(caller, Open.parse('10'))
})
afterAll(() => house.close())

const deposit = (account: Hex, valueWei: bigint) =>
  house.senderOf('caller').send({
    address: house.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [account],
    valueWei,
  })

const draft = (shares: readonly number[]) => draftOf(house, shares)
const answer = (shares: readonly number[], size?: AnswerSize, apiKeyId?: string) =>
  serve(house, settlement, caller, shares, size, apiKeyId)

/** The receipt in the form that is signed. */
const asSigned = (receipt: Http.SignedReceipt): Receipt.Receipt => ({
  ...receipt,
  sequence: BigInt(receipt.sequence),
  modelId: BigInt(receipt.modelId),
  feeWei: BigInt(receipt.feeWei),
  timestamp: BigInt(receipt.timestamp),
})

const audit = () =>
  rebuildLedger({
    publicClient: house.publicClient,
    settlement: house.deployment.l2.settlement,
    fromBlock: 0n,
  })

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

describe('holds', () => {
  test('made at the same time never promise more than there is', async () => {
    const { availableWei } = await settlement.accounts.balance(caller)
    const amountWei = availableWei / 4n
    const outcomes = await Promise.allSettled(
      Array.from({ length: 9 }, () => settlement.accounts.hold({ account: caller, amountWei })),
    )
    const held = outcomes.filter((outcome) => outcome.status === 'fulfilled')
    expect(held).toHaveLength(4)
    const refused = outcomes.find((outcome) => outcome.status === 'rejected')
    expect(refused?.reason).toMatchObject({ code: 'account.insufficient_balance' })
    for (const { value } of held) await settlement.accounts.release(value.id)
    expect((await settlement.accounts.balance(caller)).availableWei).toBe(availableWei)
  })

  test('of a process that died count no more', async () => {
    const before = await settlement.accounts.balance(caller)
    await settlement.accounts.hold({ account: caller, amountWei: 1_000n })
    const restarted = createSettlement({ ...house, clock: { nowMs: () => Date.now() + 5 } })
    expect(await restarted.accounts.balance(caller)).toEqual(before)
    await restarted.accounts.release((await restarted.accounts.hold({ account: caller, amountWei: 1n })).id)
    expect(await settlement.accounts.balance(caller)).toEqual(before)
  })

  test('can be charged once only', async () => {
    const hold = await settlement.accounts.hold({ account: caller, amountWei: Open.parse('1') })
    const charge = () => settlement.receipts.nextReceipt({ hold, ...answerOf(house, draft([]), TINY) })
    await charge()
    await expect(charge()).rejects.toMatchObject({ code: 'account.hold_gone' })
  })

  test('stay within the limit of an API key, which is shown once and kept as a hash', async () => {
    const limitWei = 2n * (11n * INPUT_PRICE_WEI + 64n * OUTPUT_PRICE_WEI)
    const { secret, apiKey } = await settlement.apiKeys.create({ account: caller, name: 'test', limitWei })
    expect(secret).toMatch(/^ol-[\w-]{43}$/)
    const stored = await house.database.orm.select().from(schema.apiKeys)
    expect(
      JSON.stringify(stored, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
    ).not.toContain(secret)
    expect(await settlement.apiKeys.find(secret)).toEqual({ id: apiKey.id, account: caller })
    expect(await settlement.apiKeys.find(`${secret}x`)).toBeUndefined()

    const receipt = await answer([], undefined, apiKey.id)
    expect((await settlement.apiKeys.list(caller))[0]?.spentWei).toBe(receipt.feeWei)
    const hold = await settlement.accounts.hold({
      account: caller,
      amountWei: limitWei / 2n,
      apiKeyId: apiKey.id,
    })
    await expect(answer([], undefined, apiKey.id)).rejects.toMatchObject({ code: 'api_key.limit' })
    await settlement.accounts.release(hold.id)
    await settlement.apiKeys.revoke(caller, apiKey.id)
    expect(await settlement.apiKeys.find(secret)).toBeUndefined()
    await expect(answer([], undefined, apiKey.id)).rejects.toMatchObject({ code: 'api_key.revoked' })
    await expect(settlement.apiKeys.revoke(contributor(0), apiKey.id)).rejects.toMatchObject({
      code: 'api_key.not_found',
    })
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

describe('a payer who leaves', () => {
  test('is not served on money that can be gone before it is settled', async () => {
    const leaver = DevelopmentKeys.account('voter').address.toLowerCase() as Hex
    const sender = house.senderOf('voter')
    await deposit(leaver, 1_000n)
    const hold = await settlement.accounts.hold({ account: leaver, amountWei: 500n })
    const call = { address: house.deployment.l2.settlement, abi: Abi.settlementAbi } as const
    await sender.send({ ...call, functionName: 'requestWithdrawal', args: [1_000n] })
    expect((await settlement.accounts.balance(leaver)).availableWei).toBe(0n)
    const client = house.publicClient as unknown as {
      request: (request: { method: string; params: unknown[] }) => Promise<unknown>
    }
    await client.request({ method: 'evm_increaseTime', params: [8] })
    await client.request({ method: 'evm_mine', params: [] })
    await expect(
      settlement.receipts.nextReceipt({ hold, ...answerOf(house, draft([]), { ...TINY, inputTokens: 100 }) }),
    ).rejects.toMatchObject({ code: 'account.insufficient_balance' })
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
