import { open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BaseError } from '@openledger/primitives'

/**
 * Takes a folder for this process alone, so that two servers never write one database; a lock left by a killed process
 * is taken over.
 * @returns What gives the folder back.
 * @throws {DirectoryLockedError}
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'lock')
  const own = await describeProcess(process.pid)
  for (;;) {
    try {
      const file = await open(path, 'wx')
      await file.writeFile(own)
      await file.close()
      return () => rm(path, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const holder = await readFile(path, 'utf8').catch(() => '')
    const pid = Number.parseInt(holder, 10)
    if (Number.isInteger(pid) && isAlive(pid) && holder === (await describeProcess(pid))) {
      throw new DirectoryLockedError(directory, pid)
    }
    await rm(path, { force: true })
  }
}

/** Names a process by its number and, where the system tells, its start, because numbers are used again. */
async function describeProcess(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // field 22 of proc(5), counted after the command name, which may hold spaces
  const startTicks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  return `${pid} ${startTicks}`
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

export class DirectoryLockedError extends BaseError {
  constructor(directory: string, pid: number) {
    super({
      code: 'database.directory_locked',
      message: `Expected to have ${directory} alone, but process ${pid} has it open. Stop that process or choose another data directory.`,
      context: { directory, pid },
    })
  }
}
