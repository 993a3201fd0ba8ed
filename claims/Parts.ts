import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The parts of a run that takes long: one that was cut off goes on where it was. */
export type Parts = {
  /** Gives a part as it was found before, or finds and keeps it. */
  readonly once: <T>(key: string, find: () => Promise<T>) => Promise<T>
  /** A whole run ends with it: the next one begins anew. */
  readonly forget: () => void
}

/**
 * Opens the parts that are known of a run.
 *
 * @param sources - Globs of the code that is measured, from the repository's root; when one of these files differs from
 * when a part was found, no part is known.
 */
export function openParts(name: string, sources: readonly string[]): Parts {
  const path = join(tmpdir(), `openledger-${name}.jsonl`)
  const digest = digestOf(sources)
  const known = new Map<string, unknown>()
  const [head, ...lines] = existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : []
  if (head === digest) {
    for (const line of lines) {
      const [key, value] = JSON.parse(line) as [string, unknown]
      known.set(key, value)
    }
  } else writeFileSync(path, `${digest}\n`)
  return {
    async once<T>(key: string, find: () => Promise<T>): Promise<T> {
      if (!known.has(key)) {
        const found = await find()
        known.set(key, found)
        appendFileSync(path, `${JSON.stringify([key, found])}\n`)
      }
      return known.get(key) as T
    },
    forget: () => rmSync(path, { force: true }),
  }
}

/** Hashes the files that globs name, from the repository's root. */
export function digestOf(sources: readonly string[]): string {
  const digest = createHash('sha256')
  const root = join(import.meta.dirname, '..')
  for (const file of sources.flatMap((source) => globSync(source, { cwd: root })).sort()) {
    digest.update(`${file}\n`).update(readFileSync(join(root, file)))
  }
  return digest.digest('hex')
}
