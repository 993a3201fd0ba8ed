import { type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys, type Http } from '@openledger/protocol'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type ApiHouse, INPUT_PRICE_WEI, startApiHouse, URL_BASE } from '../../test/apiHouse.ts'

const model = 'solidity-1'
let house: ApiHouse
let openai: OpenAI

beforeAll(async () => {
  house = await startApiHouse({ isReal: true })
  const caller = DevelopmentKeys.account('caller').address.toLowerCase() as Hex
  await house.senderOf('caller').send({
    address: house.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [caller],
    valueWei: Open.parse('20'),
  })
  const key = await house.settlement.apiKeys.create({
    account: caller,
    name: 'test',
    limitWei: Open.parse('20'),
  })
  openai = new OpenAI({ baseURL: `${URL_BASE}/v1`, apiKey: key.secret, maxRetries: 0, fetch: house.fetch })
})
afterAll(() => house.close())

const messages = [{ role: 'user' as const, content: 'contract Token is ERC20 {' }]
const weather = {
  type: 'function' as const,
  function: {
    name: 'weather',
    description: 'Tells the weather.',
    strict: true,
    parameters: {
      type: 'object',
      properties: { city: { enum: ['Lima', 'Oslo'] }, days: { type: 'integer', minimum: 1, maximum: 9 } },
      required: ['city', 'days'],
      additionalProperties: false,
    },
  },
}
const weatherSchema = z.object({ city: z.enum(['Lima', 'Oslo']), days: z.int().min(1).max(9) })

describe('the official client gets from a real model', () => {
  test('an answer by the schema it names', async () => {
    const schema = z.strictObject({
      name: z.enum(['ERC20', 'ERC721']),
      supply: z.int().min(1).max(1_000),
      tags: z.array(z.enum(['a', 'b'])).max(3),
    })
    const completion = await openai.chat.completions.parse({
      model,
      messages,
      seed: 3,
      max_completion_tokens: 120,
      response_format: {
        type: 'json_schema',
        json_schema: {
          name: 'token',
          strict: true,
          schema: z.toJSONSchema(schema) as Record<string, unknown>,
        },
      },
    })
    const [choice] = completion.choices
    expect(choice!.finish_reason).toBe('stop')
    expect(schema.parse(choice!.message.parsed)).toBeDefined()
  })

  test('a call of the tool it names, whole and in pieces', async () => {
    const request = {
      model,
      messages,
      tools: [weather],
      seed: 5,
      max_tokens: 100,
      tool_choice: { type: 'function' as const, function: { name: 'weather' } },
    }
    const whole = await openai.chat.completions.create(request)
    const [call] = whole.choices[0]!.message.tool_calls!
    if (call?.type !== 'function') expect.fail('no call')
    expect(whole.choices[0]!.message.content).toBeNull()
    expect(weatherSchema.parse(JSON.parse(call.function.arguments))).toBeDefined()
    // the client's own accumulation of a stream gives the same call
    const streamed = await openai.chat.completions.stream(request).finalChatCompletion()
    const [same] = streamed.choices[0]!.message.tool_calls!
    if (same?.type !== 'function') expect.fail('no call')
    expect(same.function).toMatchObject({ name: 'weather', arguments: call.function.arguments })
    expect(streamed.choices[0]!.finish_reason).toBe('stop')
  })

  test('calls where it requires some, and an answer to what they gave', async () => {
    const required = await openai.chat.completions.create({
      model,
      messages,
      tools: [weather],
      tool_choice: 'required',
      max_tokens: 100,
      parallel_tool_calls: false,
      seed: 1,
    })
    const { finish_reason: reason, message } = required.choices[0]!
    expect(reason).toBe('tool_calls')
    expect(message.tool_calls).toHaveLength(1)
    const answer = await openai.chat.completions.create({
      model,
      tools: [weather],
      max_tokens: 5,
      seed: 1,
      messages: [
        ...messages,
        message,
        { role: 'tool', tool_call_id: message.tool_calls![0]!.id, content: '{"degrees": 20}' },
      ],
    })
    expect(answer.usage!.completion_tokens).toBeGreaterThan(0)
  })

  test('text where it is free to call and the model does not', async () => {
    const request = { model, messages, max_tokens: 12, temperature: 0, logprobs: true, top_logprobs: 3 }
    const plain = await openai.chat.completions.create({ ...request, tool_choice: 'none', tools: [weather] })
    const auto = await openai.chat.completions.create({ ...request, tools: [weather] })
    expect(plain.choices[0]!.message.content).not.toBe('')
    expect(auto.choices[0]!.message).toMatchObject({ content: expect.any(String) })
    for (const { logprob, top_logprobs: top, bytes } of plain.choices[0]!.logprobs!.content!) {
      expect(top).toHaveLength(3)
      // greedy: the chosen one is the likeliest
      expect(top[0]!.logprob).toBeCloseTo(logprob, 5)
      expect(bytes!.length).toBeGreaterThan(0)
    }
  })

  test('several answers that differ by their seed, each as it is alone', async () => {
    const request = { model, messages, max_tokens: 12, temperature: 1, seed: 11 }
    const both = await openai.chat.completions.create({ ...request, n: 2 })
    const second = await openai.chat.completions.create({ ...request, seed: 12 })
    const [a, b] = both.choices.map(({ message }) => message.content)
    expect(a).not.toBe(b)
    expect(b).toBe(second.choices[0]!.message.content)
  })

  test('no token that it forbids, and always the one that it wants', async () => {
    const request = { model, messages, max_tokens: 4, temperature: 0 }
    const wanted = 300
    const biased = await openai.chat.completions.create({ ...request, logit_bias: { [wanted]: 100 } })
    const { answerTokenIds } = (biased as unknown as { openledger: { answerTokenIds: number[] } }).openledger
    expect(answerTokenIds).toEqual([wanted, wanted, wanted, wanted])
  })

  test('vectors that are nearer for texts that are alike, charged by the token', async () => {
    const input = ['contract Token is ERC20', 'contract Coin is ERC20', 'the sky was blue that evening']
    const { data, usage, ...rest } = await openai.embeddings.create({ model, input })
    const [a, b, c] = data.map(({ embedding }) => embedding) as [number[], number[], number[]]
    const dot = (x: number[], y: number[]): number => x.reduce((sum, value, i) => sum + value * y[i]!, 0)
    expect(dot(a, a)).toBeCloseTo(1, 5)
    expect(dot(a, b)).toBeGreaterThan(dot(a, c))
    const { receipt } = (rest as unknown as { openledger: { receipt: Http.SignedReceipt } }).openledger
    expect(receipt).toMatchObject({ inputTokens: usage.prompt_tokens, outputTokens: 0 })
    expect(BigInt(receipt.feeWei)).toBe(BigInt(usage.prompt_tokens) * INPUT_PRICE_WEI)
    // one at a time it is the same vector
    const alone = await openai.embeddings.create({ model, input: input[1]!, encoding_format: 'float' })
    expect(dot(alone.data[0]!.embedding, b)).toBeCloseTo(1, 5)
  })
})
