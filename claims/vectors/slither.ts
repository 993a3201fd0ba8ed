import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { forgePath } from '../../scripts/generate.ts'
import { type Claim, type Finding, table } from '../Claim.ts'

const ROOT = join(import.meta.dirname, '../..')
const PAGE = 'docs/contracts.md'
const HEADING = '## What a static analyser says'

/** A detector that found something, and the places where it did. */
type Found = { readonly impact: string; readonly places: ReadonlySet<string> }
/** What the page says of a detector: the places that it explains, or all of them. */
type Explained = { readonly places: ReadonlySet<string> | 'everywhere'; readonly why: string }

type Element = {
  readonly type: string
  readonly name: string
  readonly type_specific_fields?: { readonly parent?: Element }
}
type Detected = { readonly check: string; readonly impact: string; readonly elements: readonly Element[] }

/** Runs Slither over the contracts. @returns Nothing where the Python has none. */
function analyse(python: string): { version: string; detected: readonly Detected[] } | undefined {
  const { status, stdout, stderr } = spawnSync(python, ['-m', 'slither', '--version'], { encoding: 'utf8' })
  if (status !== 0) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'openledger-slither-'))
  const env = { ...process.env, PATH: `${dirname(forgePath())}${delimiter}${process.env['PATH']}` }
  try {
    const out = join(folder, 'out')
    const built = spawnSync(
      forgePath(),
      ['build', 'contracts/src', '--build-info', '--out', out, '--cache-path', join(folder, 'cache')],
      { cwd: ROOT, env, encoding: 'utf8' },
    )
    if (built.status !== 0) throw new Error(`Expected the contracts to build: ${built.stderr.slice(-500)}`)
    const path = join(folder, 'found.json')
    const words = ['--ignore-compile', '--foundry-out-directory', out, '--filter-paths', 'node_modules']
    const ran = spawnSync(python, ['-m', 'slither', '.', ...words, '--json', path], {
      cwd: ROOT,
      env,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    })
    const { success, error, results } = JSON.parse(readFileSync(path, 'utf8')) as {
      success: boolean
      error: string | null
      results: { detectors?: readonly Detected[] }
    }
    if (!success) throw new Error(`Expected Slither to finish: ${error ?? ran.stderr.slice(-500)}`)
    return { version: (stdout || stderr).trim(), detected: results.detectors ?? [] }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** `Contract.function`, `Contract.function.variable` or `Contract.variable`. */
function placeOf({ type, name, type_specific_fields }: Element): string {
  const parent = type_specific_fields?.parent
  if (parent === undefined || parent.type === 'file') return name
  // a line of a function stands for the function
  return type === 'node' ? placeOf(parent) : `${placeOf(parent)}.${name}`
}

/** Reads the page's table: detectors and places in backticks; a place that is none of ours is in words. */
function readExplained(): Map<string, Explained> {
  const page = readFileSync(join(ROOT, PAGE), 'utf8')
  const section = page.slice(page.indexOf(HEADING))
  const explained = new Map<string, Explained>()
  for (const [, checks, where, why] of section.matchAll(/^\| \w+ \| (.+?) \| (.+?) \| (.+?) \|$/gm)) {
    const quoted = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, word]) => word!)
    const places = where === 'everywhere' ? where : new Set(quoted(where!))
    for (const check of quoted(checks!)) explained.set(check, { places, why: why! })
  }
  return explained
}

/** What the page does not explain, and what it explains although it is not found any more. */
function compare(found: ReadonlyMap<string, Found>, explained: ReadonlyMap<string, Explained>): string[] {
  const failures: string[] = []
  for (const [check, { impact, places }] of found) {
    const known = explained.get(check)?.places ?? new Set()
    if (known === 'everywhere') continue
    for (const place of places) {
      if (!known.has(place)) failures.push(`${check} (${impact}) at ${place} is not explained in ${PAGE}`)
    }
  }
  for (const [check, { places }] of explained) {
    for (const place of places === 'everywhere' ? [] : places) {
      if (!found.get(check)?.places.has(place))
        failures.push(`${PAGE} explains ${check} at ${place}: not found`)
    }
  }
  return failures
}

export const claim: Claim = {
  says: `Whatever Slither finds in the contracts is resolved, or explained in ${PAGE} by name and place.`,
  async run(): Promise<Finding> {
    const python = process.env['OPENLEDGER_PYTHON'] ?? 'python3'
    const goal = { goal: 0, sense: 'at most' } as const
    const analysis = analyse(python)
    if (analysis === undefined) {
      const missing =
        'slither is missing: pip install slither-analyzer==0.11.6 for the Python that OPENLEDGER_PYTHON names'
      return {
        figure: 1,
        unit: 'tools missing: nothing was shown',
        ...goal,
        failures: [missing],
        report: missing,
      }
    }
    const found = new Map<string, { impact: string; places: Set<string> }>()
    for (const { check, impact, elements } of analysis.detected) {
      const one = found.get(check) ?? { impact, places: new Set() }
      if (elements[0] !== undefined) one.places.add(placeOf(elements[0]))
      found.set(check, one)
    }
    const explained = readExplained()
    const failures = compare(found, explained)
    return {
      figure: failures.length,
      unit: 'findings unexplained',
      ...goal,
      failures,
      report: [
        table([
          ['impact', 'detector', 'places', 'why it stands'],
          ...[...found].map(([check, { impact, places }]) => [
            impact,
            `\`${check}\``,
            places.size,
            explained.get(check)?.why ?? 'not explained',
          ]),
        ]),
        `Slither ${analysis.version}, all its detectors, ${analysis.detected.length} findings in \`contracts/src\`.`,
      ].join('\n\n'),
    }
  },
}
