import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

/** The house, ground first. ARCHITECTURE.md draws it; this list is what holds. */
const floors: readonly (readonly string[])[] = [
  ['primitives'],
  ['tensor'],
  ['protocol'],
  ['store'],
  ['rollup', 'model', 'attribution'],
  ['node', 'datanet', 'modelfactory', 'openlora', 'settlement', 'agent'],
  ['api', 'sdk'],
]
const root = join(import.meta.dirname, '..')
const floorOf = (name: string): number => floors.findIndex((floor) => floor.includes(name))
const sources = globSync('packages/*/src/**/*.{ts,tsx}', { cwd: root }).map((path) => ({
  path,
  package: path.split('/')[1]!,
  text: readFileSync(join(root, path), 'utf8'),
}))
const importsOf = (text: string): string[] =>
  [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!)

describe('the house', () => {
  test('every package stands on a floor', () => {
    expect(sources.filter((source) => floorOf(source.package) < 0).map((source) => source.path)).toEqual([])
  })

  test('imports only go down', () => {
    const upward = sources.flatMap((source) =>
      importsOf(source.text).flatMap((specifier) => {
        const target = /^@openledger\/([a-z]+)/.exec(specifier)?.[1]
        if (target === undefined || target === source.package) return []
        return floorOf(target) < floorOf(source.package) && floorOf(target) >= 0
          ? []
          : [`${source.path} imports ${specifier}`]
      }),
    )
    expect(upward).toEqual([])
  })

  test('no package reaches into another by a path', () => {
    const reaching = sources.flatMap((source) =>
      importsOf(source.text)
        .filter((specifier) => specifier.startsWith('.'))
        .filter(
          (specifier) => !join(source.path, '..', specifier).startsWith(join('packages', source.package)),
        )
        .map((specifier) => `${source.path} imports ${specifier}`),
    )
    expect(reaching).toEqual([])
  })

  test('only apps read the environment', () => {
    const reading = sources.filter(
      (source) => !source.path.includes('.test.') && /process\.env\b/.test(source.text),
    )
    expect(reading.map((source) => source.path)).toEqual([])
  })

  test('the pure floors ask for time, chance and the outside world instead of taking them', () => {
    const pure = ['primitives', 'protocol', 'rollup', 'attribution']
    const impure =
      /\b(Date\.now\(|Math\.random\(|fetch\(|from 'node:(fs|http|net|child_process|sqlite)|process\.)/
    const found = sources.filter(
      (source) =>
        pure.includes(source.package) &&
        !/\.(test|bench)\.ts$/.test(source.path) &&
        !source.path.endsWith('Clock.ts') &&
        impure.test(source.text),
    )
    expect(found.map((source) => source.path)).toEqual([])
  })
})
