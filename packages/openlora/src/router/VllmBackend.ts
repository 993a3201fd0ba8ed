import { BaseError } from '@openledger/primitives'
import { createGeneration, type Generation } from '../engine/Generation.ts'
import type { Prepared, ServedModel } from '../Prepared.ts'
import { traceHeader } from './ReplicaBackend.ts'
import type { Backend } from './Router.ts'

export type VllmOptions = {
  /** Address of the server, e.g. `http://10.0.0.7:8000`; it serves the same base with the same tokenizer. */
  readonly url: string
  /** Name under which it serves the base. */
  readonly baseName: string
  readonly apiKey?: string
  /** Puts an adapter where the server can read it as a PEFT folder, and gives the path it has there. */
  readonly place: (model: ServedModel) => Promise<string>
  readonly tokenizer: { readonly decode: (ids: readonly number[]) => string; readonly eosId: number }
}

/** A chunk of the stream of `/v1/completions`, as far as it is read. */
type Chunk = {
  readonly error?: { readonly message?: string }
  readonly choices?: readonly {
    readonly text: string
    readonly finish_reason: string | null
    readonly logprobs?: {
      readonly tokens: readonly string[]
      readonly token_logprobs: readonly (number | null)[]
      readonly top_logprobs?: readonly (Readonly<Record<string, number>> | null)[] | null
    } | null
  }[]
}

const HEALTH_MS_MAX = 2_000
const CONNECT_MS_MAX = 30_000
const ID_PREFIX = 'token_id:'

/**
 * Answers on a vLLM server (`--enable-lora`, `VLLM_ALLOW_RUNTIME_LORA_UPDATING=True`): tokens go in and come out as ids, so
 * that what is attributed and charged is what the model said.
 *
 * @see vLLM, "OpenAI-Compatible Server" and "LoRA Adapters".
 */
