import type { Hex } from '@openledger/primitives'
import { createDatabase, type Database, schema } from '@openledger/store'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createPaidRaters } from './PaidRaters.ts'

const account = (digit: string): Hex => `0x${digit.repeat(40)}`
const [ann, bob, cyd, seller, other] = ['1', '2', '3', '4', '5'].map(account) as [Hex, Hex, Hex, Hex, Hex]
const settlement: Hex = `0x${'ab'.repeat(32)}`
let database: Database

beforeAll(async () => {
  database = await createDatabase({ memory: true })
  const { orm } = database
  for (const [i, owner] of [seller, other].entries()) {
    const terms = { owner, inputPriceWei: 1n, outputPriceWei: 1n, influenceBps: 5_000 }
    const id = `run-${i}`
    const name = `model-${i}`
    await orm
      .insert(schema.trainingRuns)
      .values({ id, modelName: name, datanets: [], config: {}, status: 'published', ...terms })
    await orm.insert(schema.models).values({
      id: BigInt(i + 1),
      name,
      trainingRunId: id,
      spansBps: 5_000,
      transactionHash: '0x',
      ...terms,
    })
  }
  await batch(1, 'settled')
  await batch(2, 'prepared')
})
afterAll(() => database.close())

const batch = (number: number, status: 'prepared' | 'settled') =>
  database.orm.insert(schema.batches).values({
    number,
    firstSequence: 1,
    lastSequence: 9,
    ledgerRoot: '0x',
    ledgerSumWei: 0n,
    accountCount: 0,
    receiptsRoot: '0x',
    bodyHash: '0x',
    previousBatch: 0,
    operator: '0x',
    isCredited: false,
    callData: '0x',
    status,
    transactionHash: status === 'settled' ? settlement : null,
  })

const pay = (sequence: number, payer: Hex, modelId: bigint, inBatch: number | null) =>
  database.orm.insert(schema.receipts).values({
    sequence,
    hash: `0x${sequence}`,
    previousHash: '0x',
    payer,
    modelId,
    promptHash: '0x',
    answerHash: '0x',
    inputTokens: 1,
    outputTokens: 1,
    feeWei: 1n,
    platformWei: 0n,
    ownerWei: 0n,
    stakersWei: 0n,
    contributorsWei: 1n,
    splitVersion: 1,
    stakeVersion: 0,
    sharesRoot: '0x',
    attributionHash: '0x',
    inferenceCommitment: '0x',
    timestamp: 1,
    signature: '0x',
    attribution: {},
    batch: inBatch,
  })

test('has paid who has a settled receipt for an answer that the rated one sells, and nobody else', async () => {
  await pay(1, ann, 1n, 1)
  await pay(2, ann, 1n, 1)
  // somebody else's model, a batch that is not on chain, and none at all
  await pay(3, bob, 2n, 1)
  await pay(4, cyd, 1n, 2)
  await pay(5, cyd, 1n, null)
  const paidRaters = createPaidRaters(database)
  expect(await paidRaters.proofsOf([ann, bob, cyd], [seller])).toEqual(
    new Map([[ann, { receiptSequence: 2, settlementTransaction: settlement }]]),
  )
  expect([...(await paidRaters.proofsOf([ann, bob], [seller, other])).keys()]).toEqual([ann, bob])
  expect(await paidRaters.proofsOf([], [seller])).toEqual(new Map())
  expect(await paidRaters.proofsOf([ann], [bob])).toEqual(new Map())
})
