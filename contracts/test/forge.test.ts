import { execFile, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { forgePath } from '../../scripts/generate.ts'
import { makeVectors } from './vectors.ts'

/** Every test that forge runs, as a test of its own, so that a failing one fails `npm test` by name and with its reason. */

type ForgeTest = {
  readonly status: 'Success' | 'Failure' | 'Skipped'
  readonly reason: string | null
  readonly counterexample: unknown
  readonly decoded_logs: readonly string[]
  readonly gas_snapshots?: Record<string, Record<string, string>>
}
type ForgeSuites = Record<string, { readonly test_results: Record<string, ForgeTest> }>

const root = fileURLToPath(new URL('../..', import.meta.url))

function runForge(): Promise<ForgeSuites> {
  return new Promise((resolve, reject) => {
    execFile(
      forgePath(),
      ['test', '--json'],
      { cwd: root, maxBuffer: 256 * 1024 * 1024 },
      (_failure, stdout, stderr) => {
        // forge also exits with 1 when a test fails; only an answer that cannot be read means that it did not run
        const start = stdout.indexOf('{')
        if (start < 0) reject(new Error(`forge ran no tests:\n${stdout}\n${stderr}`))
        else resolve(JSON.parse(stdout.slice(start)) as ForgeSuites)
      },
    )
  })
}

const suites = await runForge()

for (const [suite, { test_results: results }] of Object.entries(suites).sort()) {
  describe(suite.replace('contracts/test/', ''), () => {
    for (const [name, result] of Object.entries(results)) {
      test.skipIf(result.status === 'Skipped')(name, () => {
        if (result.status !== 'Failure') return
        const details = result.counterexample === null ? '' : `\n${JSON.stringify(result.counterexample)}`
        throw new Error([result.reason ?? 'failed', ...result.decoded_logs].join('\n') + details)
      })
    }
  })
}

describe('gas snapshots', () => {
  const measured = new Map<string, Record<string, string>>()
  for (const { test_results: results } of Object.values(suites)) {
    for (const { gas_snapshots: groups = {} } of Object.values(results)) {
      for (const [group, figures] of Object.entries(groups)) {
        measured.set(group, { ...measured.get(group), ...figures })
      }
    }
  }
  const folder = new URL('../snapshots/', import.meta.url)
  const groups = readdirSync(folder).map((file) => basename(file, '.json'))

  test('cover the same flows as the tests measure', () => {
    expect(groups.sort()).toEqual([...measured.keys()].sort())
  })
  test.each(groups)('%s costs what contracts/snapshots says; `forge test` rewrites it', (group) => {
    expect(measured.get(group)).toEqual(JSON.parse(readFileSync(new URL(`${group}.json`, folder), 'utf8')))
  })
})

test('forge ran every test file', () => {
  // its cache can hold contracts without code (`forge lint` leaves such), which it then skips without a word
  const files = readdirSync(new URL('.', import.meta.url)).filter((file) => file.endsWith('.t.sol'))
  const withTests = files.filter((file) =>
    /function (test|testFuzz|invariant)_/.test(readFileSync(new URL(file, import.meta.url), 'utf8')),
  )
  const ran = new Set(Object.keys(suites).map((suite) => basename(suite.split(':')[0]!)))
  expect([...ran].sort()).toEqual(withTests.sort())
})

test('the sources are formatted; `forge fmt` does it', () => {
  const forge = spawnSync(forgePath(), ['fmt', '--check'], { cwd: root, encoding: 'utf8' })
  expect(forge.stdout).toBe('')
})

test('the vectors are what TypeScript makes; `node contracts/test/vectors.ts` rewrites them', async () => {
  const committed = readFileSync(new URL('fixtures/vectors.json', import.meta.url), 'utf8')
  expect(await makeVectors()).toBe(committed)
})
