import { type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys, FeeSplit, Http } from '@openledger/protocol'
import { eq, schema } from '@openledger/store'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiHouse, INPUT_PRICE_WEI, OUTPUT_PRICE_WEI, startApiHouse } from '../../test/apiHouse.ts'
import { findPassages } from './Passages.ts'

const { records } = schema
const model = 'solidity-1'
let house: ApiHouse
let secret: string
let all: (typeof records.$inferSelect)[]

beforeAll(async () => {
  house = await startApiHouse({ isReal: true })
  const account = DevelopmentKeys.account('caller').address.toLowerCase() as Hex
  await house.senderOf('caller').send({
    address: house.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [account],
    valueWei: Open.parse('20'),
  })
  const key = { account, name: 'test', limitWei: Open.parse('20') }
  secret = (await house.settlement.apiKeys.create(key)).secret
  await house.database.orm.update(records).set({ verdict: 'accepted' })
  all = await house.database.orm.select().from(records).orderBy(records.contributionId, records.index)
})
afterAll(() => house.close())

const ask = (path: string, body: object) =>
  house.post(path, { model, max_tokens: 4, temperature: 0, ...body }, { authorization: `Bearer ${secret}` })

test('a text and a conversation are read with the records they name in front, charged by the token', async () => {
  const passages = [all[2]!, all[0]!]
  const block = passages.map(({ text }) => `${text}\n\n`).join('')
  for (const [path, prompt] of [
    ['/v1/completions', { prompt: 'contract Vault' }],
    ['/v1/chat/completions', { messages: [{ role: 'user', content: 'contract Vault' }] }],
  ] as const) {
    const bare = await ask(path, prompt)
    const given = await ask(path, { ...prompt, passages: passages.map(({ id }) => id) })
    const extension = Http.answerExtensionSchema.parse(given.body['openledger'])
    expect(extension.promptText).toContain(`${block}contract Vault`)
    expect(extension.passages).toEqual(
      passages.map(({ id, text, contributionId }) => ({ recordId: id, clusterId: id, contributionId, text })),
    )
    const tokens = (answer: typeof bare) =>
      (answer.body['usage'] as unknown as { prompt_tokens: number }).prompt_tokens
    expect(tokens(given)).toBeGreaterThan(tokens(bare) + 8)
    expect(tokens(given)).toBe(extension.promptTokenIds!.length)
    const { feeWei } = Http.answerExtensionSchema.parse(bare.body['openledger']).receipt
    expect(BigInt(extension.receipt.feeWei)).toBeGreaterThan(BigInt(feeWei))
  }
})

test('a record that nobody accepted, and passages before tokens, are refused before anybody pays', async () => {
  await house.database.orm.update(records).set({ verdict: 'rejected' }).where(eq(records.id, all[5]!.id))
  const refused = async (body: object) => {
    const answer = await ask('/v1/completions', { prompt: 'x', ...body })
    const { code, param } = (answer.body as unknown as { error: { code: string; param: string } }).error
    return [answer.status, code, param]
  }
  expect(await refused({ passages: [all[5]!.id] })).toEqual([404, 'passage.not_found', 'passages'])
  expect(await refused({ passages: [`0x${'12'.repeat(32)}`] })).toEqual([
    404,
    'passage.not_found',
    'passages',
  ])
  expect(await refused({ passages: ['12'] })).toEqual([400, 'request.invalid', 'passages.0'])
  expect(await refused({ passages: Array(33).fill(all[0]!.id) })).toEqual([
    400,
    'request.invalid',
    'passages',
  ])
  expect(await refused({ prompt: [5, 6], passages: [all[0]!.id] })).toEqual([
    400,
    'openlora.passages',
    'passages',
  ])
})

test('of records that repeat each other, the contribution that was first is the one to be paid', async () => {
  const [first, second] = [all[0]!, all[4]!]
  await house.database.orm.update(records).set({ duplicateOf: first.id }).where(eq(records.id, second.id))
  expect(await findPassages(house.database, [second.id as Hex])).toEqual([
    {
      recordId: second.id,
      clusterId: first.id,
      contributionId: first.contributionId,
      text: second.text,
    },
  ])
})

test('a text that was made elsewhere is attributed and charged as an answer, and not remembered as one', async () => {
  const text = ' is ERC4626 {\n    using Math for uint256;\n    IERC20 private immutable _asset;\n}'
  const prompt = 'contract Vault'
  const given = await ask('/v1/attributions', { prompt, text, passages: [all[0]!.id] })
  expect(given.status).toBe(200)
  const { openledger, usage } = given.body as never as {
    openledger: object
    usage: { prompt_tokens: number; completion_tokens: number }
  }
  const { receipt, answer, answerTokenIds, promptText } = Http.answerExtensionSchema.parse(openledger)
  expect(answer).toBe(text)
  expect(promptText).toBe(`${all[0]!.text}\n\n${prompt}`)
  expect(usage.completion_tokens).toBe(answerTokenIds!.length)
  expect(receipt).toMatchObject({
    inputTokens: usage.prompt_tokens,
    outputTokens: usage.completion_tokens,
    feeWei: FeeSplit.feeWei(
      usage.prompt_tokens,
      usage.completion_tokens,
      INPUT_PRICE_WEI,
      OUTPUT_PRICE_WEI,
    ).toString(),
    attribution: { textFrom: 'caller' },
  })
  // whoever pays for a text could otherwise keep others from contributing it
  const response = await house.post('/api/contributions/prepare', {
    datanetId: '1',
    licence: 'MIT',
    records: [`${prompt}${text} // a vault of one's own that holds one asset and nothing else at all`],
  })
  expect(JSON.stringify(response.body['warnings'])).not.toContain('answered before')

  const tooLong = await ask('/v1/attributions', { prompt, text: 'a b c d e f '.repeat(200) })
  expect([tooLong.status, (tooLong.body as never as { error: { code: string } }).error.code]).toEqual([
    413,
    'request.text_size',
  ])
  expect((await house.post('/v1/attributions', { model, prompt, text })).status).toBe(402)
})
