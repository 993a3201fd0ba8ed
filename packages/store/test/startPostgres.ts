import { execFileSync, spawn } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'

/** Says whether PostgreSQL's programs are installed here. */
export function hasPostgres(): boolean {
  try {
    execFileSync('initdb', ['--version'], { stdio: 'ignore' })
    execFileSync('postgres', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** PostgreSQL refuses to run as root; as root it is started as `nobody`. */
const UNPRIVILEGED = 65_534

/** Starts a server of its own for one test file, on a socket in a temporary folder. */
export async function startPostgres(): Promise<{ url: string; close: () => Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), 'openledger-postgres-'))
  const identity = process.getuid?.() === 0 ? { uid: UNPRIVILEGED, gid: UNPRIVILEGED } : {}
  if (identity.uid !== undefined) chownSync(directory, UNPRIVILEGED, UNPRIVILEGED)
  const data = join(directory, 'data')
  const options = { ...identity, cwd: directory, env: { ...process.env, HOME: directory } }
  execFileSync('initdb', ['-D', data, '-U', 'openledger', '-A', 'trust', '--no-sync', '-E', 'UTF8'], {
    ...options,
    stdio: 'ignore',
  })
  const settings = ['-c', 'listen_addresses=', '-c', 'fsync=off', '-k', directory]
  const server = spawn('postgres', ['-D', data, ...settings], { ...options, stdio: 'ignore' })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  const url = `postgres://openledger@/postgres?host=${encodeURIComponent(directory)}`
  for (let attempt = 0; ; attempt++) {
    const client = new pg.Client({ connectionString: url })
    try {
      await client.connect()
      await client.end()
      break
    } catch (error) {
      if (attempt === 100) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  return {
    url,
    close: async () => {
      server.kill('SIGINT')
      await ended
      rmSync(directory, { recursive: true })
    },
  }
}
