import { type Hex, MerkleSum, Open } from '@openledger/primitives'
import { Abi, createSender, DevelopmentKeys, Receipt, type Sender } from '@openledger/protocol'
import { eq, schema } from '@openledger/store'
import { encodeAbiParameters, keccak256 } from 'viem'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { serve } from '../test/answering.ts'
import { type House, STEP_SECONDS, startHouse } from '../test/house.ts'
import { auditBatches, type BatchAudit } from './auditBatches.ts'
import { readContests } from './Contract.ts'
import * as CourtCall from './CourtCall.ts'
import { postedOf } from './Defence.ts'
import { proveRebuilt, rebuildLedger } from './rebuildLedger.ts'
import { createSettlement, type Settlement } from './Settlement.ts'
import { type Shown, sharesOf } from './Shown.ts'

const CHALLENGE_SECONDS = 3_600n
const caller = DevelopmentKeys.account('caller').address.toLowerCase() as Hex
const JURORS = ['challenger', 'builder', 'agentOwner'] as const
const contributor = (i: number) => DevelopmentKeys.contributor(i).address.toLowerCase() as Hex

let house: House
let settlement: Settlement

beforeEach(async () => {
  house = await startHouse(3, CHALLENGE_SECONDS)
  settlement = createSettlement(house)
  for (const role of JURORS) {
    await house.senderOf(role).send({
      address: house.deployment.l2.panel,
      abi: Abi.panelAbi,
      functionName: 'join',
      args: [],
      valueWei: Open.parse('10'),
    })
  }
  await pass(1n)
  await house.senderOf('caller').send({
    ...onSettlement(),
    functionName: 'deposit',
    args: [caller],
    valueWei: Open.parse('10'),
  })
})
afterEach(() => house.close())

const onSettlement = () => ({ address: house.deployment.l2.settlement, abi: Abi.settlementAbi }) as const
const onCourt = () => ({ address: house.deployment.l2.court, abi: Abi.courtAbi }) as const

async function pass(seconds: bigint): Promise<void> {
  const chain = (method: string, params: readonly unknown[]) =>
    house.publicClient.request({ method, params } as never)
  await chain('evm_increaseTime', [Number(seconds)])
  await chain('evm_mine', [])
}

const answer = (...shares: number[]) => serve(house, settlement, caller, shares)

/** Serves and settles one answer. */
async function settled(...shares: number[]) {
  const receipt = await answer(...shares)
  await settlement.settler.settle()
  return receipt
}

async function postedBatch(number: number): Promise<CourtCall.PostedArgument> {
  const [row] = await house.database.orm
    .select()
    .from(schema.batches)
    .where(eq(schema.batches.number, number))
  return row === undefined ? CourtCall.nothing : postedOf(row)
}

/**
 * Has the operator convicted for what nobody shows: for a line behind a batch's credits the court takes the credits back, for
 * a receipt it gives the payers their money back.
 */
async function strike(number: number, item: CourtCall.Item = 'CreditLine'): Promise<void> {
  const posted = await postedBatch(number)
  const previous = await postedBatch(Number(posted.ledger.previous))
  const challenger = house.senderOf('voter')
  const { call } = CourtCall.demand(posted, item, 0, 'not shown')
  await CourtCall.file(
    { publicClient: house.publicClient, sender: challenger, l2: house.deployment.l2 },
    call,
  )
  await pass(STEP_SECONDS + 1n)
  await challenger.send({
    ...onCourt(),
    functionName: 'foreclose',
    args: [posted, item === 'CreditLine' ? 2 : 0, 0n, previous.ledger],
  } as never)
}

/** A sender whose process dies before it sends, or after so many transactions. */
const gone = (after = 0): Sender => {
  let left = after
  return {
    account: house.sender.account,
    send: async (call) => {
      if (left-- === 0) throw new Error('the process is gone')
      return house.sender.send(call)
    },
  }
}

/** As long as nobody who was convicted may settle. */
const suspension = () => pass(2n * CHALLENGE_SECONDS + 4n * STEP_SECONDS)

/** Where the payouts of a contributor stand, newest first. */
const standings = async (i: number) =>
  (await settlement.earnings.of(contributor(i))).payouts.map(({ state }) => state)

const rebuild = () =>
  rebuildLedger({
    publicClient: house.publicClient,
    settlement: house.deployment.l2.settlement,
    fromBlock: 0n,
  })

