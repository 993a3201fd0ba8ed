import { globSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { indexTable, readPages, withSection } from './Pages.ts'

const page = `# Measured: chain

<!-- bench: chain -->
<!-- end of bench: chain -->

<!-- soak: fuzz -->
## soak: fuzz

Nothing crashes.

Not run to its end.
<!-- end of soak: fuzz -->
`
const body = `It is fast.

\`npm run bench -- chain 10000\` on 2026-11-22, beside others: chain 7375 transfers/s
of one thread, goal at least 6000: met.`

describe('the pages of what was measured', () => {
  test('have one section for each claim', () => {
    const claims = globSync('{bench,vectors,attack,soak}/*.ts', { cwd: import.meta.dirname })
      .filter((path) =>
        readFileSync(join(import.meta.dirname, path), 'utf8').includes('\nexport const claim'),
      )
      .map((path) => `${dirname(path)}: ${basename(path, '.ts')}`)
    const sections = readPages().flatMap(({ text }) =>
      [...text.matchAll(/^<!-- (\w+: \S+) -->$/gm)].map((match) => match[1]!),
    )
    expect(sections.sort()).toEqual(claims.sort())
  })

  test('keep all but the section that is written anew', () => {
    const first = withSection(page, 'bench: chain', body)
    expect(first).toContain('## bench: chain\n\nIt is fast.')
    expect(withSection(first, 'bench: chain', 'x')).toBe(first.replace(body, 'x'))
    expect(() => withSection(page, 'bench: spans', 'x')).toThrow('end of bench: spans')
  })

  test('give the index its rows', () => {
    expect(indexTable([{ name: 'chain', text: withSection(page, 'bench: chain', body) }])).toBe(
      [
        '| claim | what it says | figure | goal | verdict | run |',
        '| --- | --- | --- | --- | --- | --- |',
        '| [bench: chain](benchmarks/chain.md#bench-chain) | It is fast. | 7375 transfers/s of one thread | at least 6000 | met | 2026-11-22, 10000 |',
        '| [soak: fuzz](benchmarks/chain.md#soak-fuzz) | Nothing crashes. |  |  | not run |  |',
      ].join('\n'),
    )
  })
})
