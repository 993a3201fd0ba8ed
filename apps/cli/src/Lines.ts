import { green } from './Output.ts'
import type { Line } from './verifying.ts'

/** Prints what was compared, line by line; the exit status is 1 when anything differs. */
export function printLines(lines: readonly Line[]): void {
  for (const { claim, holds, difference } of lines)
    console.log(`${holds ? green('holds ') : 'DIFFERS'} ${claim}${holds ? '' : `: ${difference}`}`)
  if (lines.some(({ holds }) => !holds)) process.exitCode = 1
}
