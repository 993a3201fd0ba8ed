import { Bytes, type Hex, MerkleSum, Open } from '@openledger/primitives'
import { Abi, createSender, DevelopmentKeys, FeeSplit, Receipt, TypedData } from '@openledger/protocol'
import { keccak256 } from 'viem'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type House, SPLIT, startHouse } from '../test/house.ts'
import { auditBatches, type BatchAudit } from './auditBatches.ts'
import * as Batch from './Batch.ts'
import * as CourtCall from './CourtCall.ts'
import * as Credits from './Credits.ts'
import { bookOf, emptyBook } from './Ledger.ts'
import { rebuildLedger } from './rebuildLedger.ts'
import { creditLinesOf, type Shown } from './Shown.ts'

const caller = DevelopmentKeys.account('caller').address.toLowerCase() as Hex
const people = [1, 2, 3].map((n) => `0x${`${n}${n}`.repeat(20)}` as Hex)
const FEE_WEI = 10_000n

let house: House
let fresh: Hex
let book: Credits.Lines
let shown: Shown[]

beforeAll(async () => {
  house = await startHouse(1, 3_600n)
  await house.senderOf('caller').send({
    address: house.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [caller],
    valueWei: Open.parse('1'),
  })
})
afterAll(() => house.close())
beforeEach(async () => {
  if (fresh !== undefined) await chain('evm_revert', [fresh])
  fresh = await chain('evm_snapshot', [])
  book = emptyBook()
  shown = []
})

const chain = (method: string, params: readonly unknown[]): Promise<Hex> =>
  house.publicClient.request({ method, params } as never)

/** Of the chain as it stands: a sender of before would go on with nonces that are no more. */
const senderOf = (role: 'operator' | 'voter') =>
  createSender({ walletClient: house.wallet(role), publicClient: house.publicClient })

/** Two answers, each paying two people, signed and packed as the settler does. */
async function makeBatch(): Promise<Batch.Posted> {
  const { l2, l2ChainId } = house.deployment
  const domain = TypedData.contractDomain('OpenLedger Settlement', l2ChainId, l2.settlement)
  const { timestamp } = await house.publicClient.getBlock({ blockTag: 'latest' })
  const parts = FeeSplit.split(FEE_WEI, SPLIT)
  const settled: Batch.SettledReceipt[] = []
  const credits: Batch.PaymentLine[] = []
  for (let i = 0; i < 2; i++) {
    const sequence = BigInt(shown.length + 1)
    const shares = [
      { account: people[i]!, amountWei: 3_000n },
      { account: people[i + 1]!, amountWei: 4_000n },
    ]
    const last = shown.at(-1)?.receipt
    const receipt: Receipt.Receipt = {
      sequence,
      previousHash: last === undefined ? Receipt.ZERO_HASH : Receipt.hash(last),
      payer: caller,
      modelId: house.modelId,
      promptHash: keccak256('0x01'),
      answerHash: keccak256('0x02'),
      inputTokens: 1,
      outputTokens: 1,
      feeWei: FEE_WEI,
      splitVersion: 1,
      stakeVersion: 0,
      sharesRoot: Receipt.sharesRoot(shares),
      attributionHash: keccak256('0x03'),
      inferenceCommitment: keccak256('0x04'),
      timestamp,
    }
    const signature = await house.operator.sign!({ hash: Receipt.digest(receipt, domain) })
    shown.push({ receipt, signature, shares })
    settled.push({ receipt, signature, ...parts, stakersWei: 0n })
    credits.push(...shares.map((share) => ({ ...share, sequence })))
  }
  return Batch.make(settled, credits, book).posted
}

const settle = (posted: Batch.Posted) =>
  senderOf('operator').send({
    address: house.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'settle',
    args: Batch.settleArguments(posted),
  })

const place = () => ({
  publicClient: house.publicClient,
  settlement: house.deployment.l2.settlement,
  fromBlock: 0n,
})

async function audit(show: (sequence: bigint) => Shown | undefined = (n) => shown[Number(n) - 1]) {
  const audits: BatchAudit[] = []
  const { l2, l2ChainId } = house.deployment
  for await (const one of auditBatches({
    ...place(),
    chainId: l2ChainId,
    feePolicy: l2.feePolicy,
    staking: l2.staking,
    show: async (sequence) => show(sequence),
  })) {
    audits.push(one)
  }
  return audits
}