/** What people earned by all payouts, and what the ledger says, by the chain alone. */
async function expectCredited(): Promise<void> {
  const rebuilt = await rebuild()
  expect(rebuilt.totals.uncreditedWei).toBe(0n)
  expect(rebuilt.lines).toEqual(await settlement.ledger.lines())
  const paid = new Map<string, bigint>()
  for (const { beneficiary, amountWei } of await house.database.orm.select().from(schema.payouts)) {
    paid.set(beneficiary, (paid.get(beneficiary) ?? 0n) + amountWei)
  }
  expect(new Map(rebuilt.lines.map(({ account, cumulativeWei }) => [account, cumulativeWei]))).toEqual(paid)
}

async function audit(): Promise<BatchAudit[]> {
  const { l2, l2ChainId } = house.deployment
  const audits: BatchAudit[] = []
  for await (const one of auditBatches({
    publicClient: house.publicClient,
    settlement: l2.settlement,
    fromBlock: 0n,
    chainId: l2ChainId,
    feePolicy: l2.feePolicy,
    staking: l2.staking,
    show: async (sequence) => shown(Number(sequence)),
  })) {
    audits.push(one)
  }
  return audits
}

async function shown(sequence: number): Promise<Shown> {
  const view = await settlement.receipts.require(sequence)
  return {
    receipt: {
      ...view,
      sequence: BigInt(view.sequence),
      modelId: BigInt(view.modelId),
      feeWei: BigInt(view.feeWei),
      timestamp: BigInt(view.timestamp),
    },
    signature: view.signature,
    shares: sharesOf(view.attribution),
    ...(view.correctedShares && {
      correctedShares: view.correctedShares.map(({ account, amountWei }) => ({
        account,
        amountWei: BigInt(amountWei),
      })),
    }),
  }
}

const findings = async () => (await audit()).flatMap(({ finding }) => finding ?? [])

test('after a conviction nothing is sold, then what was taken back is credited anew without an answer', async () => {
  await settled(500_000, 0, 0)
  await settled(0, 500_000, 0)
  const waiting = await answer(0, 0, 500_000)
  await strike(2)
  await expect(settlement.settler.settle()).rejects.toMatchObject({ code: 'settlement.suspended' })
  await expect(answer()).rejects.toMatchObject({ code: 'settlement.not_covered' })
  expect(await standings(2)).toEqual(['settling'])
  expect(await standings(1)).toEqual(['struck'])
  expect(await standings(0)).toEqual(['open'])
  // the batch before stands
  expect(await settlement.ledger.lines()).toEqual((await rebuild()).lines)
  expect((await rebuild()).claimable?.number).toBe(1)

  await suspension()
  await settlement.settler.settle()
  expect(settlement.settler.status()).toMatchObject({ state: 'idle', failure: null })
  expect((await settlement.receipts.get(waiting.sequence))?.settlementTransaction).toMatch(/^0x/)
  await expectCredited()
  await settled(0, 500_000, 0)
  await expectCredited()
  expect(await findings()).toEqual([])

  await strike(4)
  await suspension()
  // nobody has asked anything since
  await settlement.settler.settle()
  await expectCredited()
  await pass(CHALLENGE_SECONDS)
  for (const i of [0, 1, 2]) {
    const [earned] = (await settlement.ledger.lines()).filter(({ account }) => account === contributor(i))
    expect((await settlement.ledger.claim(contributor(i))).amountWei).toBe(`${earned!.cumulativeWei}`)
  }
})

test('a batch that was made for a ledger which the court took back is made anew, whenever its sender died', async () => {
  await settled(500_000, 0, 0)
  await answer(0, 500_000, 0)
  await expect(createSettlement({ ...house, sender: gone() }).settler.settle()).rejects.toThrow('gone')
  await strike(1)
  await suspension()
  settlement = createSettlement(house)
  await settlement.settler.settle()
  await expectCredited()
  expect((await settlement.contract.state()).batchCount).toBe(2)
})

