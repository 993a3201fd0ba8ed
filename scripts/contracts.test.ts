import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import * as Abi from '../packages/protocol/src/abi/index.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const page = read('docs/contracts.md')

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

const sources = globSync('**/*.sol', { cwd: join(root, 'contracts/src') }).map((path) => ({
  /** Without the ending, as the page names it: `settlement/Court`. */
  path: path.replace(/\.sol$/, ''),
  name: basename(path, '.sol'),
  text: read(join('contracts/src', path)),
}))
/** What can be deployed; interfaces, libraries and parts of contracts cannot. */
const contracts = sources.filter(({ name, text }) => new RegExp(`^contract ${name}\\b`, 'm').test(text))

/** Functions that others can call, each with the comment before it. */
function callable(text: string) {
  const functions = text.matchAll(/((?:^ *\/\/.*\n)*)^ {4}function (\w+)\(([^;{]*)/gm)
  return [...functions]
    .map(([, comment, name, head]) => ({ comment: comment!, name: name!, head: head! }))
    .filter(({ head }) => /\b(?:external|public)\b/.test(head))
}

describe.each(contracts)('$path', ({ path, name, text }) => {
  const own = callable(text)
  const interfacePath = `contracts/src/interfaces/I${name}.sol`

  test.runIf(own.length > 0)('has an interface, and says of each function what it does', () => {
    expect(existsSync(join(root, interfacePath))).toBe(true)
    const unsaid = own.filter(({ comment }) => !/@inheritdoc|@notice/.test(comment))
    expect(unsaid.map((each) => each.name)).toEqual([])
  })

  test.runIf(own.some(({ head }) => !/\b(?:view|pure)\b/.test(head)))('has events of what it changes', () => {
    expect(read(interfacePath)).toMatch(/^ {4}event /m)
  })

  test('has its storage written down, its gas measured, and a section on the page', () => {
    expect(existsSync(join(root, `contracts/layouts/${name}.txt`))).toBe(true)
    expect(Object.keys(JSON.parse(read(`contracts/snapshots/${name}.json`)))).not.toEqual([])
    expect(page).toContain(`\n## ${path}\n`)
  })

  test('has what always holds on the page, with a test that shows it', () => {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${path}\` |`))
    expect(row).toMatch(/`(?:invariant|test|testFuzz)_\w+`/)
  })
})

test.each(sources)('$path has no reasons as text, only errors of its own', ({ text }) => {
  expect(text).not.toMatch(/\brequire\(|\brevert\("/)
})

test.each(sources.filter(({ path }) => path.startsWith('interfaces/')))(
  '$path says of every function what it does',
  ({ text }) => {
    const unsaid = callable(text).filter(({ comment }) => !comment.includes('@notice'))
    expect(unsaid.map(({ name }) => name)).toEqual([])
  },
)

test.each(['docs/contracts.md', 'docs/settlement.md', 'docs/governance.md', 'contracts/README.md'])(
  '%s names only tests that there are',
  (document) => {
    const tests = readdirSync(join(root, 'contracts/test'))
      .filter((file) => file.endsWith('.t.sol'))
      .map((file) => read(`contracts/test/${file}`))
      .join('\n')
    const named = [...read(document).matchAll(/`((?:test|testFuzz|invariant)_\w+)`/g)].map(
      ([, name]) => name!,
    )
    expect(named.filter((name) => !tests.includes(`function ${name}(`))).toEqual([])
  },
)
