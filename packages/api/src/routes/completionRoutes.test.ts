import { type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys, FeeSplit, Http } from '@openledger/protocol'
import { schema } from '@openledger/store'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  type ApiHouse,
  INPUT_PRICE_WEI,
  OUTPUT_PRICE_WEI,
  publishModel,
  startApiHouse,
  URL_BASE,
} from '../../test/apiHouse.ts'

let house: ApiHouse
let secret: string
let openai: OpenAI
const caller = DevelopmentKeys.account('caller').address.toLowerCase() as Hex
const model = 'solidity-1'
/** Of both models, as a quote tells them. */
const PRICES = { inputPriceWei: INPUT_PRICE_WEI.toString(), outputPriceWei: OUTPUT_PRICE_WEI.toString() }
const WORDS = ['contract ', 'Token ', 'is ', 'ERC20 ', '{}']

beforeAll(async () => {
  house = await startApiHouse()
  await house.senderOf('caller').send({
    address: house.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [caller],
    valueWei: Open.parse('20'),
  })
  const created = await house.settlement.apiKeys.create({
    account: caller,
    name: 'test',
    limitWei: Open.parse('20'),
  })
  secret = created.secret
  openai = new OpenAI({ baseURL: `${URL_BASE}/v1`, apiKey: secret, maxRetries: 0, fetch: house.fetch })
})
afterAll(() => house.close())
beforeEach(() => {
  Object.assign(house.script, { words: WORDS, failsAt: undefined, wordMs: 0 })
})

/** What a caller has spent and what is held: all that money can show of a request. */
const money = async () => {
  const [last] = await house.settlement.receipts.list({ limit: 1 })
  const { prepaidWei, heldWei } = await house.settlement.accounts.balance(caller)
  const spent = (await house.settlement.apiKeys.list(caller))[0]!.spentWei
  return { sequence: last?.sequence ?? 0, leftWei: prepaidWei - heldWei, spent }
}
const extensionOf = (answer: unknown) =>
  Http.answerExtensionSchema.parse((answer as { openledger: unknown }).openledger)