test('what the court took back goes in as many transactions as it takes, wherever the process dies', async () => {
  // three contributors and the commons, a transaction each
  const small = { segmentCreditCount: 1, creditBytesMax: 40 }
  await settled(500_000, 0, 0)
  await settled(0, 500_000, 0)
  await settled(0, 0, 500_000)
  await strike(1)
  await suspension()
  for (let sent = 0; sent < 4; sent++) {
    const dying = createSettlement({ ...house, sender: gone(sent) }, small)
    await expect(dying.settler.settle()).rejects.toThrow('gone')
  }
  settlement = createSettlement(house, small)
  await settlement.settler.settle()
  await expectCredited()
  expect(await findings()).toEqual([])
  const ahead = await house.publicClient.getContractEvents({
    ...onSettlement(),
    eventName: 'CreditsPosted',
    fromBlock: 0n,
    strict: true,
  })
  expect(ahead.slice(-3).map(({ args }) => args.from)).toEqual([0n, 1n, 2n])

  // what a process that died had posted is dropped where all of it fits one transaction
  await strike(4)
  await suspension()
  await expect(createSettlement({ ...house, sender: gone(3) }, small).settler.settle()).rejects.toThrow(
    'gone',
  )
  expect(await settlement.contract.postedCount()).toBeGreaterThan(0)
  settlement = createSettlement(house)
  await settlement.settler.settle()
  expect(await settlement.contract.postedCount()).toBe(0)
  await expectCredited()
  expect(await findings()).toEqual([])
  await pass(CHALLENGE_SECONDS)
  const [earned] = await settlement.ledger.lines()
  expect((await settlement.ledger.claim(earned!.account)).amountWei).toBe(`${earned!.cumulativeWei}`)
})

test('a batch that was prepared before a conviction which took nothing back is sent when the suspension is over', async () => {
  await settled(500_000, 0, 0)
  await answer(0, 500_000, 0)
  await expect(createSettlement({ ...house, sender: gone() }).settler.settle()).rejects.toThrow('gone')
  await strike(1, 'Receipt')
  settlement = createSettlement(house)
  await expect(settlement.settler.settle()).rejects.toMatchObject({ code: 'settlement.suspended' })
  await suspension()
  await settlement.settler.settle()
  await expectCredited()
  expect((await settlement.contract.state()).batchCount).toBe(2)
})

test('another operator goes on where a convicted one stopped: with its own signature on what waited', async () => {
  await settled(500_000, 0, 0)
  await strike(1)
  await house.senderOf('deployer').send({
    ...onSettlement(),
    functionName: 'setOperator',
    args: [house.wallet('backer').account.address],
  })
  const successor = house.wallet('backer').account.address
  await house.senderOf('backer').send({
    ...onCourt(),
    functionName: 'bondFor',
    args: [successor],
    valueWei: Open.parse('400'),
  })
  // sold by the old key, which does not know yet
  const waiting = await answer(0, 500_000, 0)
  settlement = createSettlement({
    ...house,
    operator: DevelopmentKeys.account('backer'),
    sender: createSender({ walletClient: house.wallet('backer'), publicClient: house.publicClient }),
  })
  await settlement.settler.settle()
  await expectCredited()
  expect((await settlement.receipts.require(waiting.sequence)).signature).not.toBe(waiting.signature)
  expect(await findings()).toEqual([])
})

test('a dispute delays nobody: others claim without what it is about, and the rest is paid when it is over', async () => {
  await settled(250_000, 250_000, 0)
  await settled(0, 250_000, 250_000)
  await contest(1)
  await settled(0, 0, 500_000)
  await pass(CHALLENGE_SECONDS + 1n)
  const earnedIn = async (i: number, ...batches: number[]) => {
    const rows = await house.database.orm
      .select()
      .from(schema.payouts)
      .where(eq(schema.payouts.beneficiary, contributor(i)))
    return rows
      .filter(({ receiptSequence }) => batches.includes(receiptSequence))
      .reduce((sum, { amountWei }) => sum + amountWei, 0n)
  }
  const proof = await settlement.ledger.proof(contributor(1))
  expect(proof.exclusions.map(({ batch }) => batch)).toEqual([1])
  expect(BigInt(proof.cumulativeWei)).toBe(await earnedIn(1, 2))
  // the chain alone proves the same
  const { publicClient, deployment } = house
  const rebuilt = await proveRebuilt(
    await rebuild(),
    await readContests(publicClient, deployment.l2.settlement),
    Number.MAX_SAFE_INTEGER,
    [contributor(1)],
  )
  expect(rebuilt).toMatchObject({
    claims: proof.claims,
    siblings: proof.siblings,
    exclusions: proof.exclusions,
  })
  expect((await settlement.batchStates.list({ limit: 3 })).map(({ state }) => state)).toEqual([
    'final',
    'final',
    'disputed',
  ])
  expect(await standings(1)).toEqual(['final', 'disputed'])
  // many at once, one of them with nothing beside the dispute
  const claimed = await settlement.ledger.claimMany([contributor(0), contributor(1), contributor(2)])
  expect(claimed).toMatchObject([
    { account: contributor(1), amountWei: `${await earnedIn(1, 2)}` },
    { account: contributor(2), amountWei: `${await earnedIn(2, 2, 3)}` },
  ])
  await expect(settlement.ledger.claim(contributor(0))).rejects.toMatchObject({
    code: 'ledger.nothing_to_claim',
  })

  // the challenger gives up
  await house.senderOf('voter').send({ ...onCourt(), functionName: 'decide', args: [1n] })
  expect(await settlement.ledger.claimMany([contributor(0), contributor(1)])).toMatchObject([
    { account: contributor(1), amountWei: `${await earnedIn(1, 1)}` },
    { account: contributor(0), amountWei: `${await earnedIn(0, 1)}` },
  ])
})

