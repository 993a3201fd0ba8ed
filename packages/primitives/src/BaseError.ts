/** What a caller should do next: try again, start over from a known state, or stop. */
export type Severity = 'retry' | 'reset' | 'fatal'

export type BaseErrorOptions = {
  /** Stable machine-readable name, `area.reason`, e.g. `datanet.not_found`. */
  readonly code: string
  /** What was expected, what came, what to do: one or two sentences a person can act on. */
  readonly message: string
  /** JSON-safe values that the message speaks of. */
  readonly context?: Readonly<Record<string, unknown>>
  readonly severity?: Severity
  readonly cause?: unknown
}

/**
 * Is the base of every error that OpenLedger throws on purpose.
 *
 * Errors are data: `code` and `context` survive JSON, so an error can be logged, sent from a worker, and turned into
 * a problem document at the HTTP edge without knowing its class.
 */
export class BaseError extends Error {
  readonly code: string
  readonly context: Readonly<Record<string, unknown>>
  readonly severity: Severity

  constructor({ code, message, context = {}, severity = 'fatal', cause }: BaseErrorOptions) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = new.target.name
    this.code = code
    this.context = context
    this.severity = severity
  }
}