describe('the official OpenAI client', () => {
  test('lists and finds models', async () => {
    const { data } = await openai.models.list()
    expect(data.map(({ id }) => id)).toEqual([model])
    expect(await openai.models.retrieve(model)).toMatchObject({ object: 'model', id: model })
    await expect(openai.models.retrieve('nobody')).rejects.toBeInstanceOf(OpenAI.NotFoundError)
  })

  test('gets an answer that nobody can contribute as something new afterwards', async () => {
    const said =
      'Keel blocks are laid in a straight line before the first frame of a ship is raised upon them, and no sooner.'
    house.script.words = said.split(/(?<= )/)
    await openai.completions.create({ model, prompt: 'when is a keel laid', max_tokens: 40 })
    const response = await house.fetch(`${URL_BASE}/api/contributions/prepare`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ datanetId: '1', licence: 'MIT', records: [said] }),
    })
    const { warnings } = (await response.json()) as Http.PreparedContribution
    expect(warnings).toEqual([
      'Record 0 would be rejected. 100 % of its words repeat what models here had answered before it came, and no earlier record says them; contribute what is not from an answer.',
    ])
  })

  test('gets a completion, charged by the token, with its receipt', async () => {
    const before = await money()
    const completion = await openai.completions.create({ model, prompt: 'write a token', max_tokens: 16 })
    expect(completion).toMatchObject({
      object: 'text_completion',
      model,
      choices: [{ index: 0, text: WORDS.join(''), finish_reason: 'stop', logprobs: null }],
      usage: { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 },
    })
    const { answer, receipt } = extensionOf(completion)
    expect(answer).toBe(WORDS.join(''))
    const feeWei = FeeSplit.feeWei(3, 5, INPUT_PRICE_WEI, OUTPUT_PRICE_WEI)
    expect(receipt).toMatchObject({ feeWei: feeWei.toString(), payer: caller, modelName: model })
    const after = await money()
    expect(before.leftWei - after.leftWei).toBe(feeWei)
    expect(BigInt(after.spent) - BigInt(before.spent)).toBe(feeWei)
  })

  test('is told the most before, for nothing, and is charged no more', async () => {
    const quoteOf = async (path: string, request: object): Promise<Http.Quote> => {
      const response = await house.fetch(`${URL_BASE}/v1/${path}/quote`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model, ...request }),
      })
      return Http.quoteSchema.parse(await response.json())
    }
    const before = await money()
    const request = { prompt: 'write a token', max_tokens: 3, n: 2 }
    const quote = await quoteOf('completions', request)
    const mostWei =
      FeeSplit.feeWei(3, 3, INPUT_PRICE_WEI, OUTPUT_PRICE_WEI) +
      FeeSplit.feeWei(0, 3, INPUT_PRICE_WEI, OUTPUT_PRICE_WEI)
    expect(quote).toEqual({
      model,
      choices: 2,
      inputTokens: 3,
      outputTokensMax: 3,
      parts: [{ model, inputTokens: 3, outputTokensMax: 3, ...PRICES }],
      maxWei: mostWei.toString(),
    })
    expect(await money()).toEqual(before)
    await openai.completions.create({ model, ...request })
    // both answers were as long as they may be
    expect(before.leftWei - (await money()).leftWei).toBe(mostWei)
    const chat = await quoteOf('chat/completions', { messages: [{ role: 'user', content: 'write a token' }] })
    expect(BigInt(chat.maxWei)).toBe(
      FeeSplit.feeWei(chat.inputTokens, chat.outputTokensMax, INPUT_PRICE_WEI, OUTPUT_PRICE_WEI),
    )
  })

  test('gets the same chat whole and in pieces', async () => {
    const request = { model, messages: [{ role: 'user' as const, content: 'write a token' }], seed: 1 }
    const whole = await openai.chat.completions.create(request)
    expect(whole.choices[0]?.message).toMatchObject({ role: 'assistant', content: WORDS.join('') })
    const stream = await openai.chat.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks: OpenAI.ChatCompletionChunk[] = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(WORDS.join(''))
    expect(chunks[0]?.choices[0]?.delta.role).toBe('assistant')
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop')
    expect(extensionOf(chunks.at(-2)).receipt.outputTokens).toBe(5)
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 5 } })
  })

  test('is told why an answer ended, and gets no stop text', async () => {
    const cut = await openai.completions.create({ model, prompt: 'a', max_tokens: 2 })
    expect(cut.choices[0]).toMatchObject({ text: 'contract Token ', finish_reason: 'length' })
    const stopped = await openai.completions.create({ model, prompt: 'a', stop: 'ERC20' })
    expect(stopped.choices[0]).toMatchObject({ text: 'contract Token is ', finish_reason: 'stop' })
  })

  test('gets probabilities when it asks for them', async () => {
    const chat = await openai.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'a' }],
      logprobs: true,
      top_logprobs: 1,
    })
    expect(chat.choices[0]?.logprobs?.content?.[0]).toEqual({
      token: 'contract ',
      logprob: -0.5,
      bytes: [...Buffer.from('contract ')],
      top_logprobs: [{ token: 'contract ', logprob: -0.5, bytes: [...Buffer.from('contract ')] }],
    })
    const completion = await openai.completions.create({ model, prompt: 'a', logprobs: 1 })
    expect(completion.choices[0]?.logprobs).toMatchObject({
      tokens: WORDS,
      text_offset: [0, 9, 15, 18, 24],
    })
  })

  test('gets several answers: the prompt is charged once, and each has its receipt', async () => {
    const before = await money()
    const completion = await openai.completions.create({ model, prompt: 'write a token', n: 3 })
    expect(completion.choices.map(({ index, text }) => [index, text])).toEqual(
      [0, 1, 2].map((index) => [index, WORDS.join('')]),
    )
    expect(completion.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 15, total_tokens: 18 })
    const receipts = completion.choices.map((choice) => extensionOf(choice).receipt)
    expect(receipts.map(({ inputTokens }) => inputTokens)).toEqual([3, 0, 0])
    const after = await money()
    expect(before.leftWei - after.leftWei).toBe(FeeSplit.feeWei(3, 15, INPUT_PRICE_WEI, OUTPUT_PRICE_WEI))
    expect(after.sequence).toBe(before.sequence + 3)

    const stream = await openai.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'write a token' }],
      n: 2,
      stream: true,
      stream_options: { include_usage: true },
    })
    const texts = ['', '']
    let usage: OpenAI.CompletionUsage | null | undefined
    for await (const chunk of stream) {
      for (const { index, delta } of chunk.choices) texts[index] += delta.content ?? ''
      usage = chunk.usage
    }
    expect(texts).toEqual([WORDS.join(''), WORDS.join('')])
    expect(usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 10 })
  })

  test('gets one answer of several models, and each is paid for its weight’s part of the tokens', async () => {
    await publishModel(house, 'solidity-2')
    const files = { recordsCid: 'bafkreir', influenceCid: 'bafkreii', spansCid: 'bafkreis' }
    await house.database.orm.update(schema.trainingRuns).set(files)
    const before = await money()
    const adapters = [
      { name: model, weight: 1 },
      { name: 'solidity-2', weight: -0.3 },
    ]
    const request = { model, prompt: 'write a token', adapters } as OpenAI.CompletionCreateParamsNonStreaming
    const completion = await openai.completions.create(request)
    expect(completion.choices[0]?.text).toBe(WORDS.join(''))
    expect(completion.usage).toEqual({ prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 })
    const { receipt, mergedReceipts } = extensionOf(completion)
    const all = [receipt, ...mergedReceipts!]
    expect(
      all.map(({ modelName, inputTokens, outputTokens }) => [modelName, inputTokens, outputTokens]),
    ).toEqual([
      [model, 3, 5],
      ['solidity-2', 1, 2],
    ])
    for (const [index, { attribution, modelId, answerHash }] of all.entries()) {
      expect(answerHash).toBe(receipt.answerHash)
      expect(attribution.merge).toEqual({
        models: [
          { modelId: all[0]!.modelId, weightPpm: 1_000_000 },
          { modelId: all[1]!.modelId, weightPpm: -300_000 },
        ],
        index,
        inputTokens: 3,
        outputTokens: 5,
      })
      expect(attribution.merge!.models[index]!.modelId).toBe(modelId)
    }
    const feeWei = FeeSplit.feeWei(4, 7, INPUT_PRICE_WEI, OUTPUT_PRICE_WEI)
    const quoted = await house.post('/v1/completions/quote', { ...request, max_tokens: 5 })
    expect(quoted.body).toEqual({
      model,
      choices: 1,
      inputTokens: 3,
      outputTokensMax: 5,
      parts: [
        { model, inputTokens: 3, outputTokensMax: 5, ...PRICES },
        { model: 'solidity-2', inputTokens: 1, outputTokensMax: 2, ...PRICES },
      ],
      maxWei: feeWei.toString(),
    })
    const after = await money()
    expect(before.leftWei - after.leftWei).toBe(feeWei)
    expect(BigInt(after.spent) - BigInt(before.spent)).toBe(feeWei)

    const stream = await openai.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks: OpenAI.Completion[] = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(extensionOf(chunks.at(-2)).mergedReceipts).toHaveLength(1)
    expect(chunks.at(-1)).toMatchObject({ usage: { prompt_tokens: 3, completion_tokens: 5 } })

    // nobody is paid where one of them breaks off the answer, or where one is not published
    house.script.failsAt = 3
    const paid = await money()
    await expect(openai.completions.create(request)).rejects.toMatchObject({ status: 500 })
    const unknown = { ...request, adapters: [...adapters, { name: 'nobody', weight: 1 }] }
    await expect(openai.completions.create(unknown)).rejects.toMatchObject({ status: 404 })
    expect(await money()).toEqual(paid)
  })

  test('gets none of several answers, and pays for none, when one breaks', async () => {
    house.script.failsAt = 3
    const before = await money()
    await expect(openai.completions.create({ model, prompt: 'a', n: 2 })).rejects.toMatchObject({
      status: 500,
    })
    expect(await money()).toEqual(before)
  })

  test.for([
    ['too many answers', { n: 17 }, 'n'],
    ['a temperature above 2', { temperature: 3 }, 'temperature'],
    ['five stop texts', { stop: ['1', '2', '3', '4', '5'] }, 'stop'],
    ['no prompt', { prompt: undefined }, 'prompt'],
    ['echo', { echo: true }, 'echo'],
    ['a score for what is no token', { logit_bias: { word: 1 } }, 'logit_bias.word'],
  ] as const)('is refused %s, and nothing is charged', async ([, fields, param]) => {
    const before = await money()
    const request = { model, prompt: 'a', ...fields } as OpenAI.CompletionCreateParamsNonStreaming
    await expect(openai.completions.create(request)).rejects.toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      code: 'request.invalid',
      param,
    })
    expect(await money()).toEqual(before)
  })

  test('is refused an unknown model, an unknown key, and what it cannot pay', async () => {
    const before = await money()
    await expect(openai.completions.create({ model: 'nobody', prompt: 'a' })).rejects.toMatchObject({
      status: 404,
      code: 'model.not_found',
      param: 'model',
    })
    const stranger = openai.withOptions({ apiKey: 'ol-nobody' })
    await expect(stranger.completions.create({ model, prompt: 'a' })).rejects.toBeInstanceOf(
      OpenAI.AuthenticationError,
    )
    const { secret: small } = await house.settlement.apiKeys.create({
      account: caller,
      name: 'small',
      limitWei: 1n,
    })
    await expect(
      openai.withOptions({ apiKey: small }).completions.create({ model, prompt: 'a' }),
    ).rejects.toMatchObject({ status: 402, code: 'api_key.limit', type: 'insufficient_quota' })
    const { secret: poor } = await house.settlement.apiKeys.create({
      account: `0x${'42'.repeat(20)}`,
      name: 'poor',
      limitWei: Open.parse('1'),
    })
    await expect(
      openai.withOptions({ apiKey: poor }).completions.create({ model, prompt: 'a' }),
    ).rejects.toMatchObject({ status: 402, code: 'account.insufficient_balance' })
    expect((await money()).leftWei).toBe(before.leftWei)
  })
})

