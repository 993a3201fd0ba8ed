import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, createClient } from '@openledger/sdk'

/** A whole house in a process of its own, as a person would start it, in a folder of its own. */
export type House = {
  readonly url: string
  readonly directory: string
  readonly pid: number
  readonly client: Client
  /** Waits until the first start has put everything in place. */
  readonly seeded: () => Promise<void>
  /** Ends the process as a power cut would. */
  readonly kill: () => Promise<void>
  /** Stops it in order. */
  readonly stop: () => Promise<void>
}

const root = join(import.meta.dirname, '..')

/** Makes the folder of a house that does not exist yet. */
export const newDirectory = (): string => mkdtempSync(join(tmpdir(), 'openledger-e2e-'))

/**
 * Starts a house in a folder, new or left by another one.
 * @param environment - More `OPENLEDGER_*` variables.
 */
export async function startHouse(
  directory: string,
  environment: Record<string, string> = {},
): Promise<House> {
  const announcement = join(directory, 'server.json')
  rmSync(announcement, { force: true })
  const log = createWriteStream(join(directory, 'server.log'), { flags: 'a' })
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', 'apps/server/src/main.ts'],
    {
      cwd: root,
      env: {
        ...process.env,
        OPENLEDGER_DATA_DIRECTORY: directory,
        OPENLEDGER_PORT: '0',
        OPENLEDGER_L1_PORT: '0',
        OPENLEDGER_L2_RPC_PORT: '0',
        OPENLEDGER_BLOCK_TIME_SECONDS: '1',
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  child.stdout.pipe(log)
  child.stderr.pipe(log)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const url = await waitFor(`the server to come up`, 180_000, () => {
    if (child.exitCode !== null)
      throw new Error(`Expected the server to run, but it ended:\n${tailOf(directory)}`)
    return existsSync(announcement)
      ? (JSON.parse(readFileSync(announcement, 'utf8')).url as string)
      : undefined
  }).catch((error) => {
    throw new Error(`${(error as Error).message}\n${tailOf(directory)}`)
  })
  const client = createClient({ url })
  return {
    url,
    directory,
    pid: child.pid!,
    client,
    seeded: () => untilSeeded(client, directory),
    kill: () => end(child, 'SIGKILL', ended),
    stop: () => end(child, 'SIGTERM', ended),
  }
}

/** Waits until the first start of the house in a folder has put everything in place. @throws {Error} where a step fails. */
export async function untilSeeded(client: Client, directory: string): Promise<void> {
  await waitFor('the first start to complete', 900_000, async () => {
    const seed = await client.seed()
    const failed = seed.steps.find((step) => step.state === 'failed')
    if (failed !== undefined) throw new Error(`${failed.title}: ${failed.detail}\n${tailOf(directory)}`)
    return seed.done || undefined
  })
}

const tailOf = (directory: string): string =>
  readFileSync(join(directory, 'server.log'), 'utf8').slice(-3_000)

async function end(child: ChildProcess, signal: NodeJS.Signals, ended: Promise<void>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal)
  await ended
}

/** Asks again and again until there is an answer. @throws {Error} naming what it waited for. */
export async function waitFor<T>(
  what: string,
  timeoutMs: number,
  ask: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (Date.now() > deadline)
      throw new Error(`Expected ${what} within ${timeoutMs / 1000} s, but it did not.`)
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}
