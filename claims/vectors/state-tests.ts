import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createEvm, type EthereumFork, type Evm, loadCrypto } from '@openledger/rollup'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'
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
/** Every so many files with `--quick`. */
const QUICK_STRIDE = 40
/** A file that takes longer is named. */
const SLOW_SECONDS = 10
/** Failures that are shown. */
const SHOWN_MAX = 25

type Tally = { passed: number; failed: number; readonly excluded: Map<string, number> }

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
  const failures: string[] = []
  const rows: (string | number)[][] = [['source', 'fork', 'passed', 'failed', 'excluded']]
  const reasons = new Map<string, number>()
  const remarks: string[] = []
  let [passed, failed] = [0, 0]
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
    const tallies = new Map<string, Tally>()
    for (const [i, file] of files.entries()) {
      if (i % 100 === 0) say(`${source.folder}: ${i} of ${files.length} files`)
      const begun = performance.now()
      const tests = JSON.parse(readFileSync(join(folder, file), 'utf8')) as StateTestFile
      for (const [name, test] of Object.entries(tests)) {
        for (const [forkName, cases] of Object.entries(test.post ?? {})) {
          const fork = FORKS[forkName]
          if (fork === undefined) continue
          const tally = tallies.get(forkName) ?? { passed: 0, failed: 0, excluded: new Map() }
          tallies.set(forkName, tally)
          const evm = await evmOf(Number(test.config?.chainid ?? 1))
          for (const [index, at] of cases.entries()) {
            const { status, why = '' } = await runCase(test, fork, at, { crypto, evm })
            if (status === 'excluded') {
              reasons.set(why, (reasons.get(why) ?? 0) + 1)
              tally.excluded.set(why, (tally.excluded.get(why) ?? 0) + 1)
            } else if (status === 'passed') tally.passed++
            else {
              tally.failed++
              failures.push(`${file} ${name} ${forkName} ${index}: ${why}`)
            }
          }
        }
      }
      const seconds = (performance.now() - begun) / 1000
      if (seconds > SLOW_SECONDS) say(`${file} took ${seconds.toFixed(0)} s`)
    }
    for (const [fork, tally] of tallies) {
      passed += tally.passed
      failed += tally.failed
      const excluded = [...tally.excluded.values()].reduce((sum, count) => sum + count, 0)
      rows.push([source.from, fork, tally.passed, tally.failed, excluded])
    }
  }
  return {
    figure: (100 * passed) / Math.max(1, passed + failed),
    unit: `% of ${passed + failed} applicable cases`,
    goal: 100,
    sense: 'at least',
    failures: failures.slice(0, SHOWN_MAX),
    report: [
      table(rows),
      [...reasons].map(([why, count]) => `${count} cases were excluded: ${why}.`).join('\n'),
      'Not among the files: `EIPTests/StateTests/stEIP2537`, whose 1,403 cases are of the draft with nine precompiles (`g1_mul`, `g2_mul`), not of EIP-2537 as it was activated.',
      ...remarks,
    ].join('\n\n'),
  }
}

export const claim: Claim = {
  says: "Transactions execute as Ethereum's state tests say, with the chain's own journal, trie, fees and transaction codec, by the newest rules its EVM has.",
  run,
}
