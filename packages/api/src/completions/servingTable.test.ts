import { readFileSync } from 'node:fs'
import { type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys } from '@openledger/protocol'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiHouse, startApiHouse, URL_BASE } from '../../test/apiHouse.ts'

/** Rows of the tables of docs/serving.md below a heading. */
function rowsOf(heading: string): { field: string; example: unknown; verdict: string }[] {
  const page = readFileSync(new URL('../../../../docs/serving.md', import.meta.url), 'utf8')
  const section = page.split(`## ${heading}\n`)[1]!.split('\n## ')[0]!
  return [...section.matchAll(/^\| `([^`]+)` \| `([^`]+)` \| (\w+)/gm)].map(
    ([, field, example, verdict]) => ({
      field: field!,
      example: JSON.parse(example!) as unknown,
      verdict: verdict!,
    }),
  )
}

const model = 'solidity-1'
let house: ApiHouse
let openai: OpenAI
let ownerKey: string

beforeAll(async () => {
  house = await startApiHouse()
  const caller = DevelopmentKeys.account('caller').address.toLowerCase() as Hex
  await house.senderOf('caller').send({
    address: house.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [caller],
    valueWei: Open.parse('20'),
  })
  const keyOf = async (account: Hex): Promise<string> =>
    (await house.settlement.apiKeys.create({ account, name: 'test', limitWei: Open.parse('20') })).secret
  openai = new OpenAI({
    baseURL: `${URL_BASE}/v1`,
    apiKey: await keyOf(caller),
    maxRetries: 0,
    fetch: house.fetch,
  })
  const { owned_by: owner } = await openai.models.retrieve(model)
  ownerKey = await keyOf(owner.toLowerCase() as Hex)
})
afterAll(() => house.close())

/** The status a request gets, and the field its refusal names. */
async function outcomeOf(request: Promise<unknown>): Promise<{ status: number; param: string | undefined }> {
  return request.then(
    () => ({ status: 200, param: undefined }),
    (error: unknown) => {
      if (!(error instanceof OpenAI.APIError)) throw error
      return { status: error.status as number, param: error.param?.split('.')[0] }
    },
  )
}

const expected = (verdict: string, field: string) =>
  verdict === 'refused' ? { status: 400, param: field } : { status: 200, param: undefined }

describe('what docs/serving.md says of the fields', () => {
  const chats = rowsOf('Fields of a chat')
  const completions = rowsOf('Fields of a completion')
  const embeddings = rowsOf('Fields of an embedding')
  test('covers the interface', () => {
    expect(chats.length).toBeGreaterThan(40)
    expect(completions.length).toBeGreaterThan(8)
  })

  test.for(chats)('of a chat holds: $field $example is $verdict', async ({ field, example, verdict }) => {
    const request = { model, messages: [{ role: 'user', content: 'a' }], max_tokens: 4, [field]: example }
    const asked = openai.chat.completions.create(request as OpenAI.ChatCompletionCreateParamsNonStreaming)
    expect(await outcomeOf(asked)).toEqual(expected(verdict, field))
  })

  test.for(completions)(
    'of a completion holds: $field $example is $verdict',
    async ({ field, example, verdict }) => {
      const request = { model, prompt: 'a', max_tokens: 4, [field]: example }
      const asked = openai.completions.create(request as OpenAI.CompletionCreateParamsNonStreaming)
      expect(await outcomeOf(asked)).toEqual(expected(verdict, field))
    },
  )

  test.for(embeddings)(
    'of an embedding holds: $field $example is $verdict',
    async ({ field, example, verdict }) => {
      const asked = openai.embeddings.create({ model, input: 'a', [field]: example })
      expect(await outcomeOf(asked)).toEqual(expected(verdict, field))
    },
  )
})

describe("vLLM's routes", () => {
  const post = (path: string, body: unknown, key = ownerKey) =>
    house.post(`/v1/${path}`, body, { authorization: `Bearer ${key}` })

  test('load and unload the adapter of a published model for its owner alone', async () => {
    const name = { lora_name: model }
    const { owned_by: owner } = await openai.models.retrieve(model)
    // memory costs OPEN, and the owner has prepaid none
    expect((await post('load_lora_adapter', name)).status).toBe(402)
    await house.senderOf('caller').send({
      address: house.deployment.l2.settlement,
      abi: Abi.settlementAbi,
      functionName: 'deposit',
      args: [owner.toLowerCase() as Hex],
      valueWei: Open.parse('1'),
    })
    const loaded = await post('load_lora_adapter', name)
    expect(loaded.status).toBe(200)
    expect(JSON.stringify(loaded.body)).toContain('added successfully')
    expect((await post('unload_lora_adapter', name)).status).toBe(200)
    expect((await post('unload_lora_adapter', name)).status).toBe(404)
    expect((await post('load_lora_adapter', name, openai.apiKey!)).status).toBe(403)
    expect((await post('load_lora_adapter', name, 'ol-nobody')).status).toBe(401)
    expect((await post('load_lora_adapter', { lora_name: 'nobody' })).status).toBe(404)
  })

  test('read no path', async () => {
    const { status, body } = await post('load_lora_adapter', {
      lora_name: model,
      lora_path: '/etc/passwd',
    })
    expect({ status, body }).toMatchObject({
      status: 400,
      body: { error: { code: 'model.adapter_path', param: 'lora_path' } },
    })
  })

  test('name the metrics that docs/serving.md lists, with buckets that add up', async () => {
    const text = await (await house.fetch(`${URL_BASE}/metrics`)).text()
    const page = readFileSync(new URL('../../../../docs/serving.md', import.meta.url), 'utf8')
    for (const [, name] of page.matchAll(/`(vllm:\w+)`/g)) expect(text).toContain(`\n${name}`)
    expect(text).toContain('vllm:time_to_first_token_seconds_bucket{model_name="base",le="0.005"} 3')
    expect(text).toContain('vllm:time_to_first_token_seconds_bucket{model_name="base",le="+Inf"} 3')
  })
})
