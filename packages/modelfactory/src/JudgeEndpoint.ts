import { BaseError } from '@openledger/primitives'
import type { Judge, Question, Verdict } from './HeadToHead.ts'

/** A model behind the OpenAI API, this server's own or any other. */
export type JudgeOptions = {
  /** What stands before `/chat/completions`, `https://api.example/v1` for example. */
  readonly url: string
  readonly model: string
  readonly key?: string | undefined
}

/** Enough for a judge that thinks aloud for a moment before its verdict. */
const ANSWER_TOKENS_MAX = 256
const ATTEMPTS_MAX = 3
const TIMEOUT_MS = 60_000
const RETRY_MS = 1_000

const INSTRUCTION =
  'You compare two answers to a prompt. The reference shows what a right answer says. Judge by what is right and useful, not by length or place. End with a line that holds one word: A if the first answer is better, B if the second is, TIE if neither is.'

/** Asks a model for its verdict, at temperature 0; a server that is busy or away for a moment is asked again. */
export function createJudge({ url, model, key }: JudgeOptions): Judge {
  const ask = async (question: Question, signal: AbortSignal): Promise<Response> => {
    let reason = ''
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      if (attempt > 0) await pause(RETRY_MS * 2 ** (attempt - 1), signal)
      try {
        const response = await fetch(`${url.replace(/\/$/, '')}/chat/completions`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          },
          body: JSON.stringify({
            model,
            temperature: 0,
            max_tokens: ANSWER_TOKENS_MAX,
            messages: [
              { role: 'system', content: INSTRUCTION },
              { role: 'user', content: contentOf(question) },
            ],
          }),
          signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
        })
        if (response.ok) return response
        reason = `status ${response.status}: ${(await response.text()).slice(0, 200)}`
        // what is wrong with the question stays wrong
        if (response.status < 500 && response.status !== 429) break
      } catch (cause) {
        signal.throwIfAborted()
        reason = (cause as Error).message
      }
    }
    throw new JudgeFailedError(model, reason)
  }
  return {
    name: model,
    async judge(question, signal) {
      const response = await ask(question, signal)
      const body = (await response.json().catch(() => undefined)) as
        | { choices?: { message?: { content?: unknown } }[] }
        | undefined
      const content = body?.choices?.[0]?.message?.content
      if (typeof content !== 'string') throw new JudgeFailedError(model, 'no message in its answer')
      return verdictOf(content)
    },
  }
}

const contentOf = ({ prompt, reference, first, second }: Question): string =>
  [
    ['Prompt', prompt],
    ['Reference', reference],
    ['Answer A', first],
    ['Answer B', second],
  ]
    .map(([title, text]) => `## ${title}\n${text}`)
    .join('\n\n')

/** Reads the verdict from the last line; words around it make it none. */
function verdictOf(content: string): Verdict {
  const last = content.trim().split('\n').at(-1)!
  const word = /^\W*(A|B|TIE)\W*$/i.exec(last)?.[1]?.toUpperCase()
  return word === 'A' ? 'first' : word === 'B' ? 'second' : word === 'TIE' ? 'tie' : undefined
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason)
    })
  })

export class JudgeFailedError extends BaseError {
  constructor(model: string, reason: string) {
    super({
      code: 'training.judge_failed',
      message: `Expected a verdict of the judge ${model}, got none: ${reason}. The model itself is unharmed; see OPENLEDGER_JUDGE_URL, _MODEL and _KEY.`,
      context: { model, reason },
      severity: 'retry',
    })
  }
}

export class JudgeMissingError extends BaseError {
  constructor() {
    super({
      code: 'training.judge_missing',
      message:
        'Expected a judge, but this server has none. Leave isJudged out, or have whoever runs the server set OPENLEDGER_JUDGE_MODEL.',
    })
  }
}
