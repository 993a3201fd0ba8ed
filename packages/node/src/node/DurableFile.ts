import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Replaces a file so that after a crash at any point the old or the new content stands, never a mixture: writes beside
 * it, flushes, renames, flushes the folder.
 * @param mode - Who may open it, less what the process's umask takes away.
 */
export function write(path: string, content: Uint8Array | string, mode = 0o666): void {
  mkdirSync(dirname(path), { recursive: true })
  const beside = `${path}.${process.pid}.new`
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  const file = openSync(beside, 'w', mode)
  try {
    for (let offset = 0; offset < bytes.length; ) offset += writeSync(file, bytes, offset)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(beside, path)
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

/** Writes a value as indented JSON, durably. */
export const writeJson = (path: string, value: unknown, mode?: number): void =>
  write(path, `${JSON.stringify(value, undefined, 2)}\n`, mode)

/** Reads a file's bytes, or `undefined` where there is none. */
export function read(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Reads a JSON file, or `undefined` where there is none. */
export function readJson(path: string): unknown {
  const bytes = read(path)
  return bytes === undefined ? undefined : JSON.parse(Buffer.from(bytes).toString('utf8'))
}