export function createVllmBackend(options: VllmOptions): Backend {
  const { url, baseName, apiKey, place, tokenizer } = options
  const headers = {
    'content-type': 'application/json',
    ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
  }
  /** Adapters that the server was told of, by hash. */
  const loaded = new Map<string, Promise<void>>()

  async function post(
    path: string,
    body: unknown,
    signal: AbortSignal,
    more: Record<string, string> = {},
  ): Promise<Response> {
    let response: Response
    try {
      response = await fetch(`${url}${path}`, {
        method: 'POST',
        headers: { ...headers, ...more },
        body: JSON.stringify(body),
        signal,
      })
    } catch (cause) {
      throw new VllmUnreachableError(url, cause)
    }
    return response
  }

  async function load(model: ServedModel): Promise<void> {
    const body = { lora_name: model.adapterHash, lora_path: await place(model) }
    const response = await post('/v1/load_lora_adapter', body, AbortSignal.timeout(CONNECT_MS_MAX))
    const text = await response.text()
    // it may have been loaded by another router, or before this one started
    if (!response.ok && !text.includes('already been loaded'))
      throw new VllmRefusedError(response.status, text)
  }

  function loadOnce(model: ServedModel): Promise<void> {
    const known = loaded.get(model.adapterHash)
    if (known !== undefined) return known
    const loading = load(model)
    loaded.set(model.adapterHash, loading)
    loading.catch(() => loaded.delete(model.adapterHash))
    return loading
  }

  async function carryOut(
    prepared: Prepared,
    signal: AbortSignal,
    feed: ReturnType<typeof createGeneration>,
  ): Promise<void> {
    const { request, model, promptIds, promptText, outputTokensMax, sampling } = prepared
    if (model !== undefined) await loadOnce(model)
    const topLogprobs = request.topLogprobs ?? 0
    const body = {
      model: model?.adapterHash ?? baseName,
      prompt: promptIds,
      stream: true,
      max_tokens: outputTokensMax,
      temperature: sampling.temperature,
      top_p: sampling.topP,
      seed: sampling.seed,
      top_k: sampling.topK === 0 ? -1 : sampling.topK,
      min_p: sampling.minP,
      min_tokens: Math.min(sampling.minTokens, outputTokensMax),
      ignore_eos: sampling.minTokens > outputTokensMax,
      repetition_penalty: sampling.repetitionPenalty,
      presence_penalty: sampling.presencePenalty,
      frequency_penalty: sampling.frequencyPenalty,
      logit_bias: Object.fromEntries(sampling.logitBias),
      stop: request.stop ?? [],
      logprobs: Math.max(1, topLogprobs),
      return_tokens_as_token_ids: true,
    }
    const response = await post('/v1/completions', body, signal, traceHeader(prepared))
    if (!response.ok) {
      const text = await response.text()
      if (response.status === 404) loaded.delete(model?.adapterHash ?? '')
      throw new VllmRefusedError(response.status, text)
    }
    const ids: number[] = []
    let text = ''
    let reason: string | null = null
    try {
      for await (const chunk of chunksOf(response)) {
        if (chunk.error !== undefined) throw new VllmRefusedError(500, chunk.error.message ?? '')
        const choice = chunk.choices?.[0]
        if (choice === undefined) continue
        reason = choice.finish_reason ?? reason
        text += choice.text
        const tokens = choice.logprobs?.tokens ?? []
        for (const [i, token] of tokens.entries()) {
          const tokenId = idOf(token)
          if (tokenId === tokenizer.eosId) continue
          ids.push(tokenId)
          const top = Object.entries(choice.logprobs?.top_logprobs?.[i] ?? {})
            .map(([other, logprob]) => ({ tokenId: idOf(other), logprob }))
            .sort((a, b) => b.logprob - a.logprob)
          feed.push({
            tokenId,
            // the text of a chunk belongs to its last token, which made it whole
            text: i === tokens.length - 1 ? choice.text : '',
            logprob: choice.logprobs?.token_logprobs[i] ?? 0,
            top: top.slice(0, topLogprobs),
          })
        }
        if (tokens.every((token) => idOf(token) === tokenizer.eosId) && choice.text !== '') {
          feed.push({ tokenId: null, text: choice.text, logprob: 0, top: [] })
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
    // drops tokens at the end that only made up a stop string
    let count = ids.length
    while (count > 0 && tokenizer.decode(ids.slice(0, count - 1)).startsWith(text)) count--
    const answerIds = ids.slice(0, count)
    feed.finish({
      text,
      answerIds,
      promptIds,
      promptText,
      inputTokens: promptIds.length,
      outputTokens: answerIds.length,
      finishReason: signal.aborted ? 'cancelled' : reason === 'length' ? 'length' : 'stop',
    })
  }

  return {
    name: url,
    // its grammars are other ones: an answer is held to its form by the engine that knows it; and it merges no adapters
    canMake: ({ request, merged }) => request.form === undefined && merged === undefined,
    generate(prepared, { signal } = {}): Generation {
      const abandoned = new AbortController()
      const feed = createGeneration(() => abandoned.abort())
      const either = signal === undefined ? abandoned.signal : AbortSignal.any([signal, abandoned.signal])
      carryOut(prepared, either, feed).catch((error: Error) => feed.fail(error))
      return feed.generation
    },
    isHealthy: async () =>
      (await fetch(`${url}/health`, { headers, signal: AbortSignal.timeout(HEALTH_MS_MAX) })).ok,
  }
}

function idOf(token: string): number {
  const id = Number(token.slice(ID_PREFIX.length))
  if (!token.startsWith(ID_PREFIX) || !Number.isSafeInteger(id)) throw new VllmRefusedError(200, token)
  return id
}

/** Reads the events of a stream up to `[DONE]`. */
async function* chunksOf(response: Response): AsyncGenerator<Chunk> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const bytes of response.body!) {
    const lines = (rest + decoder.decode(bytes as Uint8Array, { stream: true })).split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      if (!line.startsWith('data: ')) continue
      const data = line.slice('data: '.length).trim()
      if (data === '[DONE]') return
      yield JSON.parse(data) as Chunk
    }
  }
  throw new VllmRefusedError(200, 'the stream broke off')
}

export class VllmUnreachableError extends BaseError {
  constructor(url: string, cause: unknown) {
    super({
      code: 'engine.backend_unreachable',
      message: `Expected a vLLM server at ${url}, but it does not answer; another backend is tried where there is one.`,
      context: { url },
      severity: 'retry',
      cause,
    })
  }
}

export class VllmRefusedError extends BaseError {
  constructor(status: number, text: string) {
    super({
      code: status === 429 ? 'openlora.queue_full' : 'engine.backend_refused',
      message: `Expected tokens from a vLLM server, got status ${status}: ${text.slice(0, 200)}.`,
      context: { status, ...(status === 429 ? { retryAfterSeconds: 1 } : {}) },
      severity: status === 429 || status >= 500 || status === 200 ? 'retry' : 'fatal',
    })
  }
}
