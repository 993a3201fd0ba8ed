import { BaseError } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import type { z } from 'zod'

/** Asks an OpenLedger server over HTTP and checks its answers against their schemas. */
export type Transport = ReturnType<typeof createTransport>

/** @throws {ProblemError} from every function when the server refuses. */
export function createTransport(url: string, send: typeof fetch) {
  async function ask(path: string, accept: string, body?: unknown, secret?: string): Promise<Response> {
    const response = await send(`${url}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        accept,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw await problemFrom(response)
    return response
  }

  /** @param secret - Of the API key that pays, for what costs. */
  async function call<T extends z.ZodType>(
    schema: T,
    path: string,
    body?: unknown,
    secret?: string,
  ): Promise<z.infer<T>> {
    const response = await ask(path, 'application/json', body, secret)
    return schema.parse(await response.json())
  }

  async function bytes(path: string, body?: unknown): Promise<Uint8Array<ArrayBuffer>> {
    const response = await ask(path, '*/*', body)
    return new Uint8Array(await response.arrayBuffer())
  }

  return { call, bytes }
}

/** Parameters of an address, those that are given. */
export const query = (parameters: Record<string, string | number | undefined>): string => {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(parameters))
    if (value !== undefined) search.set(key, String(value))
  return search.size === 0 ? '' : `?${search}`
}

/** Reads what a server that refuses says. */
export async function problemFrom(response: Response): Promise<ProblemError> {
  const text = await response.text()
  try {
    const json = JSON.parse(text)
    const parsed = Http.problemSchema.safeParse(json)
    if (parsed.success) return new ProblemError(parsed.data)
    // the shape of errors under /v1 is OpenAI's
    const { status, statusText } = response
    const { message, code } = json.error
    if (typeof message === 'string') {
      return new ProblemError({ type: 'about:blank', title: statusText, status, detail: message, code })
    }
  } catch {
    // not JSON: the text itself is all there is to show
  }
  return new ProblemError({
    type: 'about:blank',
    title: response.statusText,
    status: response.status,
    detail: text.slice(0, 500) || `The server answered ${response.status} without saying why.`,
    code: 'http.unexpected',
  })
}

/** The server refused; `detail` says what was expected, what came and what to do. */
export class ProblemError extends BaseError {
  readonly problem: Http.Problem
  constructor(problem: Http.Problem) {
    super({
      code: problem.code,
      message: problem.detail,
      context: { status: problem.status, ...problem.context },
    })
    this.problem = problem
  }
}
