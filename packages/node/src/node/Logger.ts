/** Takes structured log lines: fields first, then a constant message. Any pino logger is one. */
export type Logger = {
  readonly debug: (fields: Readonly<Record<string, unknown>>, message: string) => void
  readonly info: (fields: Readonly<Record<string, unknown>>, message: string) => void
  readonly warn: (fields: Readonly<Record<string, unknown>>, message: string) => void
  readonly error: (fields: Readonly<Record<string, unknown>>, message: string) => void
}

const drop = (): void => {}

/** Drops every line. */
export const silentLogger: Logger = { debug: drop, info: drop, warn: drop, error: drop }
