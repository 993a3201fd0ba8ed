import { spawnSync } from 'node:child_process'
import {
  existsSync,
  globSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { configSchema, readConfig, variableOf } from '../apps/server/src/Config.ts'
import { DevelopmentKeys, TypedData } from '../packages/protocol/src/index.ts'

/** What the documents say is held against the code, so that a document that has become untrue fails. */
const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** Markdown files that are part of the repository, those not yet added included. */
const documents = spawnSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate', '*.md'],
  { cwd: root, encoding: 'utf8' },
)
  .stdout.split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)))

const blocksOf = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map((match) => match[1]!)

const withoutBlocks = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, '')

/** A section from its heading to the next of the same or a higher level. */
function sectionOf(text: string, heading: string): string {
  const start = text.indexOf(`\n${heading}\n`)
  if (start < 0) throw new Error(`Expected the heading "${heading}".`)
  const level = heading.match(/^#+/)![0].length
  const rest = text.slice(start + heading.length + 2)
  const next = rest.search(new RegExp(`^#{1,${level}} `, 'm'))
  return next < 0 ? rest : rest.slice(0, next)
}

/** Rows of the first table of a text, cells trimmed, without its head. */
const tableOf = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    )

/** Says whether a source defines a function of that name: declared, assigned, a method or a property. */
function defines(source: string, name: string): boolean {
  const parameters = '\\((?:[^()]|\\((?:[^()]|\\([^()]*\\))*\\))*\\)'
  return [
    `function\\*?\\s+${name}\\b`,
    `(?:const|let)\\s+${name}\\b`,
    `^\\s*(?:async\\s+)?\\*?${name}\\s*${parameters}\\s*(?::[^\\n]*)?\\{`,
    `^\\s*${name}:\\s*(?:async\\s*)?[(a-z]`,
  ].some((pattern) => new RegExp(pattern, 'm').test(source))
}

