import { createServer, type IncomingMessage } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { type Answers, headToHead, type Judge, type Question, wilson } from './HeadToHead.ts'
import { createJudge } from './JudgeEndpoint.ts'

const { signal } = new AbortController()
const answersOf = (pairs: readonly (readonly [ours: string, theirs: string])[]): Answers[] =>
  pairs.map(([ours, theirs], i) => ({ prompt: `prompt ${i}`, reference: `reference ${i}`, ours, theirs }))
const judgeBy = (judge: (question: Question) => ReturnType<Judge['judge']>): Judge => ({
  name: 'judge',
  judge,
})

describe('two models’ answers', () => {
  test('win what is chosen in both orders', async () => {
    const longer = judgeBy(async ({ first, second }) =>
      first.length === second.length ? 'tie' : first.length > second.length ? 'first' : 'second',
    )
    const answers = answersOf([
      ['a long answer', 'short'],
      ['long enough', 'no'],
      ['four', 'nine'],
      ['no', 'a longer one'],
    ])
    expect(await headToHead('base', answers, longer, signal)).toMatchObject({
      against: 'base',
      prompts: 4,
      wins: 2,
      ties: 1,
      losses: 1,
      unread: 0,
      scorePpm: 625_000,
    })
  })

  test('tie before a judge that likes a place, and before one whose words are no verdict', async () => {
    const answers = answersOf([
      ['one', 'two'],
      ['three', 'four'],
    ])
    const first = await headToHead(
      'base',
      answers,
      judgeBy(async () => 'first'),
      signal,
    )
    expect(first).toMatchObject({ wins: 0, ties: 2, losses: 0, unread: 0, scorePpm: 500_000 })
    const silent = await headToHead(
      'base',
      answers,
      judgeBy(async () => undefined),
      signal,
    )
    expect(silent).toMatchObject({ wins: 0, ties: 2, losses: 0, unread: 2 })
  })

  test('that are equal are a tie that no judge is asked about', async () => {
    const found = await headToHead(
      'base',
      answersOf([['same ', 'same']]),
      judgeBy(async () => {
        throw new Error('asked')
      }),
      signal,
    )
    expect(found).toMatchObject({ prompts: 1, ties: 1 })
  })
})

describe('bounds of a proportion', () => {
  test.each([
    [0, 10],
    [8, 10],
    [15, 24],
    [24, 24],
    [50, 100],
  ])('for %d of %d lie 1.96 standard errors of their own from it', (count, of) => {
    const proportion = count / of
    // what defines them: a true proportion there would just not make the seen one unlikely
    for (const bound of Object.values(wilson(proportion, of))) {
      const errors = 1.959964 * Math.sqrt((bound * (1 - bound)) / of)
      expect(Math.abs(proportion - bound)).toBeCloseTo(errors, 6)
    }
    expect(wilson(proportion, of).low - proportion).toBeLessThan(1e-12)
    expect(proportion - wilson(proportion, of).high).toBeLessThan(1e-12)
  })

  test('without a sample hold everything', () => {
    expect(wilson(0, 0)).toEqual({ low: 0, high: 1 })
  })
})

describe('a judge behind the OpenAI API', () => {
  const stops: (() => void)[] = []
  afterEach(() => {
    for (const stop of stops.splice(0)) stop()
  })
  type Asked = { readonly path: string; readonly key: string | undefined; readonly body: string }

  /** A server on this machine that answers what `reply` says. */
  async function serve(reply: (asked: Asked, count: number) => { status: number; body: string }) {
    const asked: Asked[] = []
    const server = createServer(async (request: IncomingMessage, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      asked.push({ path: request.url!, key: request.headers.authorization, body })
      const { status, body: text } = reply(asked.at(-1)!, asked.length)
      response.writeHead(status, { 'content-type': 'application/json' }).end(text)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    stops.push(() => server.close())
    const { port } = server.address() as { port: number }
    return { url: `http://127.0.0.1:${port}/v1/`, asked }
  }
  const saying = (content: string) => ({
    status: 200,
    body: JSON.stringify({ choices: [{ message: { role: 'assistant', content } }] }),
  })
  const question: Question = { prompt: 'P?', reference: 'R', first: 'one', second: 'two' }

  test.each([
    ['A', 'first'],
    ['The second names the owner.\n\n**B**', 'second'],
    ['tie.', 'tie'],
    ['A is better than B', undefined],
    ['', undefined],
  ])('that says %j chooses %s', async (content, verdict) => {
    const { url } = await serve(() => saying(content))
    expect(await createJudge({ url, model: 'm' }).judge(question, signal)).toBe(verdict)
  })

  test('is shown prompt, reference and both answers, at temperature 0, with its key', async () => {
    const { url, asked } = await serve(() => saying('A'))
    await createJudge({ url, model: 'm-7', key: 'secret' }).judge(question, signal)
    const [{ path, key, body }] = asked as [Asked]
    expect([path, key]).toEqual(['/v1/chat/completions', 'Bearer secret'])
    const { model, temperature, messages } = JSON.parse(body)
    expect([model, temperature]).toEqual(['m-7', 0])
    expect(messages.at(-1).content).toBe(
      '## Prompt\nP?\n\n## Reference\nR\n\n## Answer A\none\n\n## Answer B\ntwo',
    )
  })

  test('is asked again when it is busy, and not when it refuses', async () => {
    const busy = await serve((_, count) => (count === 1 ? { status: 503, body: 'busy' } : saying('B')))
    expect(await createJudge({ url: busy.url, model: 'm' }).judge(question, signal)).toBe('second')
    const closed = await serve(() => ({ status: 401, body: 'no such key' }))
    await expect(createJudge({ url: closed.url, model: 'm' }).judge(question, signal)).rejects.toThrow(
      'Expected a verdict of the judge m, got none: status 401: no such key.',
    )
    expect(closed.asked).toHaveLength(1)
    const odd = await serve(() => ({ status: 200, body: 'not JSON' }))
    await expect(createJudge({ url: odd.url, model: 'm' }).judge(question, signal)).rejects.toMatchObject({
      code: 'training.judge_failed',
    })
  })
})
