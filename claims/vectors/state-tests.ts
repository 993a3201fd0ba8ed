import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createEvm, type EthereumFork, type Evm, loadCrypto } from '@openledger/rollup'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'
import { openParts } from '../Parts.ts'
import { runCase, type StateTestFile } from './StateTest.ts'
import { absent, digestOf, filesOf, vectorsFolder } from './Vectors.ts'

type Source = {
  readonly folder: string
  readonly from: string
  readonly pattern: string
  /** Of the whole commit, and of the part that could be had where the figures were measured. */
  readonly digests: readonly string[]
}

const SOURCES: readonly Source[] = [
  {
    folder: 'ethereum-tests',
    from: 'ethereum/tests at 4c87ebbf024a3e9ec842bcce90564f629a3bcd82',
    pattern: 'GeneralStateTests/**/*.json',
    digests: [
      '129fe8c54bbb109d531741ab8c1b093d8fa5367c4ce41901c1a8ad8249abfd96',
      '2a190cb611606b16874bf40f119cd47a1bb573b170ccf9e8deef0d2560c1a5e0',
    ],
  },
  {
    folder: 'execution-spec-tests',
    from: 'ethereumjs/execution-spec-tests-fixtures, fusaka-devnet-5',
    pattern: '**/state_tests/**/*.json',
    digests: [
      '807f35e76958ddba32fbc453a8b1df9a6c71199df5197c8e90ab3f46fd17aa96',
      'ddf87afea80762393767aab37be3c06c3782832b6df57b8759d344c3ba91ea96',
    ],
  },
]
const FORKS: Readonly<Record<string, EthereumFork>> = { Cancun: 'cancun', Prague: 'prague', Osaka: 'osaka' }
/** What runs for hours with gas that no block has: loops for more than 2^53, and 2^32 rounds of BLAKE2 for ten billion. */
const ENDLESS = /vmPerformance\/loopMul|stTimeConsuming\/CALLBlake2f_MaxRounds/
/** Every so many files with `--quick`. */
const QUICK_STRIDE = 40
/** A file that takes longer is named. */
const SLOW_SECONDS = 10
/** What a case depends on: a part found with other code is found again. */
const MEASURED = ['packages/rollup/src/**/*.ts', 'claims/vectors/StateTest.ts']
/** Failures that are shown. */
const SHOWN_MAX = 25

/** What one file showed, by fork. */
type FileFinding = {
  readonly tallies: Readonly<Record<string, Tally>>
  readonly failures: readonly string[]
  readonly seconds: number
}
type Tally = { passed: number; failed: number; readonly excluded: Record<string, number> }
const emptyTally = (): Tally => ({ passed: 0, failed: 0, excluded: {} })
const increase = (counts: Record<string, number>, key: string, by = 1): void => {
  counts[key] = (counts[key] ?? 0) + by
}