describe('the architecture', () => {
  const architecture = read('ARCHITECTURE.md')
  const journeys = sectionOf(architecture, '## Three journeys').split(/^### /m).slice(1)

  test('tells three journeys', () => {
    expect(journeys.length).toBe(3)
    for (const journey of journeys) expect(journey.match(/^\d+\. /gm)!.length).toBeGreaterThan(10)
  })

  test('names only files and functions that exist, in every step of a journey', () => {
    const wrong: string[] = []
    for (const step of journeys.flatMap((journey) => journey.split(/^(?=\d+\. )/m).slice(1))) {
      const label = step.slice(0, 40)
      let file: string | undefined
      let functionCount = 0
      for (const [, span] of step.matchAll(/`([^`]+)`/g)) {
        if (/^[\w./-]+\/[\w.-]+\.(ts|tsx|sol|mjs)$/.test(span!)) {
          file = span!
          if (!existsSync(join(root, file))) wrong.push(`${label}: there is no ${file}`)
        } else if (span!.endsWith('()')) {
          functionCount++
          const name = span!.slice(0, -2)
          if (file === undefined) wrong.push(`${label}: ${name} comes before any file`)
          else if (existsSync(join(root, file)) && !defines(read(file), name))
            wrong.push(`${label}: ${file} has no function ${name}`)
        }
      }
      if (functionCount === 0) wrong.push(`${label}: names no function`)
    }
    expect(wrong).toEqual([])
  })

  test('names only paths that exist anywhere else', () => {
    const wrong = [
      ...withoutBlocks(architecture).matchAll(/`((?:packages|apps|contracts|e2e|scripts|docs)\/[^`*]*)`/g),
    ]
      .map((match) => match[1]!)
      .filter((path) => !existsSync(join(root, path)))
    expect(wrong).toEqual([])
  })

  test('draws every package and app on the floor that the floors test holds it to', () => {
    const declared = /const floors[^=]*=\s*\[([\s\S]*?)\n\]/.exec(read('scripts/floors.test.ts'))![1]!
    const floors = [...declared.matchAll(/\[([^\]]*)\]/g)].map((match) =>
      [...match[1]!.matchAll(/'(\w+)'/g)].map((name) => name[1]!),
    )
    const drawn = tableOf(sectionOf(architecture, '## The house')).map((cells) =>
      cells[1]!.replaceAll('`', ''),
    )
    const packages = readdirSync(join(root, 'packages'))
    const apps = readdirSync(join(root, 'apps')).map((name) => `apps/${name}`)
    expect([...drawn].sort()).toEqual([...apps, ...packages].sort())
    // from the roof down, the floor never rises
    const levels = drawn
      .filter((name) => !name.startsWith('apps/'))
      .map((name) => floors.findIndex((floor) => floor.includes(name)))
    expect(levels).toEqual([...levels].sort((a, b) => b - a))
  })
})

describe('links', () => {
  const slugs = (text: string): Set<string> =>
    new Set(
      [...withoutBlocks(text).matchAll(/^#{1,6} (.+)$/gm)].map((match) =>
        match[1]!
          .toLowerCase()
          .replace(/[^\p{L}\p{N}\s_-]/gu, '')
          .replace(/\s/g, '-'),
      ),
    )

  test('lead to files and headings that exist', () => {
    // without git there would be nothing to look at
    expect(documents).toContain('README.md')
    const broken = documents.flatMap((path) =>
      [...withoutBlocks(read(path)).matchAll(/\]\(([^)\s]+)\)/g)]
        .map((match) => match[1]!)
        .filter((target) => !/^[a-z]+:/i.test(target))
        .filter((target) => {
          const [file, anchor] = target.split('#') as [string, string?]
          const to = file === '' ? path : relative(root, join(root, dirname(path), file))
          if (!existsSync(join(root, to))) return true
          return anchor !== undefined && to.endsWith('.md') && !slugs(read(to)).has(anchor)
        })
        .map((target) => `${path}: ${target}`),
    )
    expect(broken).toEqual([])
  })

  test('every package, app and suite has a README that README or ARCHITECTURE can lead to', () => {
    const folders = ['packages', 'apps'].flatMap((folder) =>
      readdirSync(join(root, folder)).map((name) => `${folder}/${name}`),
    )
    const missing = [...folders, 'contracts', 'e2e'].filter(
      (folder) => !existsSync(join(root, folder, 'README.md')),
    )
    expect(missing).toEqual([])
  })
})

