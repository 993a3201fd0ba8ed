import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { BaseError } from '@openledger/primitives'

/** Held for as long as one process works in a directory. */
export type DirectoryLock = { readonly release: () => void }

/**
 * Keeps a second node out of a directory. What a killed process left behind is taken over.
 * @throws {DirectoryLockedError} while another process lives that holds it.
 */
export function lockDirectory(directory: string): DirectoryLock {
  mkdirSync(directory, { recursive: true })
  const path = join(directory, 'node.lock')
  const own = JSON.stringify({ pid: process.pid, boot: bootId() })
  for (;;) {
    try {
      const file = openSync(path, 'wx')
      writeSync(file, own)
      closeSync(file)
      return { release: () => rmSync(path, { force: true }) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const holder = readHolder(path)
    if (holder !== undefined && isAlive(holder)) throw new DirectoryLockedError(directory, holder.pid)
    rmSync(path, { force: true })
  }
}

type Holder = { readonly pid: number; readonly boot: string }

function readHolder(path: string): Holder | undefined {
  try {
    const { pid, boot } = JSON.parse(readFileSync(path, 'utf8')) as Partial<Holder>
    return typeof pid === 'number' && typeof boot === 'string' ? { pid, boot } : undefined
  } catch {
    // a process killed between creating and writing the file
    return undefined
  }
}

function isAlive({ pid, boot }: Holder): boolean {
  // process ids start again after a reboot
  if (boot !== bootId()) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Names this run of the operating system, where it tells. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}

export class DirectoryLockedError extends BaseError {
  constructor(directory: string, pid: number) {
    super({
      code: 'node.directory_locked',
      message: `Expected ${directory} to be free, process ${pid} works in it: stop that process, or use another directory.`,
      context: { directory, pid },
    })
  }
}