describe('a stream', () => {
  const stream = (signal?: AbortSignal) =>
    house.fetch(`${URL_BASE}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}` },
      body: JSON.stringify({ model, prompt: 'write a token', stream: true, max_tokens: 16 }),
      ...(signal === undefined ? {} : { signal }),
    })

  test('ends with the receipt and [DONE], and gives the last word out only once the receipt is stored', async () => {
    const before = await money()
    const response = await stream()
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    let text = ''
    for await (const bytes of response.body!) {
      text += Buffer.from(bytes).toString()
      if (text.includes('"text":"{}"')) expect((await money()).sequence).toBe(before.sequence + 1)
    }
    const events = text.trim().split('\n\n')
    expect(events.at(-1)).toBe('data: [DONE]')
    const last = JSON.parse(events.at(-2)!.slice(6))
    expect(extensionOf(last).receipt.sequence).toBe(before.sequence + 1)
  })

  test('that its reader leaves is charged for what was made until then', async () => {
    house.script.wordMs = 30
    const before = await money()
    const reader = (await stream()).body!.getReader()
    for (let i = 0; i < 2; i++) await reader.read()
    await reader.cancel()
    const after = await money()
    expect(after.sequence).toBe(before.sequence + 1)
    const receipt = (await house.settlement.receipts.get(after.sequence))!
    expect(receipt.outputTokens).toBeGreaterThanOrEqual(2)
    expect(receipt.outputTokens).toBeLessThan(5)
    expect(before.leftWei - after.leftWei).toBe(BigInt(receipt.feeWei))
  })

  test('that breaks says so and charges what had been delivered', async () => {
    house.script.failsAt = 3
    const before = await money()
    const text = await (await stream()).text()
    expect(text).toContain('"text":"Token "')
    expect(text).not.toContain('"text":"is "')
    const events = text.trim().split('\n\n')
    expect(JSON.parse(events.at(-2)!.slice(6)).error.type).toBe('server_error')
    expect(text).not.toContain('the engine broke')
    expect(JSON.stringify(house.logged)).toContain('the engine broke')
    const after = await money()
    const receipt = (await house.settlement.receipts.get(before.sequence + 1))!
    expect(receipt.outputTokens).toBe(2)
    expect(before.leftWei - after.leftWei).toBe(BigInt(receipt.feeWei))
  })

  test('that breaks before its first word is a plain error and costs nothing', async () => {
    house.script.failsAt = 0
    const before = await money()
    const response = await stream()
    expect(response.status).toBe(500)
    expect(await response.json()).toMatchObject({ error: { type: 'server_error' } })
    expect(await money()).toEqual(before)
  })
})

