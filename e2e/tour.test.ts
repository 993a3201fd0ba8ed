import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'

const root = join(import.meta.dirname, '..')

/** Runs the tour as a person would and gives what it said. */
function runTour(url: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const tour = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', 'apps/cli/src/main.ts', '--url', url, 'tour'],
      { cwd: root },
    )
    let output = ''
    tour.stdout.on('data', (chunk) => (output += chunk))
    tour.stderr.on('data', (chunk) => (output += chunk))
    tour.on('close', (code) => resolve({ code, output }))
  })
}

test('the tour goes once round the loop, to more OPEN on L1 than before', async () => {
  const { code, output } = await runTour(inject('houseUrl'))
  expect({ code, output }).toMatchObject({ code: 0 })
  expect(output).toMatch(/OPEN of the contributor on L1: .* before, .* after/)
  expect(output).toContain('then it was stopped')
  expect(output).toContain('The loop is closed.')
})
