import { Http } from '@openledger/protocol'

export type CompletionPart =
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'receipt'
      readonly answer: string
      readonly receipt: Http.SignedReceipt
      /** Of the other models, where several answered together. */
      readonly mergedReceipts?: readonly Http.SignedReceipt[] | undefined
    }

export type CompletionRequest = {
  readonly model: string
  readonly prompt: string
  readonly max_tokens: number
  /** Ids of records to answer from. */
  readonly passages?: readonly string[]
  /** Models that answer together, `model` among them. */
  readonly adapters?: readonly { readonly name: string; readonly weight: number }[]
  readonly secret: string
  readonly signal: AbortSignal
}

/**
 * Streams `/v1/completions`: pieces of text as they come, then the receipt with its attribution.
 * @throws {Error} with the server's own words when it refuses, and when the stream ends without an end.
 */
export async function* streamCompletion(
  { secret, signal, ...body }: CompletionRequest,
  send: typeof fetch = fetch,
): AsyncGenerator<CompletionPart> {
  const response = await send('/v1/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}` },
    // the likeliest words: what a model learned shows plainest
    body: JSON.stringify({ ...body, temperature: 0, stream: true }),
    signal,
  })
  if (!response.ok || response.body === null) throw new Error(refusal(response.status, await response.text()))
  let isWhole = false
  for await (const data of events(response.body)) {
    if (data === '[DONE]') {
      isWhole = true
      continue
    }
    const chunk = JSON.parse(data)
    if (chunk.error !== undefined) throw new Error(chunk.error.message)
    const text = chunk.choices?.[0]?.text
    if (typeof text === 'string' && text !== '') yield { kind: 'text', text }
    if (chunk.openledger !== undefined)
      yield { kind: 'receipt', ...Http.answerExtensionSchema.parse(chunk.openledger) }
  }
  if (!isWhole) throw new Error('The connection broke off. What had come is charged for, and no more.')
}

/** Reads the data of server-sent events, however the bytes were cut on the way. */
async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  const reader = body.getReader()
  for (let buffer = ''; ; ) {
    const { done, value } = await reader.read()
    if (done) return
    buffer += decoder.decode(value, { stream: true })
    for (let end = buffer.indexOf('\n\n'); end >= 0; end = buffer.indexOf('\n\n')) {
      const line = buffer.slice(0, end).trim()
      buffer = buffer.slice(end + 2)
      if (line.startsWith('data:')) yield line.slice(5).trim()
    }
  }
}

function refusal(status: number, text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string } }
    if (error?.message !== undefined) return error.message
  } catch {
    // not JSON: the status is all there is to say
  }
  return `The server answered ${status} without saying why.`
}
