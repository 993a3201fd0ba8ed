import { Http } from '@openledger/protocol'
import OpenAI from 'openai'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { access, caller, visit } from './People.ts'

describe('the official OpenAI client', () => {
  let openai: OpenAI
  let model: string

  beforeAll(async () => {
    const house = await visit(inject('houseUrl'))
    openai = new OpenAI({ baseURL: `${house.url}/v1`, apiKey: await access(house, caller), maxRetries: 0 })
    model = (await house.client.models())[0]!.name
  })

  test('lists the models', async () => {
    const { data } = await openai.models.list()
    expect(data.map(({ id }) => id)).toContain(model)
  })

  test('gets a completion with usage, and the receipt beside it', async () => {
    const completion = await openai.completions.create({
      model,
      prompt: 'contract Token is',
      max_tokens: 12,
      temperature: 0,
    })
    expect(completion.object).toBe('text_completion')
    expect(completion.choices[0]!.text.length).toBeGreaterThan(0)
    const { prompt_tokens, completion_tokens, total_tokens } = completion.usage!
    expect(total_tokens).toBe(prompt_tokens + completion_tokens)
    const { receipt } = Http.answerExtensionSchema.parse(
      (completion as unknown as { openledger: unknown }).openledger,
    )
    expect(receipt.outputTokens).toBe(completion_tokens)
    expect(receipt.inputTokens).toBe(prompt_tokens)
  })

  test('streams a chat, and the pieces are the answer', async () => {
    const request = {
      model,
      messages: [{ role: 'user' as const, content: 'function transfer(address to, uint256 value)' }],
      max_tokens: 16,
      temperature: 0,
    }
    const whole = await openai.chat.completions.create(request)
    const stream = await openai.chat.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    })
    let text = ''
    let usage: OpenAI.CompletionUsage | null | undefined
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      usage = chunk.usage ?? usage
    }
    expect(text).toBe(whole.choices[0]!.message.content)
    expect(usage!.completion_tokens).toBe(whole.usage!.completion_tokens)
  })

  test('gets different answers from different adapters asked at once, each as if asked alone', async () => {
    const { data } = await openai.models.list()
    const names = data.map(({ id }) => id)
    const prompts = [
      'function balanceOf(',
      'modifier onlyOwner() {',
      'event Transfer(',
      'function grantRole(',
    ]
    const once = (name: string, prompt: string) =>
      openai.completions
        .create({ model: name, prompt, max_tokens: 12, temperature: 0 })
        .then(({ choices }) => choices[0]!.text)
    const pairs = names.flatMap((name) => prompts.map((prompt) => [name, prompt] as const))
    const together = await Promise.all(pairs.map(([name, prompt]) => once(name, prompt)))
    for (const [index, [name, prompt]] of pairs.entries())
      expect(await once(name, prompt)).toBe(together[index])
  })

  test('is refused with a 401 for a key that nobody has, and a 404 for a model that nobody published', async () => {
    const stranger = openai.withOptions({ apiKey: 'ol-nobody-has-this-key' })
    await expect(stranger.completions.create({ model, prompt: 'a', max_tokens: 1 })).rejects.toBeInstanceOf(
      OpenAI.AuthenticationError,
    )
    await expect(
      openai.completions.create({ model: 'no-such-model', prompt: 'a', max_tokens: 1 }),
    ).rejects.toBeInstanceOf(OpenAI.NotFoundError)
  })
})
