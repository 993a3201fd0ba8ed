import { BaseError } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import type { z } from 'zod'

/** What an error means over HTTP: exact codes first, then the ends that codes of any area share. */
const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  'account.insufficient_balance': 402,
  'account.hold_gone': 409,
  'api_key.limit': 402,
  'api_key.missing': 401,
  'api_key.revoked': 401,
  'api_key.too_many': 409,
  'api_key.unknown': 401,
  'contribution.expired': 401,
  'contribution.withdrawn': 409,
  'contribution.wrong_chain': 401,
  'datanet.licence_required': 403,
  'datanet.not_created': 404,
  'engine.base_mismatch': 503,
  'engine.backend_refused': 503,
  'engine.backend_unreachable': 503,
  'engine.no_backend': 503,
  'engine.stopped': 503,
  'export.busy': 429,
  'file.size': 413,
  'ledger.nothing_to_claim': 409,
  'network.supply_moving': 503,
  'blob.corrupt': 500,
  'blob.service': 503,
  'contribution.size': 413,
  'ledger.no_line': 404,
  'model.index_lost': 503,
  'model.index_rebuilding': 503,
  'model.retired': 410,
  'openlora.deadline': 429,
  'openlora.model_not_found': 404,
  'openlora.pins_full': 409,
  'openlora.queue_full': 429,
  'payment.invalid': 402,
  'payment.permit2_allowance': 412,
  'payment.refused': 402,
  'payment.replayed': 402,
  'payment.required': 402,
  'receipt.not_overturned': 409,
  'receipt.other_shares': 422,
  'request.cut': 408,
  'request.deadline': 400,
  'request.expired': 401,
  'request.replayed': 409,
  'server.draining': 503,
  'settlement.not_covered': 503,
  'signature.invalid': 401,
  'training.check': 400,
  'training.judge_missing': 400,
  'training_run.not_owner': 403,
  'training_run.whole_model': 409,
  'transaction.reverted': 409,
  'transaction.unconfirmed': 504,
}
const STATUS_BY_END: readonly (readonly [RegExp, number])[] = [
  [/[._]not_found$|\.unknown_|\.unknown$/, 404],
  [
    /[._]taken$|[._]over$|already|duplicate|[._]exists$|[._]not_trained$|[._]not_paused$|gate_closed$|too_many$/,
    409,
  ],
  [/too_large$|[._]size$/, 413],
  [/not_owner$|not_validator$|forbidden$/, 403],
  [/media_type$/, 415],
]
/** Areas whose remaining errors are about what the caller sent. */
const CALLER_AREAS = new Set([
  'blob',
  'bytes',
  'contribution',
  'datanet',
  'file',
  'model',
  'open',
  'openlora',
  'payment',
  'request',
  'training_run',
])

/** Gives the status of an error; 500 for what is the server's own fault. */
export function statusOf(error: unknown): number {
  if (!(error instanceof BaseError)) return 500
  const known = STATUS_BY_CODE[error.code] ?? STATUS_BY_END.find(([end]) => end.test(error.code))?.[1]
  if (known !== undefined) return known
  return CALLER_AREAS.has(error.code.split('.')[0]!) ? 400 : 500
}

/** Writes an RFC 9457 problem document; what is the server's own fault is not told in detail. */
export function problemOf(error: unknown): Http.Problem {
  const status = statusOf(error)
  if (!(error instanceof BaseError) || (status === 500 && error.severity !== 'retry')) {
    return {
      type: 'about:blank',
      title: 'Internal error',
      status: 500,
      detail: 'The server failed at this request, through no fault of the caller. Its log says why.',
      code: error instanceof BaseError ? error.code : 'server.internal',
    }
  }
  return {
    type: `urn:openledger:error:${error.code}`,
    title: titleOf(status),
    status,
    detail: error.message,
    code: error.code,
    context: jsonSafe(error.context),
  }
}

/** Writes the error object of the OpenAI interface. */
export function openAiErrorOf(error: unknown): {
  error: { message: string; type: string; param: string | null; code: string }
} {
  const { status, detail, code, context } = problemOf(error)
  const type =
    status === 401
      ? 'authentication_error'
      : status === 402
        ? 'insufficient_quota'
        : status === 429
          ? 'rate_limit_error'
          : status >= 500
            ? 'server_error'
            : 'invalid_request_error'
  const param = typeof context?.['param'] === 'string' ? context['param'] : null
  return { error: { message: detail, type, param, code } }
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Not authorised',
  402: 'Payment required',
  403: 'Not allowed',
  404: 'Not found',
  409: 'Conflict',
  410: 'Gone',
  412: 'Permit2 may not move WOPEN yet',
  413: 'Too large',
  415: 'Unsupported media type',
  429: 'Too many requests',
  503: 'Busy',
  504: 'Not confirmed in time',
}
const titleOf = (status: number): string => TITLES[status] ?? 'Error'

const jsonSafe = (context: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  JSON.parse(JSON.stringify(context, (_, value) => (typeof value === 'bigint' ? value.toString() : value)))

export class RequestInvalidError extends BaseError {
  constructor(where: string, error: z.ZodError) {
    const issues = error.issues.slice(0, 8).map((issue) => ({
      path: [where, ...issue.path.map(String)].join('.'),
      message: issue.message,
    }))
    const [first] = issues
    super({
      code: 'request.invalid',
      message: `${first!.path}: ${first!.message}. Correct the request; nothing was changed.`,
      context: { issues, param: error.issues[0]!.path.map(String).join('.') },
    })
  }
}

export class MalformedJsonError extends BaseError {
  constructor(cause: unknown) {
    super({
      code: 'request.malformed_json',
      message: `Expected a body of JSON, but it cannot be read: ${(cause as Error).message.slice(0, 200)}. Nothing was changed.`,
      cause,
    })
  }
}

export class MediaTypeError extends BaseError {
  constructor(got: string | undefined) {
    super({
      code: 'request.media_type',
      message: `Expected a body with content type application/json, got ${got ?? 'none'}. Nothing was changed.`,
      context: { got },
    })
  }
}

export class BodyTooLargeError extends BaseError {
  constructor(maxBytes: number) {
    super({
      code: 'request.too_large',
      message: `Expected a body of at most ${maxBytes} bytes, got more. Send it in parts; nothing was changed.`,
      context: { maxBytes },
    })
  }
}

export class RouteNotFoundError extends BaseError {
  constructor(method: string, path: string) {
    super({
      code: 'route.not_found',
      message: `There is no ${method} ${path.slice(0, 200)}. GET /api/openapi.json lists what there is.`,
      context: { method, path: path.slice(0, 200) },
    })
  }
}
