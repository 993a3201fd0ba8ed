import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import * as Abi from '../packages/protocol/src/abi/index.ts'

const page = readFileSync(join(import.meta.dirname, '../docs/contracts.md'), 'utf8')

/** Functions that change something, by contract, as the generated interfaces have them. */
const functionsOf = (abi: readonly { type: string; name?: string; stateMutability?: string }[]): string[] =>
  [
    ...new Set(
      abi
        .filter(
          ({ type, stateMutability }) => type === 'function' && !['view', 'pure'].includes(stateMutability!),
        )
        .map(({ name }) => name!),
    ),
  ].sort()

const interfaces = Object.entries(Abi)
  .filter(([name]) => name.endsWith('Abi'))
  .map(([name, abi]) => [name.slice(0, -3).toLowerCase(), functionsOf(abi as never)] as const)
  .filter(([, functions]) => functions.length > 0)

const sections = page
  .split(/^## /m)
  .slice(1)
  .map((section) => {
    const title = section.split('\n')[0]!
    return [
      title.split('/').at(-1)!.toLowerCase(),
      [...section.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]!).sort(),
    ] as const
  })

describe('the page that says who may call what', () => {
  test.each(interfaces)('has every function of %s and no other', (name, functions) => {
    expect(sections.find(([title]) => title === name)?.[1]).toEqual(functions)
  })

  test('has no contract that there is not', () => {
    const known = new Set(interfaces.map(([name]) => name))
    const unknown = sections.filter(([title, functions]) => functions.length > 0 && !known.has(title))
    expect(unknown).toEqual([])
  })
})