/** Files a finding as a stranger, and says what the court made of it. */
async function convict(finding: CourtCall.Finding | undefined, batch: bigint) {
  await CourtCall.file(
    { publicClient: house.publicClient, sender: senderOf('voter'), l2: house.deployment.l2 },
    finding!.call,
  )
  const [isConvicted, isFree] = await house.publicClient.readContract({
    address: house.deployment.l2.court,
    abi: Abi.courtAbi,
    functionName: 'verdictOn',
    args: [batch],
  })
  return { isConvicted, isFree }
}

test('batches that follow are found to follow', async () => {
  await settle(await makeBatch())
  await settle(await makeBatch())
  expect((await audit()).map(({ batch, isOpen, finding }) => ({ batch, isOpen, finding }))).toEqual([
    { batch: 1, isOpen: true, finding: undefined },
    { batch: 2, isOpen: true, finding: undefined },
  ])
})

test('a root that does not follow is proven, and the ledger stands as before it', async () => {
  await settle(await makeBatch())
  const second = await makeBatch()
  const [segment] = second.segments
  await settle({ ...second, segments: [{ ...segment!, ledgerRoot: keccak256('0xbad0') }] })
  const [, { finding } = {}] = await audit()
  expect(finding?.fault).toBe('Root')
  expect(await convict(finding, 2n)).toEqual({ isConvicted: true, isFree: false })
  const rebuilt = await rebuildLedger(place())
  expect(rebuilt.ledgerSumWei).toBe(14_000n)
  expect(rebuilt.totals.uncreditedWei).toBe(14_000n)
  expect(rebuilt.claimable?.number).toBe(1)
})

test('credits that do not sum to what is owed are proven, and the ledger stands as before them', async () => {
  const posted = await makeBatch()
  const lines = emptyBook()
  const placed = [{ account: people[0]!, amountWei: 14_001n, index: 0, isNew: true }]
  Credits.apply(lines, placed)
  await settle({
    ...posted,
    header: { ...posted.header, accountCount: 1 },
    segments: [{ credits: Credits.pack(placed), ledgerRoot: Bytes.toHex(lines.tree.root().hash) }],
  })
  await expect(rebuildLedger(place())).rejects.toMatchObject({ code: 'ledger.audit' })
  const [{ finding } = {}] = await audit()
  expect(finding?.fault).toBe('Root')
  expect(await convict(finding, 1n)).toEqual({ isConvicted: true, isFree: false })
  expect((await rebuildLedger(place())).totals.uncreditedWei).toBe(14_000n)
})

test('what is no credit is proven', async () => {
  const posted = await makeBatch()
  const [segment] = posted.segments
  // a credit for a line that the ledger does not have
  await settle({ ...posted, segments: [{ ...segment!, credits: `${segment!.credits}d101` }] })
  const [{ finding } = {}] = await audit()
  expect(finding?.fault).toBe('Root')
  expect(await convict(finding, 1n)).toEqual({ isConvicted: true, isFree: false })
})

test('an account that is given a second line is proven', async () => {
  await settle(await makeBatch())
  const lines = bookOf(book.lines)
  const second = await makeBatch()
  const doubled = [{ account: people[0]!, amountWei: 14_000n, index: lines.lines.length, isNew: true }]
  Credits.apply(lines, doubled)
  await settle({
    ...second,
    header: { ...second.header, accountCount: lines.lines.length },
    segments: [{ credits: Credits.pack(doubled), ledgerRoot: Bytes.toHex(lines.tree.root().hash) }],
  })
  const [, { finding } = {}] = await audit()
  expect(finding?.fault).toBe('Doubled')
  expect(await convict(finding, 2n)).toEqual({ isConvicted: true, isFree: false })
})

test('a receipt that the operator did not sign makes the batch free', async () => {
  const posted = await makeBatch()
  const [first, second] = shown as [Shown, Shown]
  shown[1] = { ...second, signature: first.signature }
  const leaves = shown.map(({ receipt, signature }) => ({ receipt, signature }))
  const parts = FeeSplit.split(FEE_WEI, SPLIT)
  const forged = Batch.make(
    leaves.map((leaf) => ({ ...leaf, ...parts, stakersWei: 0n })),
    [],
    emptyBook(),
  ).posted
  await settle({ ...posted, header: { ...posted.header, receiptsRoot: forged.header.receiptsRoot } })
  const [{ finding } = {}] = await audit()
  expect(finding?.fault).toBe('Unsigned')
  expect(await convict(finding, 1n)).toEqual({ isConvicted: true, isFree: true })
})

