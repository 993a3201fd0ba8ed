// Runs on whatever Node npm itself runs on (20 or newer), before anything is installed; plain JavaScript for that reason.
// Installs what the lock file names if it is missing or stale, then hands over to the pinned Node in node_modules.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = join(root, 'node_modules', '.bin')
const stamp = join(root, 'node_modules', '.openledger-lock')
const lockHash = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')

function install() {
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash) return
  console.log('Installing what the lock file names (about a minute the first time) ...')
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
  })
  if (npm.status !== 0) {
    console.error('npm ci failed; the lines above say why. Nothing else was started.')
    process.exit(npm.status ?? 1)
  }
  mkdirSync(join(root, 'node_modules'), { recursive: true })
  writeFileSync(stamp, lockHash)
}

/** Each word of `npm run WORD` is a list of commands, run one after the other until one fails. */
const node = (...args) => ['node', '--disable-warning=ExperimentalWarning', ...args]
const commands = (rest) => ({
  start: [node('scripts/start.ts', ...rest)],
  worker: [node('apps/server/src/worker.ts', ...rest)],
  replica: [node('apps/server/src/replica.ts', ...rest)],
  tour: [node('apps/cli/src/main.ts', 'tour', ...rest)],
  openledger: [node('apps/cli/src/main.ts', ...rest)],
  generate: [node('scripts/generate.ts', ...rest)],
  test: [node('scripts/test.ts', ...rest)],
  e2e: [['vitest', 'run', '--project', 'e2e', ...rest]],
  bench: [node('claims/main.ts', 'bench', ...rest)],
  vectors: [node('claims/main.ts', 'vectors', ...rest)],
  attack: [node('claims/main.ts', 'attack', ...rest)],
  soak: [node('claims/main.ts', 'soak', ...rest)],
  check: [
    ['biome', 'check', '--error-on-warnings', '.'],
    ['tsc', '-p', 'tsconfig.json'],
    ['tsc', '-p', 'apps/web/tsconfig.json'],
    node('scripts/generate.ts', '--check'),
  ],
})

function run([command, ...args]) {
  return new Promise((resolve) => {
    const child = spawn(join(bin, command), args, {
      cwd: root,
      stdio: 'inherit',
      shell: process.platform === 'win32',
      env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
    })
    // the terminal signals the whole group; wait for the child to stop in its own time
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
    child.on('exit', (code, signal) => resolve(code ?? (signal ? 1 : 0)))
  })
}

const [word, ...rest] = process.argv.slice(2)
const list = commands(rest)[word]
if (!list) {
  console.error(`Expected one of ${Object.keys(commands([])).join(', ')}; got ${word ?? 'nothing'}.`)
  process.exit(2)
}
install()
for (const command of list) {
  const code = await run(command)
  if (code !== 0) process.exit(code)
}
