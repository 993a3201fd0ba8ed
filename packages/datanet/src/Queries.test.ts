import { DevelopmentKeys } from '@openledger/protocol'
import { eq, schema } from '@openledger/store'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DatanetHouse, lower, startDatanetHouse } from '../test/datanetHouse.ts'

const ada = DevelopmentKeys.contributor(0)
const TOKEN = `function transfer(address to, uint256 value) public virtual returns (bool) {
    address owner = _msgSender();
    _transfer(owner, to, value);
    return true;
}`
const ROLE = `function grantRole(bytes32 role, address account) public virtual onlyRole(getRoleAdmin(role)) {
    _grantRole(role, account);
}`

let house: DatanetHouse
beforeAll(async () => {
  house = await startDatanetHouse()
})
afterAll(() => house.close())

test('what a record earned is its part of what the contribution was paid, as its receipts say', async () => {
  const contributed = await house.contribute(ada, 'transfer and roles', [TOKEN, ROLE])
  await house.settled(contributed.id)
  const { id: contributionId, records } = await house.datanets.contribution(contributed.id)
  const { orm } = house.database
  await orm.insert(schema.trainingRuns).values({
    id: 'run',
    modelName: 'm',
    owner: '0x',
    datanets: [],
    config: {},
    inputPriceWei: 1n,
    outputPriceWei: 1n,
    influenceBps: 5_000,
    status: 'published',
  })
  await orm.insert(schema.models).values({
    id: 1n,
    name: 'm',
    owner: '0x',
    trainingRunId: 'run',
    inputPriceWei: 1n,
    outputPriceWei: 1n,
    influenceBps: 5_000,
    spansBps: 5_000,
    transactionHash: '0x',
  })
  const reasons = [
    { kind: 'influence', recordId: records[0]!.id, milliZ: 5_000, sharePpm: 300_000 },
    { kind: 'span', recordId: records[1]!.id, start: 0, end: 9, occurrences: 1, sharePpm: 100_000 },
    { kind: 'span', recordId: records[0]!.id, start: 9, end: 12, occurrences: 1, sharePpm: 200_000 },
  ]
  await orm.insert(schema.receipts).values({
    sequence: 1,
    hash: '0x1',
    previousHash: '0x0',
    payer: '0x',
    modelId: 1n,
    promptHash: '0x',
    answerHash: '0x',
    inputTokens: 1,
    outputTokens: 1,
    feeWei: 1_200n,
    platformWei: 0n,
    ownerWei: 0n,
    stakersWei: 0n,

    contributorsWei: 1_000n,
    splitVersion: 1,
    stakeVersion: 0,
    sharesRoot: '0x',
    attributionHash: '0x',
    inferenceCommitment: '0x',
    timestamp: 1,
    signature: '0x',
    attribution: { shares: [{ contributionId, reasons }] },
  })
  await orm.insert(schema.payouts).values({
    receiptSequence: 1,
    position: 0,
    beneficiary: lower(ada.address),
    contributionId,
    sharePpm: 600_000,
    amountWei: 600n,
  })
  const detail = await house.datanets.contribution(contributionId)
  expect(detail.earnedWei).toBe('600')
  expect(detail.records.map(({ earnedWei }) => earnedWei)).toEqual(['500', '100'])
  expect((await house.datanets.datanet('1')).earnedWei).toBe('600')
  await orm.delete(schema.payouts)
  await orm.delete(schema.receipts).where(eq(schema.receipts.sequence, 1))
})
