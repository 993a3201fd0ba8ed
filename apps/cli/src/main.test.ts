import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

test('the command line starts: every command has a name of its own', () => {
  const main = new URL('./main.ts', import.meta.url).pathname
  const help = execFileSync(process.execPath, ['--no-warnings', main, '--help'], { encoding: 'utf8' })
  expect(help).toContain('verifier')
})
