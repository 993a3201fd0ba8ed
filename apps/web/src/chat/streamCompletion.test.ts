import { describe, expect, test } from 'vitest'
import { type CompletionPart, streamCompletion } from './streamCompletion.ts'

const hash = `0x${'1'.repeat(64)}`
const address = `0x${'2'.repeat(40)}`
const receipt = {
  sequence: 1,
  hash,
  previousHash: hash,
  payer: address,
  modelId: '1',
  modelName: 'solidity-1',
  promptHash: hash,
  answerHash: hash,
  inputTokens: 3,
  outputTokens: 2,
  feeWei: '10',

  platformWei: '1',
  ownerWei: '2',
  stakersWei: '2',
  contributorsWei: '5',
  splitVersion: 1,
  stakeVersion: 0,
  sharesRoot: hash,
  attributionHash: hash,
  inferenceCommitment: hash,
  timestamp: 1,
  signature: '0x00',
  settlementTransaction: null,
  attribution: {
    engineVersion: 'test',
    policy: { influenceBps: 5_000, spansBps: 5_000 },
    liftMilliNats: 0,
    shares: [],
    commons: { sharePpm: 1_000_000, amountWei: '5', beneficiary: address, reason: 'nothing stands out' },
  },
}
const line = (data: unknown): string => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`

/** Answers as the server does, with the bytes cut after every `size`. */
const answering = (text: string, size: number, status = 200) =>
  (async () => {
    const bytes = new TextEncoder().encode(text)
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size))
        controller.close()
      },
    })
    return new Response(body, { status })
  }) as typeof fetch

async function read(send: typeof fetch): Promise<CompletionPart[]> {
  const parts: CompletionPart[] = []
  const request = {
    model: 'm',
    prompt: 'p',
    max_tokens: 2,
    secret: 's',
    signal: new AbortController().signal,
  }
  for await (const part of streamCompletion(request, send)) parts.push(part)
  return parts
}

const whole = [
  { choices: [{ text: 'Größe ' }] },
  { choices: [{ text: '' }] },
  { choices: [{ text: '€5\n\n' }] },
  { choices: [{ text: '', finish_reason: 'length' }], openledger: { answer: 'Größe €5\n\n', receipt } },
  '[DONE]',
]
  .map(line)
  .join('')

describe('streamCompletion', () => {
  test.each([1, 2, 7, 64, 100_000])(
    'gives text and then the receipt when %i bytes come at once',
    async (size) => {
      expect(await read(answering(whole, size))).toEqual([
        { kind: 'text', text: 'Größe ' },
        { kind: 'text', text: '€5\n\n' },
        { kind: 'receipt', answer: 'Größe €5\n\n', receipt },
      ])
    },
  )

  test('says what the server says when it refuses', async () => {
    const body = JSON.stringify({ error: { message: 'Expected a key with money left.' } })
    await expect(read(answering(body, 9, 402))).rejects.toThrow('Expected a key with money left.')
    await expect(read(answering('<html>', 9, 502))).rejects.toThrow('The server answered 502')
  })

  test('fails when an error comes in the stream, and when it breaks off', async () => {
    const failed = line({ choices: [{ text: 'a' }] }) + line({ error: { message: 'The engine stopped.' } })
    await expect(read(answering(failed, 5))).rejects.toThrow('The engine stopped.')
    await expect(read(answering(line({ choices: [{ text: 'a' }] }), 5))).rejects.toThrow('broke off')
  })
})