test('shares that a panel found are credited instead of the receipt’s, once anybody tells them', async () => {
  const receipt = await settled(500_000, 0, 0)
  const right = [
    { account: contributor(2), amountWei: 1n },
    { account: contributor(1), amountWei: BigInt(receipt.contributorsWei) - 1n },
  ]
  await contest(1, Receipt.sharesRoot(right))
  await suspension()
  await settlement.settler.settle()
  await settled(0, 0, 500_000)
  // receipts go on chain, credits wait
  expect(settlement.settler.status().awaitedShares).toEqual([1])
  expect((await rebuild()).totals.uncreditedWei).toBeGreaterThan(BigInt(receipt.contributorsWei))
  await expect(settlement.correctShares(1, right.slice(1))).rejects.toMatchObject({
    code: 'receipt.other_shares',
  })
  await expect(settlement.correctShares(2, right)).rejects.toMatchObject({ code: 'receipt.not_overturned' })
  await settlement.correctShares(1, right)
  await settlement.settler.settle()
  await expectCredited()
  expect(await findings()).toEqual([])
  expect((await settlement.ledger.lines()).find(({ account }) => account === contributor(0))).toBeUndefined()
})

/** Has a receipt contested; with what the panel finds instead, it votes so and the credits are taken back. */
async function contest(sequence: number, found?: Hex): Promise<void> {
  const { publicClient, deployment } = house
  const { l2 } = deployment
  const sender = house.senderOf('voter')
  const one = await shown(sequence)
  const secret = CourtCall.salt()
  const posted = await postedBatch(sequence)
  const filed = CourtCall.filed(one, MerkleSum.build([Receipt.leaf(one.receipt, one.signature)]), 0)
  await CourtCall.file(
    { publicClient, sender, l2 },
    {
      contract: 'court',
      functionName: 'contest',
      isStaked: true,
      args: [
        posted,
        { ...filed, signature: keccak256(filed.signature), shares: '0x' },
        keccak256(encodeAbiParameters([{ type: 'bytes32' }], [secret])),
      ],
    },
  )
  if (found === undefined) return
  const onPanel = { address: l2.panel, abi: Abi.panelAbi } as const
  await sender.send({ ...onPanel, functionName: 'seal', args: [1n] })
  await sender.send({ ...onPanel, functionName: 'draw', args: [1n, secret] })
  for (const role of JURORS) {
    const vote = encodeAbiParameters(
      [{ type: 'uint256' }, { type: 'address' }, { type: 'bytes32' }, { type: 'bytes32' }],
      [1n, house.wallet(role).account.address, found, found],
    )
    await house.senderOf(role).send({ ...onPanel, functionName: 'commitVote', args: [1n, keccak256(vote)] })
  }
  await pass(STEP_SECONDS + 1n)
  for (const role of JURORS) {
    await house.senderOf(role).send({ ...onPanel, functionName: 'revealVote', args: [1n, found, found] })
  }
  await pass(STEP_SECONDS + 1n)
  await sender.send({ ...onCourt(), functionName: 'decide', args: [1n] })
  await sender.send({
    ...onCourt(),
    functionName: 'strike',
    args: [1n, posted, CourtCall.nothing],
  } as never)
}
