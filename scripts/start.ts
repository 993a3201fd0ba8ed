import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { buildPage } from './buildPage.ts'

/**
 * Starts the whole house on this machine: builds the page if its sources changed, then runs the server.
 * Configuration comes from `OPENLEDGER_*` variables; `npm start -- --print-config` lists them.
 */
const root = join(import.meta.dirname, '..')

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
