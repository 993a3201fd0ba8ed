import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { actionScenarios } from './ActionScenarios.ts'

test('the table of scenarios names every file of op-e2e’s proofs actions, and tests that exist', () => {
  const root = new URL('../../../', import.meta.url)
  const files = actionScenarios.map(({ file }) => file)
  expect(new Set(files).size).toBe(files.length)
  expect(files).toHaveLength(36)
  const wrong = actionScenarios.flatMap((scenario) => {
    if ('notHere' in scenario) return scenario.notHere.length > 10 ? [] : [scenario.file]
    const missing = scenario.shownBy.filter(
      ([path, title]) => !readFileSync(new URL(path, root), 'utf8').includes(title),
    )
    return missing.map(([path, title]) => `${scenario.file}: ${path} has no test "${title}"`)
  })
  expect(wrong).toEqual([])
})
