import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** One file of training text, cleaned. */
export type CorpusFile = { readonly packageName: string; readonly path: string; readonly text: string }

/** What one package gave. */
export type CorpusSource = {
  readonly name: string
  readonly version: string
  readonly licence: string
  readonly files: number
  readonly bytes: number
}

export type Corpus = {
  readonly files: readonly CorpusFile[]
  readonly sources: readonly CorpusSource[]
  /** SHA-256 over the texts in order. */
  readonly hash: string
}

const licences = new Set([
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'MIT OR Apache-2.0',
])
/** Solidity stays new to the base, so that what an adapter learns of it can only come from contributions. */
const excludedPackages =
  /^(@openzeppelin|@eth-optimism|@foundry-rs|@openledger|solady|forge|solc|@tabler)(\/|$|-)/
const excludedFolders = new Set([
  'node_modules',
  'test',
  'tests',
  '__tests__',
  'fixtures',
  'locales',
  'locale',
  'icons',
  'min',
  'umd',
  'abis',
])
const solidity = /pragma solidity|SPDX-License-Identifier|\bcontract\s+\w+\s+is\s|\bmapping\s*\(\s*address/
const generated = /@generated|auto-?generated|automatically generated|do not edit/i
const packageBytesMax = 1_400_000
const fileBytesMax = 120_000
/** Sources come before compiled copies of them, so that the copies are the duplicates. */
const kinds: readonly RegExp[] = [
  /\.md$/,
  /(?<!\.d)\.m?tsx?$/,
  /\.mjs$/,
  /(?<!\.min|\.cjs|\.umd|\.bundle)\.js$/,
  /\.d\.m?ts$/,
]

/**
 * Gathers text from installed packages with permissive licences: sources, declarations and documentation, cleaned, without
 * generated, minified or repeated files. Equal installations give equal corpora.
 */
export async function gatherCorpus(nodeModules: string): Promise<Corpus> {
  const files: CorpusFile[] = []
  const sources: CorpusSource[] = []
  const seen = new Set<string>()
  for (const directory of await packageFolders(nodeModules)) {
    const manifest = await readManifest(join(nodeModules, directory))
    if (!manifest || excludedPackages.test(manifest.name) || !licences.has(manifest.licence)) continue
    let bytes = 0
    let count = 0
    const paths = (await walk(join(nodeModules, directory), '', 0)).sort()
    for (const kind of kinds) {
      for (const path of paths.filter((candidate) => kind.test(candidate))) {
        if (bytes >= packageBytesMax) break
        const text = clean(await readFile(join(nodeModules, directory, path), 'utf8'))
        if (text === undefined || isRepeated(text, seen)) continue
        files.push({ packageName: manifest.name, path, text })
        bytes += Buffer.byteLength(text)
        count++
      }
    }
    if (count > 0) sources.push({ ...manifest, files: count, bytes })
  }
  const hash = createHash('sha256')
  for (const { text } of files) hash.update(text).update('\0')
  return { files, sources, hash: hash.digest('hex') }
}

async function packageFolders(nodeModules: string): Promise<string[]> {
  const folders: string[] = []
  for (const entry of (await readdir(nodeModules)).sort()) {
    if (entry.startsWith('.')) continue
    if (!entry.startsWith('@')) folders.push(entry)
    else
      for (const inner of (await readdir(join(nodeModules, entry))).sort()) folders.push(`${entry}/${inner}`)
  }
  return folders
}

async function readManifest(directory: string) {
  const text = await readFile(join(directory, 'package.json'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const { name, version, license } = JSON.parse(text) as Record<string, unknown>
  if (typeof name !== 'string' || typeof license !== 'string') return undefined
  return { name, version: String(version), licence: license }
}

async function walk(root: string, folder: string, depth: number): Promise<string[]> {
  if (depth > 8) return []
  const paths: string[] = []
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory() && !excludedFolders.has(entry.name))
      paths.push(...(await walk(root, path, depth + 1)))
    else if (entry.isFile()) paths.push(path)
  }
  return paths
}

/** Tidies line ends and space; undefined for what a person did not write or may not be read here. */
function clean(raw: string): string | undefined {
  if (raw.length < 200 || raw.length > fileBytesMax || raw.includes('\0') || raw.includes('\uFFFD'))
    return undefined
  if (solidity.test(raw) || generated.test(raw.slice(0, 600))) return undefined
  const lines = raw
    .replaceAll('\r\n', '\n')
    .split('\n')
    .filter((line) => !line.startsWith('//# sourceMappingURL'))
    .map((line) => line.trimEnd().replaceAll('\t', '  '))
  const longest = lines.reduce((longest, line) => Math.max(longest, line.length), 0)
  const text = `${lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()}\n`
  // minified code has few, long lines; encoded data has few spaces
  if (longest > 600 || text.length / lines.length > 120) return undefined
  if ((text.match(/\s/g)?.length ?? 0) < text.length / 20) return undefined
  return /[^\n\x20-\x7e]/g.test(text) && (text.match(/[^\n\x20-\x7e]/g)?.length ?? 0) > text.length / 50
    ? undefined
    : text
}

/** Whether most of a text's lines came already, in any file: compiled twins and copied files. */
function isRepeated(text: string, seen: Set<string>): boolean {
  const lines = text
    .split('\n')
    .map((line) => line.replace(/\s+/g, ''))
    .filter((line) => line.length > 12)
  const known = lines.filter((line) => seen.has(line)).length
  if (known > lines.length * 0.45) return true
  for (const line of lines) seen.add(line)
  return false
}

/** Whether a file is measured on instead of learned: one in a hundred, chosen by its name. */
export function isHeldOut({ packageName, path }: CorpusFile): boolean {
  return createHash('sha256').update(`${packageName}/${path}`).digest()[0]! < 3
}
