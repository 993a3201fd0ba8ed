import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { table } from './Claim.ts'

const ROOT = join(import.meta.dirname, '..')
const INDEX = join('docs', 'benchmarks.md')

/** A page of `docs/benchmarks`, with a section for each claim about one part of the product. */
export type Page = { readonly name: string; readonly text: string }

export const readPages = (): Page[] =>
  globSync('docs/benchmarks/*.md', { cwd: ROOT })
    .sort()
    .map((path) => ({ name: basename(path, '.md'), text: readFileSync(join(ROOT, path), 'utf8') }))

/**
 * Finds the page that has a claim's section.
 *
 * @throws {Error} when none has: only a person knows where a new claim belongs.
 */
export function pageOf(pages: readonly Page[], title: string): Page {
  const page = pages.find(({ text }) => text.includes(beginOf(title)))
  if (page !== undefined) return page
  throw new Error(
    `Expected a page of docs/benchmarks with the lines "${beginOf(title)}" and "${endOf(title)}": put them where the claim belongs.`,
  )
}

/** Puts what a run found in the place of what an earlier run of the same claim left. */
export function withSection(page: string, title: string, body: string): string {
  const from = page.indexOf(beginOf(title))
  const to = page.indexOf(endOf(title))
  if (from < 0 || to < from) throw new Error(`Expected "${beginOf(title)}" and after it "${endOf(title)}".`)
  return `${page.slice(0, from)}${beginOf(title)}\n## ${title}\n\n${body.trim()}\n${page.slice(to)}`
}

/** Writes a claim's section, and its row of the index. */
export function writeSection(title: string, body: string): void {
  const { name, text } = pageOf(readPages(), title)
  writeFileSync(join(ROOT, 'docs', 'benchmarks', `${name}.md`), withSection(text, title, body))
  writeFileSync(join(ROOT, INDEX), benchmarksIndex().wanted)
}

/** The index of all pages, as it is and as the pages' sections give it: what stands before its table is written by hand. */
export function benchmarksIndex(): {
  readonly path: string
  readonly found: string
  readonly wanted: string
} {
  const found = readFileSync(join(ROOT, INDEX), 'utf8')
  const before = found.slice(0, found.indexOf('\n| ') + 1)
  return { path: INDEX, found, wanted: `${before}${indexTable(readPages())}\n` }
}

/** One row for each section: what is claimed, the last figure and its goal. */
export function indexTable(pages: readonly Page[]): string {
  const rows = pages.flatMap(({ name, text }) =>
    [...text.matchAll(/<!-- ((\w+): (\S+)) -->\n## \1\n\n([^\n]+)\n([\s\S]*?)<!-- end of \1 -->/g)].map(
      ([, title, kind, claim, says, rest]) => [
        `[${title}](benchmarks/${name}.md#${kind}-${claim})`,
        says!,
        ...lastRun(rest!, claim!),
      ],
    ),
  )
  return table([['claim', 'what it says', 'figure', 'goal', 'verdict', 'run'], ...rows])
}

/** Figure, goal, verdict and day of the run that a section tells of. */
function lastRun(text: string, claim: string): string[] {
  const run = /`npm run \w+ -- \S+( [^`]+)?` on (\d{4}-\d\d-\d\d)/.exec(text)
  const closing = new RegExp(`\\b${claim} (\\S+ [^:]*?), goal (at \\w+ \\S+): (met|short)`).exec(text)
  if (run === null || closing === null) return ['', '', 'not run', '']
  const [, figure, goal, verdict] = closing
  return [
    figure!.replaceAll('\n', ' '),
    goal!,
    verdict!,
    run[1] === undefined ? run[2]! : `${run[2]},${run[1]}`,
  ]
}

const beginOf = (title: string): string => `<!-- ${title} -->`
const endOf = (title: string): string => `<!-- end of ${title} -->`
