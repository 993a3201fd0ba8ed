import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { TokenDelta } from '../engine/EngineRequest.ts'
import { GREEDY } from '../engine/Sampler.ts'
import type { Prepared } from '../Prepared.ts'
import { createRouter } from './Router.ts'
import { createVllmBackend } from './VllmBackend.ts'

/** Speaks vLLM's protocol as its documents have it: what it says is a script. */
const script = {
  words: ['con', 'tract', ' A', '<end>'],
  reason: 'stop',
  breaksAfter: 99,
  status: 200,
  wordMs: 0,
}
const EOS = 3
const asked: { path: string; body: Record<string, unknown> }[] = []
let left = 0
let server: Server
let url: string

beforeAll(async () => {
  server = createServer(async (request, response) => {
    if (request.url === '/health') return void response.writeHead(script.status).end()
    const body = (await json(request)) as Record<string, unknown>
    asked.push({ path: request.url!, body })
    if (script.status !== 200) return void response.writeHead(script.status).end('{"message":"no"}')
    if (request.url === '/v1/load_lora_adapter') return void response.end('Success')
    response.on('close', () => {
      if (!response.writableEnded) left++
    })
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const [i, word] of script.words.entries()) {
      if (i === script.breaksAfter) return void response.destroy()
      if (script.wordMs > 0) await new Promise((resolve) => setTimeout(resolve, script.wordMs))
      const isLast = i === script.words.length - 1
      const choice = {
        index: 0,
        text: i === EOS ? '' : word,
        finish_reason: isLast ? script.reason : null,
        logprobs: {
          tokens: [`token_id:${i}`],
          token_logprobs: [-0.5],
          text_offset: [0],
          top_logprobs: [{ [`token_id:${i}`]: -0.5, 'token_id:9': -2 }],
        },
      }
      response.write(`data: ${JSON.stringify({ choices: [choice] })}\n\n`)
    }
    response.end('data: [DONE]\n\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())
beforeEach(() => {
  asked.length = 0
  left = 0
  const words = ['con', 'tract', ' A', '<end>']
  Object.assign(script, { words, reason: 'stop', breaksAfter: 99, status: 200, wordMs: 0 })
})

const create = (address = url) =>
  createVllmBackend({
    url: address,
    baseName: 'base',
    place: async ({ adapterCid }) => `/adapters/${adapterCid}`,
    tokenizer: { decode: (ids) => ids.map((id) => script.words[id]).join(''), eosId: EOS },
  })
const prepared: Prepared = {
  request: { model: 'm', caller: 'a', prompt: 'p', topLogprobs: 2, stop: ['x'] },
  model: { adapterCid: 'cid', adapterHash: '0xab' },
  promptIds: [5, 6],
  promptText: 'p',
  outputTokensMax: 8,
  sampling: { ...GREEDY, seed: 7, logitBias: [[4, -3]] },
}
async function read(generation: ReturnType<ReturnType<typeof create>['generate']>) {
  const deltas: TokenDelta[] = []
  for await (const delta of generation) deltas.push(delta)
  return { deltas, result: await generation.result }
}

test('loads the adapter once, sends tokens as ids and reads them back, without the end token', async () => {
  const backend = create()
  for (let i = 0; i < 2; i++) {
    const { deltas, result } = await read(backend.generate(prepared))
    expect(result).toMatchObject({
      text: 'contract A',
      answerIds: [0, 1, 2],
      outputTokens: 3,
      inputTokens: 2,
      finishReason: 'stop',
    })
    expect(deltas[1]).toEqual({
      tokenId: 1,
      text: 'tract',
      logprob: -0.5,
      top: [
        { tokenId: 1, logprob: -0.5 },
        { tokenId: 9, logprob: -2 },
      ],
    })
  }
  expect(asked.map(({ path }) => path)).toEqual([
    '/v1/load_lora_adapter',
    '/v1/completions',
    '/v1/completions',
  ])
  expect(asked[0]!.body).toEqual({ lora_name: '0xab', lora_path: '/adapters/cid' })
  expect(asked[1]!.body).toMatchObject({
    model: '0xab',
    prompt: [5, 6],
    max_tokens: 8,
    temperature: 0,
    seed: 7,
    stop: ['x'],
    logit_bias: { 4: -3 },
    return_tokens_as_token_ids: true,
    logprobs: 2,
  })
})

test('leaves out tokens that only made a stop text', async () => {
  Object.assign(script, { words: ['con', 'tract', ''] })
  const { result } = await read(create().generate(prepared))
  expect(result).toMatchObject({ text: 'contract', answerIds: [0, 1] })
})

test('ends the stream there when the caller leaves here', async () => {
  script.wordMs = 20
  const leaving = new AbortController()
  const generation = create().generate(prepared, { signal: leaving.signal })
  for await (const _ of generation) leaving.abort()
  expect((await generation.result).finishReason).toBe('cancelled')
  await expect.poll(() => left).toBe(1)
})

test('fails so that another may try before the first token, and tells a full queue from a fault', async () => {
  script.status = 429
  await expect(read(create().generate(prepared))).rejects.toMatchObject({
    code: 'openlora.queue_full',
    severity: 'retry',
  })
  script.status = 503
  expect(await create().isHealthy()).toBe(false)
  const gone = create('http://127.0.0.1:1')
  await expect(read(gone.generate(prepared))).rejects.toMatchObject({ code: 'engine.backend_unreachable' })
  script.status = 200
  const router = createRouter([gone, create()])
  for (let i = 0; i < 4; i++) expect((await read(router.generate(prepared))).result.text).toBe('contract A')
  router.close()
})

test('breaks off as the stream does, and is not asked again for what was delivered', async () => {
  Object.assign(script, { breaksAfter: 2, wordMs: 5 })
  const router = createRouter([create()])
  await expect(read(router.generate(prepared))).rejects.toThrow()
  expect(asked.filter(({ path }) => path === '/v1/completions').length).toBe(1)
  router.close()
})