describe('a whole answer', () => {
  // also where the caller left while the price was still being found
  test.for([50, 0])('that nobody waits for after %i ms costs nothing', async (ms) => {
    house.script.wordMs = 1_000
    const before = await money()
    const left = new AbortController()
    if (ms === 0) left.abort()
    const asking = house.fetch(`${URL_BASE}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}` },
      body: JSON.stringify({ model, prompt: 'write a token' }),
      signal: left.signal,
    })
    setTimeout(() => left.abort(), ms)
    await asking
    expect(await money()).toEqual(before)
  })

  test('pays no contribution of whoever asks', async () => {
    const contributor = DevelopmentKeys.contributor(0).address.toLowerCase() as Hex
    await house.senderOf('caller').send({
      address: house.deployment.l2.settlement,
      abi: Abi.settlementAbi,
      functionName: 'deposit',
      args: [contributor],
      valueWei: Open.ONE,
    })
    const { secret: own } = await house.settlement.apiKeys.create({
      account: contributor,
      name: 'own',
      limitWei: Open.ONE,
    })
    const asked = await openai.withOptions({ apiKey: own }).completions.create({ model, prompt: 'a' })
    const { receipt } = extensionOf(asked)
    expect(receipt.attribution.shares.map((share) => share.contributionId)).toEqual([
      house.contributionIds[1],
    ])
  })
})

