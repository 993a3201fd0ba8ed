import type { Writable } from 'node:stream'
import { type Logger, pino } from 'pino'
import pretty from 'pino-pretty'
import type { Config } from './Config.ts'

/**
 * Makes the log: one JSON object a line for machines, or short lines for whoever starts the server in a terminal.
 * @param output - Where it goes; whether it is a terminal decides the form where the configuration leaves it open.
 */
export function createLogger(
  { logLevel, logFormat }: Pick<Config, 'logLevel' | 'logFormat'>,
  output: Writable & { readonly isTTY?: boolean } = process.stdout,
): Logger {
  const isTerminal = output.isTTY === true
  const isText = logFormat === 'text' || (logFormat === 'auto' && isTerminal)
  if (!isText) return pino({ level: logLevel }, output)
  const text = pretty({
    colorize: isTerminal,
    destination: output,
    ignore: 'pid,hostname,part',
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss',
  })
  return pino({ level: logLevel }, text)
}
