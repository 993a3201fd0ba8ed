import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where test vectors of others lie: a folder for each source, named in `OPENLEDGER_VECTORS`. */
export const vectorsFolder = (source: string): string | undefined => {
  const root = process.env['OPENLEDGER_VECTORS']
  const folder = root === undefined ? undefined : join(root, source)
  return folder !== undefined && existsSync(folder) ? folder : undefined
}

/** Lists files under a folder, sorted. */
export const filesOf = (folder: string, pattern: string): string[] =>
  globSync(pattern, { cwd: folder }).sort()

/**
 * Hashes what a folder holds: SHA-256 over lines of git's blob id and path, sorted by path.
 *
 * `git ls-tree -r COMMIT` lists the same ids, so a digest can be checked without the files.
 */
export function digestOf(folder: string, files: readonly string[]): string {
  const digest = createHash('sha256')
  for (const file of [...files].sort()) {
    const bytes = readFileSync(join(folder, file))
    const blob = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
    digest.update(`${blob} ${file}\n`)
  }
  return digest.digest('hex')
}

/** Says that vectors are absent, in the closing line's terms: nothing was shown. */
export const absent = (source: string, how: string) => ({
  figure: 0,
  unit: 'cases passed: the vectors are absent',
  goal: 1,
  sense: 'at least' as const,
  failures: [`no folder ${source} in OPENLEDGER_VECTORS`],
  report: `Expected the folder \`${source}\` in \`$OPENLEDGER_VECTORS\`: ${how}. Absent vectors are not counted as passed.`,
})
