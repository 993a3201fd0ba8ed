import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createExecutionNode } from '@openledger/node'
import { type Genesis, loadCrypto } from '@openledger/rollup'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'
import { importEthereumChain } from './EthereumChain.ts'
import { absent, digestOf, filesOf, vectorsFolder } from './Vectors.ts'

const FOLDER = 'execution-apis'
const FROM = 'the folder `tests` of ethereum/execution-apis'
const DIGEST = '760259318a12aa06941a1c277e71614f4bc5266a638986d021f455086a10e1ab'
const GOAL_PERCENT = 95

/** Why an answer differs, where it is meant to; a difference without a reason here is a failure. */
const REASONS: readonly (readonly [file: RegExp, why: string])[] = [
  [
    /send-blob-tx|estimate-with-eip4844|ethSimulate-blobs/,
    'an OP Stack chain carries no blobs, and neither the pool nor a call takes them, whatever the genesis',
  ],
  [/txpool_content/, 'one of the transactions that geth has in its pool by now carries blobs'],
  [/testing_buildBlockV1/, 'a method for tests of consensus clients, which this node does not offer'],
  [/eth_config/, 'EIP-7910 describes the forks of Ethereum itself, which this node follows in tests only'],
  [
    /empty-with-block-num-set-firstblock/,
    'geth pays a miner in a block simulated before the merge; here no block has a miner to pay',
  ],
  [
    /use-as-many-features-as-possible/,
    'geth numbers logs with those of reverted frames counted, here only those that are shown are',
  ],
]
/** Fields that the specification's schema does not require. */
const OPTIONAL: ReadonlySet<string> = new Set(['deleteStrategy'])

type Json = { [key: string]: unknown } | readonly unknown[] | string | number | boolean | null
type Exchange = { readonly request: string; readonly expected: Json }

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function read(path: string): { exchanges: Exchange[]; isFormOnly: boolean } {
  const exchanges: Exchange[] = []
  let request = ''
  const lines = readFileSync(path, 'utf8').split('\n')
  for (const line of lines) {
    if (line.startsWith('>> ')) request = line.slice(3)
    else if (line.startsWith('<< ')) exchanges.push({ request, expected: JSON.parse(line.slice(3)) as Json })
  }
  return { exchanges, isFormOnly: lines.some((line) => line.startsWith('// speconly')) }
}

/** Where two answers differ first; objects are compared without regard to order. */
function difference(expected: unknown, got: unknown, isFormOnly: boolean, at = ''): string | undefined {
  const shown = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 90)
  const differs = `${at || 'answer'}: expected ${shown(expected)}, got ${shown(got)}`
  if (Array.isArray(expected)) {
    if (!Array.isArray(got)) return differs
    if (!isFormOnly && expected.length !== got.length)
      return `${at}: ${expected.length} items, got ${got.length}`
    const compared = isFormOnly ? expected.slice(0, Math.min(1, got.length)) : expected
    for (const [i, item] of compared.entries()) {
      const found = difference(item, got[i], isFormOnly, `${at}[${i}]`)
      if (found !== undefined) return found
    }
    return undefined
  }
  if (isObject(expected)) {
    if (!isObject(got)) return differs
    for (const key of new Set([...Object.keys(expected), ...Object.keys(got)])) {
      if (isFormOnly && OPTIONAL.has(key) && got[key] === undefined) continue
      const found = difference(expected[key], got[key], isFormOnly, at === '' ? key : `${at}.${key}`)
      if (found !== undefined) return found
    }
    return undefined
  }
  return isFormOnly
    ? typeof expected === typeof got
      ? undefined
      : differs
    : expected === got
      ? undefined
      : differs
}

async function run({ isQuick, words, say }: ClaimOptions): Promise<Finding> {
  const folder = vectorsFolder(FOLDER)
  const all = folder === undefined ? [] : filesOf(folder, 'tests/**/*.{io,json,rlp}')
  if (folder === undefined || all.length === 0) return absent(FOLDER, FROM)
  const failures: string[] = []
  const digest = digestOf(folder, all)
  if (digest !== DIGEST) failures.push(`${FOLDER} holds unknown vectors: ${digest}`)
  const directory = mkdtempSync(join(tmpdir(), 'execution-apis-'))
  const genesis = JSON.parse(readFileSync(join(folder, 'tests/genesis.json'), 'utf8')) as Genesis
  const chain = readFileSync(join(folder, 'tests/chain.rlp'))
  const { count, hash } = await importEthereumChain(join(directory, 'l2'), genesis, chain, await loadCrypto())
  say(`imported ${count} blocks from Homestead to Osaka; head ${hash}`)
  await using node = await createExecutionNode({ directory, genesis })
  const methods = new Map<string, { equal: number; exact: number; of: number }>()
  const explained = new Map<string, string[]>()
  const files = all.filter((file) => file.endsWith('.io') && words.every((word) => file.includes(word)))
  for (const file of files) {
    const method = file.split('/')[1]!
    const tally = methods.get(method) ?? { equal: 0, exact: 0, of: 0 }
    methods.set(method, tally)
    tally.of++
    const { exchanges, isFormOnly } = read(join(folder, file))
    let found: string | undefined
    let isExact = true
    for (const { request, expected } of exchanges) {
      const response = await fetch(node.rpcUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: request,
      })
      const got = (await response.json()) as Json
      if (difference(expected, got, false) !== undefined) isExact = false
      found ??= difference(withoutWords(expected), withoutWords(got), isFormOnly)
    }
    if (isExact) tally.exact++
    if (found === undefined) {
      tally.equal++
      continue
    }
    const name = file.slice('tests/'.length, -'.io'.length)
    const why = REASONS.find(([pattern]) => pattern.test(name))?.[1]
    if (why === undefined) failures.push(`${name}: ${found}`)
    else explained.set(why, [...(explained.get(why) ?? []), `\`${name}\``])
    say(`${name} · ${found}`)
  }
  rmSync(directory, { recursive: true, force: true })
  const sum = (key: 'equal' | 'exact' | 'of'): number =>
    [...methods.values()].reduce((total, tally) => total + tally[key], 0)
  return {
    figure: (100 * sum('equal')) / Math.max(1, sum('of')),
    unit: `% of ${sum('of')} exchanges equal`,
    goal: GOAL_PERCENT,
    sense: 'at least',
    failures,
    report: [
      `From ${FROM}: its ${count} blocks, from Homestead to the second blob-parameter fork, are imported by the rollup's own execution, each held to its header, and its requests are sent to the node's JSON-RPC in the files' order. Compared as hive's rpc-compat does: every field, but of an error not its words, and of a file marked \`speconly\` the form alone. ${sum('exact')} answers are equal to the letter.`,
      ...(isQuick
        ? []
        : [
            `Equal in full: ${[...methods]
              .filter(([, { equal, of }]) => equal === of)
              .map(([name, { of }]) => `\`${name}\` ${of}`)
              .join(', ')}.`,
          ]),
      ...(explained.size === 0
        ? []
        : [table([['different', 'why'], ...[...explained].map(([why, files]) => [files.join(', '), why])])]),
    ].join('\n\n'),
  }
}

/** Hive compares an error's code and data, not its words. */
const withoutWords = (answer: Json): Json => {
  if (!isObject(answer) || !isObject(answer['error'])) return answer
  const { message: _, ...error } = answer['error']
  return { ...answer, error }
}

export const claim: Claim = {
  says: "The node's JSON-RPC answers as execution-apis' published exchanges say.",
  run,
}
