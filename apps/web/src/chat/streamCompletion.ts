import { Http } from '@openledger/protocol'

export type CompletionPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'receipt'; readonly answer: string; readonly receipt: Http.SignedReceipt }

type Request = { model: string; prompt: string; max_tokens: number; secret: string; signal: AbortSignal }

/** Streams `/v1/completions`: pieces of text as they come, then the receipt with its attribution. */
export async function* streamCompletion({
  secret,
  signal,
  ...body
}: Request): AsyncGenerator<CompletionPart> {
  const response = await fetch('/v1/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}` },
    body: JSON.stringify({ ...body, stream: true }),
    signal,
  })
  if (!response.ok || response.body === null) {
    const text = await response.text()
    let message = `The server answered ${response.status}.`
    try {
      message = (JSON.parse(text) as { error?: { message?: string } }).error?.message ?? message
    } catch {
      // not JSON: the status is all there is to say
    }
    throw new Error(message)
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  for (let buffer = ''; ; ) {
    const { done, value } = await reader.read()
    if (done) return
    buffer += value
    for (let end = buffer.indexOf('\n\n'); end >= 0; end = buffer.indexOf('\n\n')) {
      const line = buffer.slice(0, end).trim()
      buffer = buffer.slice(end + 2)
      const data = line.startsWith('data:') ? line.slice(5).trim() : ''
      if (data === '' || data === '[DONE]') continue
      const chunk = JSON.parse(data)
      if (chunk.error !== undefined) throw new Error(chunk.error.message)
      const text = chunk.choices?.[0]?.text
      if (typeof text === 'string' && text !== '') yield { kind: 'text', text }
      if (chunk.openledger !== undefined)
        yield { kind: 'receipt', ...Http.answerExtensionSchema.parse(chunk.openledger) }
    }
  }
}