describe('tests that documents name', () => {
  test('are there, under the title that is told', () => {
    const missing = documents.flatMap((path) => {
      // a file, a colon, titles in italics: until the next file or the end of the line
      const named = read(path).matchAll(/`([\w./-]+\.test\.ts)`: ((?:\*[^*\n]+\*(?:[^*`\n]*))+)/g)
      return [...named].flatMap(([, file, titles]) =>
        [...titles!.matchAll(/\*([^*]+)\*/g)]
          .filter(([, title]) => !existsSync(join(root, file!)) || !read(file!).includes(title!))
          .map(([, title]) => `${path}: ${file}: ${title}`),
      )
    })
    expect(missing).toEqual([])
  })
})

describe('commands in the documents', () => {
  const scripts = Object.keys(
    (JSON.parse(read('package.json')) as { scripts: Record<string, string> }).scripts,
  )
  const program = ['apps/cli/src/main.ts', ...globSync('apps/cli/src/commands/*.ts', { cwd: root })]
    .map(read)
    .join('\n')
  const optionsIn = (text: string): string[] =>
    [...text.matchAll(/\.(?:required)?[oO]ption\('(--[\w-]+)/g)].map((match) => match[1]!)
  /** Options that several commands share: of the function that a command is handed to as it is declared. */
  const sharedOptions = (name: string): string[] => {
    const wrapper = new RegExp(`(\\w+)\\(\\s*program\\s*\\.command\\('${name}'`).exec(program)?.[1]
    if (wrapper === undefined) return []
    return optionsIn(program.split(`const ${wrapper} = `)[1]!.split('\n\n')[0]!)
  }
  const commands = new Map(
    program
      .split(/\n\s*\.command\('/)
      .slice(1)
      .map((part) => {
        const name = part.slice(0, part.indexOf("'"))
        return [name, [...optionsIn(part), ...sharedOptions(name)]] as const
      }),
  )
  const globalOptions = [
    ...program.slice(0, program.indexOf(".command('")).matchAll(/\.option\('(--[\w-]+)/g),
  ]
    .map((match) => match[1]!)
    .concat('--help')
  const roles = new RegExp(`^(${Object.keys(DevelopmentKeys.ROLES).join('|')}|contributor-\\d{1,2})$`)

  /** Words of a command line, quotes honoured, the comment at its end left out. */
  const wordsOf = (line: string): string[] =>
    [...line.replace(/\s#\s.*$/, '').matchAll(/"[^"]*"|'[^']*'|\S+/g)].map((match) =>
      match[0].replace(/^["']|["']$/g, ''),
    )

  function faultOf(line: string): string | undefined {
    const words = wordsOf(line)
    while (/^[A-Z_]+=/.test(words[0] ?? '')) words.shift()
    const [first, second, ...rest] = words
    if (first !== 'npm') return undefined
    const script = second === 'run' ? rest.shift() : second
    if (script === 'ci' || script === 'install') return undefined
    if (!scripts.includes(script!)) return `there is no script ${script}`
    if (script !== 'openledger') return undefined
    if (rest[0] === '--') rest.shift()
    let command: string | undefined
    for (const [i, word] of rest.entries()) {
      if (!word.startsWith('--')) {
        const isValue = i > 0 && (rest[i - 1] === '--as' || rest[i - 1] === '--url')
        if (command === undefined && !isValue) command = word
        continue
      }
      if (word === '--as' && !roles.test(rest[i + 1] ?? '')) return `there is no role ${rest[i + 1]}`
      if (!globalOptions.includes(word) && !commands.get(command ?? '')?.includes(word))
        return `${command} has no option ${word}`
    }
    return command !== undefined && !commands.has(command) ? `there is no command ${command}` : undefined
  }

  test('are scripts of package.json and commands of the command line', () => {
    const faults = documents.flatMap((path) =>
      blocksOf(read(path), 'sh')
        .flatMap((block) => block.replace(/\\\n\s*/g, ' ').split('\n'))
        .flatMap((line) => {
          const fault = faultOf(line)
          return fault === undefined ? [] : [`${path}: ${line}: ${fault}`]
        }),
    )
    expect(faults).toEqual([])
  })

  test('of the command line are all there when it starts', { timeout: 60_000 }, () => {
    const words = ['--disable-warning=ExperimentalWarning', 'apps/cli/src/main.ts', '--help']
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: root, encoding: 'utf8' })
    // two of one name would end it before it says anything
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect([...commands.keys()].filter((command) => !stdout.includes(`  ${command} `))).toEqual([])
  })

  test('of the command line are all in the guide', () => {
    const guide = read('docs/getting-started.md')
    expect(
      [...commands.keys()].filter(
        (command) => !new RegExp(`openledger -- .*\\b${command}\\b|npm run ${command}`).test(guide),
      ),
    ).toEqual([])
  })
})

describe('examples in TypeScript', () => {
  const complete = ['README.md', 'docs/getting-started.md', 'docs/api.md']
  const examples = complete.flatMap((path) =>
    blocksOf(read(path), 'ts').map((text, i) => ({ name: `${path} example ${i + 1}`, text })),
  )

  test('are checked by the compiler', () => {
    expect(examples.length).toBeGreaterThan(0)
    const folder = mkdtempSync(join(tmpdir(), 'openledger-docs-'))
    try {
      symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
      writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
      const files = examples.map(({ text }, i) => {
        writeFileSync(join(folder, `example${i}.ts`), text)
        return `example${i}.ts`
      })
      const flags =
        '--ignoreConfig --noEmit --strict --target esnext --module nodenext --skipLibCheck --types node'
      const tsc = spawnSync(
        join(root, 'node_modules/.bin/tsc'),
        [...flags.split(' '), '--allowImportingTsExtensions', ...files],
        {
          cwd: folder,
          encoding: 'utf8',
        },
      )
      expect(`${tsc.stdout}${tsc.stderr}`).toBe('')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('call routes that the server has', () => {
    const server = read('packages/api/src/routes/completionRoutes.ts') + read('packages/api/src/createApi.ts')
    const routes = {
      'chat.completions.create': '/v1/chat/completions',
      'completions.create': '/v1/completions',
      'models.list': '/v1/models',
    }
    const called = examples.flatMap(({ text }) =>
      [...text.matchAll(/client\.((?:chat\.)?\w+\.\w+)\(/g)].map((match) => match[1]!),
    )
    expect(called.length).toBeGreaterThan(0)
    for (const call of called) expect(server).toContain(`'${routes[call as keyof typeof routes]}',`)
  })
})

describe('the reference', () => {
  test('lists every setting of the server as its schema describes it', () => {
    const defaults = readConfig({})
    const expected = [
      '| variable | default | meaning |',
      '| --- | --- | --- |',
      ...Object.entries(configSchema.shape).map(([key, schema]) => {
        const value = defaults[key as keyof typeof defaults]
        const shown = value === undefined ? '' : `\`${String(value).replace(`${root}/`, '')}\``
        return `| \`${variableOf(key)}\` | ${shown} | ${schema.description} |`
      }),
    ].join('\n')
    const found = /^\| variable \| default[\s\S]*?(?=\n\n)/m.exec(read('docs/operations.md'))?.[0]
    expect(found, `docs/operations.md must have this table:\n\n${expected}\n`).toBe(expected)
  })

  test('lists every variable that the command line reads', () => {
    const names = [...read('apps/cli/src/main.ts').matchAll(/process\.env\['(\w+)'\]/g)].map(
      (match) => match[1]!,
    )
    const operations = read('docs/operations.md')
    expect([...new Set(names)].filter((name) => !operations.includes(`\`${name}\``))).toEqual([])
  })

  test('gives every error code with a status of its own that status', () => {
    const source = /STATUS_BY_CODE[^=]*=\s*\{([\s\S]*?)\n\}/.exec(read('packages/api/src/Problems.ts'))![1]!
    const codesOf = new Map<string, string[]>()
    for (const [, code, status] of source.matchAll(/'([a-z0-9_.]+)': (\d{3})/g))
      codesOf.set(status!, [...(codesOf.get(status!) ?? []), `\`${code}\``])
    const expected = [...codesOf]
      .sort(([one], [other]) => Number(one) - Number(other))
      .map(([status, codes]) => `| ${status} | ${codes.sort().join(', ')} |`)
      .join('\n')
    const section = sectionOf(read('docs/api.md'), '### Codes with a status of their own')
    const found = /^\| \d{3} [\s\S]*?(?=\n\n)/m.exec(section)?.[0]
    expect(found, `docs/api.md must have these rows:\n\n${expected}\n`).toBe(expected)
  })

  test('writes out every type that is signed as it is signed', () => {
    const encodeType = (types: Record<string, readonly { name: string; type: string }[]>): string => {
      const [name, fields] = Object.entries(types)[0]!
      return `${name}(${fields.map((field) => `${field.type} ${field.name}`).join(',')})`
    }
    const protocol = read('docs/protocol.md')
    const { contribution, beneficiaryChange, publication, receipt, request } = TypedData
    const missing = [contribution, beneficiaryChange, publication, receipt, request]
      .map(encodeType)
      .filter((type) => !protocol.includes(`\`${type}\``))
    expect(missing).toEqual([])
  })

  test('gives every field of a receipt its place in the bytes that are hashed', () => {
    const words = [
      'type hash: bytes32',
      ...TypedData.receipt.Receipt.map(({ name, type }) => `${name}: ${type}`),
    ]
    const expected = words.map((word, i) => `${32 * i}–${32 * i + 31} ${word}`)
    const listed = tableOf(sectionOf(read('docs/protocol.md'), '## Receipts')).map(
      ([bytes, field, type]) => `${bytes} ${field!.replaceAll('`', '')}: ${type}`,
    )
    expect(listed).toEqual(expected)
  })
})
