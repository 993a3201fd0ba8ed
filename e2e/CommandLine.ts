import { spawn } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

export type Ended = { readonly status: number | null; readonly output: string }

/**
 * Runs the command line as a person would.
 * @param environment - More `OPENLEDGER_*` variables: which server, whose key.
 * @returns What it printed, refusals included.
 */
export function openledger(
  words: readonly string[],
  environment: Record<string, string> = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', 'apps/cli/src/main.ts', ...words],
      { cwd: root, env: { ...process.env, ...environment } },
    )
    let output = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (output += chunk))
    child.on('close', (status) => resolve({ status, output }))
  })
}

/** The same, and it must succeed. @throws {Error} with all that it printed. */
export async function succeed(
  words: readonly string[],
  environment: Record<string, string> = {},
): Promise<string> {
  const { status, output } = await openledger(words, environment)
  if (status !== 0)
    throw new Error(`Expected openledger ${words.join(' ')} to succeed, got ${status}:\n${output}`)
  return output
}
