import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Runs the benches: all, or those whose file name contains a word, e.g. `npm run bench -- serving`.
 *
 * Every bench runs the best alternative at hand in the same run and prints the ratio, because absolute times say more
 * about the machine than about the code.
 */
const root = join(import.meta.dirname, '..')
const [word, ...rest] = process.argv.slice(2)
const names = globSync('{packages,e2e,contracts}/**/*.bench.ts', {
  cwd: root,
  exclude: (path) => path.includes('node_modules'),
})
  .map((path) => path.replace(/^.*\/|\.bench\.ts$/g, ''))
  .sort()
if (
  word !== undefined &&
  !word.startsWith('-') &&
  !names.some((name) => name.toLowerCase().includes(word.toLowerCase()))
) {
  console.error(`Expected one of the benches ${names.join(', ')}; got ${word}.`)
  process.exit(2)
}
const vitest = join(root, 'node_modules', '.bin', 'vitest')
const run = spawnSync(vitest, ['run', '--project', 'bench', ...(word === undefined ? [] : [word]), ...rest], {
  cwd: root,
  stdio: 'inherit',
})
process.exit(run.status ?? 1)
