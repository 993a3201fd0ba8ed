import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Starts the whole house on this machine: builds the page if its sources changed, then runs the server.
 * Configuration comes from `OPENLEDGER_*` variables; `npm start -- --print-config` lists them.
 */
const root = join(import.meta.dirname, '..')

/** Builds apps/web when there is no build of exactly these sources. */
function buildPage(): void {
  const dist = join(root, 'apps/web/dist')
  const inputs = globSync(
    [
      'apps/web/{index.html,*.ts,src/**/*}',
      'packages/{sdk,protocol,primitives}/src/**/*.ts',
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
  if (vite.status !== 0) process.exit(vite.status ?? 1)
  writeFileSync(stamp, hash)
}

buildPage()
const server = spawn(
  process.execPath,
  ['--disable-warning=ExperimentalWarning', 'apps/server/src/main.ts', ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: 'inherit',
  },
)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => server.kill(signal))
server.on('exit', (code) => process.exit(code ?? 1))
