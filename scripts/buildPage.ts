import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

/**
 * Builds apps/web when there is no build of exactly these sources.
 * @throws {Error} when the build fails; what it says is on the terminal.
 */
export function buildPage(): void {
  const dist = join(root, 'apps/web/dist')
  const inputs = globSync(
    [
      'apps/web/{index.html,*.ts,src/**/*}',
      'packages/{agent,sdk,protocol,primitives}/src/**/*.ts',
      'package-lock.json',
    ],
    {
      cwd: root,
    },
  ).sort()
  const digest = createHash('sha256')
  for (const input of inputs) {
    if (/\.[a-z]+$/.test(input)) digest.update(input).update(readFileSync(join(root, input)))
  }
  const hash = digest.digest('hex')
  const stamp = join(dist, '.sources')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return
  console.log('Building the page ...')
  const vite = spawnSync(join(root, 'node_modules/.bin/vite'), ['build', '--logLevel', 'warn'], {
    cwd: join(root, 'apps/web'),
    stdio: 'inherit',
  })
  if (vite.status !== 0) throw new Error('The page could not be built; the lines above say why.')
  writeFileSync(stamp, hash)
}