async function run({ isQuick, words, say }: ClaimOptions): Promise<Finding> {
  const present = SOURCES.filter(({ folder }) => vectorsFolder(folder) !== undefined)
  if (present.length === 0) {
    return absent(
      SOURCES.map(({ folder }) => folder).join(' or '),
      SOURCES.map(({ from }) => from).join('; '),
    )
  }
  const crypto = await loadCrypto()
  const evms = new Map<number, Evm>()
  const evmOf = async (chainId: number): Promise<Evm> => {
    const known = evms.get(chainId)
    if (known !== undefined) return known
    const created = await createEvm({ chainId, crypto })
    evms.set(chainId, created)
    return created
  }
  const runFile = async (path: string, file: string): Promise<FileFinding> => {
    const begun = performance.now()
    const tallies: Record<string, Tally> = {}
    const failures: string[] = []
    const tests = JSON.parse(readFileSync(path, 'utf8')) as StateTestFile
    for (const [name, test] of Object.entries(tests)) {
      for (const [forkName, cases] of Object.entries(test.post ?? {})) {
        const fork = FORKS[forkName]
        if (fork === undefined) continue
        tallies[forkName] ??= emptyTally()
        const tally = tallies[forkName]
        const evm = await evmOf(Number(test.config?.chainid ?? 1))
        for (const [index, at] of cases.entries()) {
          const { status, why = '' } = ENDLESS.test(file)
            ? {
                status: 'excluded' as const,
                why: 'they run for hours, with gas that no block has (`loopMul`, `CALLBlake2f_MaxRounds`)',
              }
            : await runCase(test, fork, at, { crypto, evm })
          if (status === 'excluded') increase(tally.excluded, why)
          else tally[status]++
          if (status === 'failed') failures.push(`${file} ${name} ${forkName} ${index}: ${why}`)
        }
      }
    }
    return { tallies, failures, seconds: (performance.now() - begun) / 1000 }
  }

  // a run of chosen files is short and begins anew
  const parts = isQuick || words.length > 0 ? undefined : openParts('state-tests', MEASURED)
  const failures: string[] = []
  const rows: (string | number)[][] = [['source', 'fork', 'passed', 'failed', 'excluded']]
  const reasons: Record<string, number> = {}
  const remarks: string[] = []
  let [passed, failed, seconds] = [0, 0, 0]
  for (const source of SOURCES) {
    const folder = vectorsFolder(source.folder)
    if (folder === undefined) {
      remarks.push(`\`${source.folder}\` (${source.from}) was absent and shows nothing.`)
      continue
    }
    const all = filesOf(folder, source.pattern)
    const digest = digestOf(folder, all)
    if (!source.digests.includes(digest)) failures.push(`${source.folder} holds unknown vectors: ${digest}`)
    const files = all
      .filter((file) => words.every((word) => file.includes(word)))
      .filter((_, i) => !isQuick || i % QUICK_STRIDE === 0)
    const sums = new Map<string, Tally>()
    for (const [i, file] of files.entries()) {
      if (i % 100 === 0) say(`${source.folder}: ${i} of ${files.length} files`)
      const run = () => runFile(join(folder, file), file)
      const found = parts === undefined ? await run() : await parts.once(`${source.folder} ${file}`, run)
      if (found.seconds > SLOW_SECONDS) say(`${file} took ${found.seconds.toFixed(0)} s`)
      failures.push(...found.failures)
      seconds += found.seconds
      for (const [fork, tally] of Object.entries(found.tallies)) {
        const sum = sums.get(fork) ?? emptyTally()
        sums.set(fork, sum)
        sum.passed += tally.passed
        sum.failed += tally.failed
        for (const [why, count] of Object.entries(tally.excluded)) {
          increase(sum.excluded, why, count)
          increase(reasons, why, count)
        }
      }
    }
    for (const [fork, tally] of sums) {
      passed += tally.passed
      failed += tally.failed
      const excluded = Object.values(tally.excluded).reduce((sum, count) => sum + count, 0)
      rows.push([source.from, fork, tally.passed, tally.failed, excluded])
    }
  }
  parts?.forget()
  return {
    figure: (100 * passed) / Math.max(1, passed + failed),
    unit: `% of ${passed + failed} applicable cases`,
    goal: 100,
    sense: 'at least',
    failures: failures.slice(0, SHOWN_MAX),
    report: [
      table(rows),
      `${seconds.toFixed(0)} s of the clock, reading the files and building their states included.`,
      Object.entries(reasons)
        .map(([why, count]) => `${count} cases were excluded: ${why}.`)
        .join('\n'),
      'Not among the files: `EIPTests/StateTests/stEIP2537`, whose 1,403 cases are of the draft with nine precompiles (`g1_mul`, `g2_mul`), not of EIP-2537 as it was activated.',
      ...remarks,
    ].join('\n\n'),
  }
}

export const claim: Claim = {
  says: "Transactions execute as Ethereum's state tests say, with the chain's own journal, trie, fees and transaction codec, by the newest rules its EVM has.",
  run,
}
