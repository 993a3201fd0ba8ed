import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { BaseError } from '@openledger/primitives'

const require = createRequire(import.meta.url)

/**
 * Finds the anvil program that npm installed for this platform.
 * @throws {AnvilMissingError}
 */
export function findAnvil(): string {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch
  const name = `@foundry-rs/anvil-${process.platform}-${architecture}`
  let path: string
  try {
    path = join(dirname(require.resolve(`${name}/package.json`)), 'bin', 'anvil')
  } catch (cause) {
    throw new AnvilMissingError(name, cause)
  }
  if (!existsSync(path)) throw new AnvilMissingError(name, undefined)
  return path
}

/**
 * Starts anvil so that it outlives this process: in a process group of its own, with nothing piped.
 *
 * The child writes its own process id before it becomes anvil, so that no moment exists in which an anvil runs that no
 * file names.
 */
export function spawnAnvil({
  args,
  pidPath,
  logPath,
}: {
  readonly args: readonly string[]
  readonly pidPath: string
  readonly logPath: string
}): void {
  const log = openSync(logPath, 'a')
  try {
    const child = spawn(
      '/bin/sh',
      ['-c', 'echo $$ > "$0.new" && mv "$0.new" "$0" && exec "$@"', pidPath, findAnvil(), ...args],
      { detached: true, stdio: ['ignore', log, log] },
    )
    child.unref()
  } finally {
    closeSync(log)
  }
}

/** Says whether a process of that id exists. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Asks the operating system for a free loopback port. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

export class AnvilMissingError extends BaseError {
  constructor(packageName: string, cause: unknown) {
    super({
      code: 'l1.anvil_missing',
      message: `Expected the package ${packageName} beside @foundry-rs/anvil, found none: install with optional dependencies, or name an L1 endpoint.`,
      context: { packageName },
      cause,
    })
  }
}