describe('a server that is told to stop', () => {
  const request = (fields: object = {}) =>
    house.fetch(`${URL_BASE}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}` },
      body: JSON.stringify({ model, prompt: 'write a token', max_tokens: 16, ...fields }),
    })

  test('finishes what it has, cuts and charges what takes too long, and takes nothing new', async () => {
    house.script.wordMs = 100
    const before = await money()
    const whole = request()
    // it has begun once its first words are held back for the receipt
    await new Promise((resolve) => setTimeout(resolve, 200))
    house.script.words = Array.from({ length: 16 }, (_, i) => `word${i} `)
    house.script.wordMs = 150
    const long = await request({ stream: true })
    const text = long.text()
    // nobody reads this one
    const stalled = await request({ stream: true })
    const drained = house.api.drain(600)
    const refused = await request()
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('5')
    expect((await house.fetch(`${URL_BASE}/health`)).status).toBe(503)
    await drained
    expect((await whole).status).toBe(200)
    // cut in the middle, with the receipt for what came
    const events = (await text).trim().split('\n\n')
    const { receipt } = extensionOf(JSON.parse(events.at(-2)!.slice(6)))
    expect(receipt.outputTokens).toBeGreaterThan(0)
    expect(receipt.outputTokens).toBeLessThan(16)
    await house.settlement.settler.settle()
    const after = await money()
    expect(after.sequence).toBe(before.sequence + 3)
    expect((await house.settlement.receipts.get(after.sequence))!.outputTokens).toBeLessThan(16)
    await expect(stalled.text()).rejects.toThrow()
    expect(house.settlement.settler.status().lastSequence).toBe(after.sequence)
  })
})