test('an account that was credited beside its shares is proven', async () => {
  const posted = await makeBatch()
  const wrong = Batch.make(
    shown.map((one) => ({ ...one, ...FeeSplit.split(FEE_WEI, SPLIT), stakersWei: 0n })),
    [
      { account: people[0]!, sequence: 1n, amountWei: 13_999n },
      { account: people[1]!, sequence: 1n, amountWei: 1n },
    ],
    emptyBook(),
  ).posted
  const { accountCount } = wrong.header
  await settle({ ...posted, header: { ...posted.header, accountCount }, segments: wrong.segments })
  const [{ finding } = {}] = await audit()
  expect(finding?.fault).toBe('Total')
  expect(await convict(finding, 1n)).toEqual({ isConvicted: true, isFree: false })
})

test('a payer who was charged for others is found by the debits', async () => {
  const posted = await makeBatch()
  const other = house.wallet('backer').account.address.toLowerCase() as Hex
  await house.senderOf('backer').send({
    address: house.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [other],
    valueWei: 20_000n,
  })
  await settle({ ...posted, debits: `0x${other.slice(2)}024e20` })
  const [{ finding } = {}] = await audit()
  expect(finding?.fault).toBe('Total')
  expect(await convict(finding, 1n)).toEqual({ isConvicted: true, isFree: true })
})

/** Settles a batch with other lines behind its credits, and has the operator show those on demand, one by one. */
async function settleWithLines(lines: (honest: Batch.PaymentLine[]) => Batch.PaymentLine[]) {
  const posted = await makeBatch()
  const told = lines(shown.flatMap(creditLinesOf))
  const leaves = MerkleSum.build(told.map(Batch.lineLeaf))
  await settle({ ...posted, header: { ...posted.header, creditLinesRoot: Bytes.toHex(leaves.root.hash) } })
  const line = (index: number) => ({
    account: told[index]!.account,
    sequence: told[index]!.sequence,
    amount: told[index]!.amountWei,
    path: { index: BigInt(index), siblings: CourtCall.packPath(leaves, index) },
  })
  for (let demanded = 0; ; demanded++) {
    const [{ finding } = {}] = await audit()
    if (finding?.fault !== 'Withheld') return finding
    await convict(finding, 1n)
    const [batch, , index] = finding.call.args as [unknown, number, bigint]
    expect(index).toBe(BigInt(demanded))
    await senderOf('operator').send({
      address: house.deployment.l2.court,
      abi: Abi.courtAbi,
      functionName: 'produceLine',
      args: [batch, true, index, line(Number(index))],
    } as never)
  }
}

test('a line that is not what its receipt says is demanded, then proven', async () => {
  const finding = await settleWithLines(([first, second, ...others]) => [
    first!,
    { ...second!, amountWei: second!.amountWei - 1n },
    ...others.map((line, i) => (i === 0 ? { ...line, amountWei: line.amountWei + 1n } : line)),
  ])
  expect(finding).toMatchObject({ fault: 'Line', says: expect.stringContaining('line 1 gives') })
  expect(await convict(finding, 1n)).toEqual({ isConvicted: true, isFree: false })
})

test('lines that do not ascend are proven', async () => {
  const finding = await settleWithLines(([first, second, ...others]) => [second!, first!, ...others])
  expect(finding?.fault).toBe('Lines')
  expect(await convict(finding, 1n)).toEqual({ isConvicted: true, isFree: false })
})

test('lines that do not sum to the credits are proven by any one of them', async () => {
  const finding = await settleWithLines((lines) => lines.slice(0, -1))
  expect(finding?.fault).toBe('Lines')
  expect(await convict(finding, 1n)).toEqual({ isConvicted: true, isFree: false })
})

test('a receipt that is not shown is demanded', async () => {
  await settle(await makeBatch())
  const [{ finding } = {}] = await audit((sequence) => (sequence === 2n ? undefined : shown[0]))
  expect(finding).toMatchObject({ fault: 'Withheld', says: 'receipt 2 is not shown' })
  expect(await convict(finding, 1n)).toEqual({ isConvicted: false, isFree: false })
  const [challenger] = await house.publicClient.readContract({
    address: house.deployment.l2.court,
    abi: Abi.courtAbi,
    functionName: 'demandOf',
    args: [1n, 0, 1n],
  })
  expect(challenger).toBe(house.wallet('voter').account.address)
})
