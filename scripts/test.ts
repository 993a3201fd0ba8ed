import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/**
 * Runs every suite in one go, so that one closing line counts them all: `npm test [vitest arguments]`.
 *
 * The projects start one after the other (see `groupOrder` in vitest.config.ts): whole houses need the machine for
 * themselves.
 */
const vitest = join(import.meta.dirname, '..', 'node_modules', '.bin', 'vitest')
const run = spawnSync(
  vitest,
  ['run', '--project', 'unit', '--project', 'contracts', '--project', 'e2e', ...process.argv.slice(2)],
  { stdio: 'inherit', env: { ...process.env, CI: process.env['CI'] ?? 'true' } },
)
process.exit(run.status ?? 1)
