import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { forgePath } from '../../scripts/generate.ts'
import { type Claim, table } from '../Claim.ts'

/**
 * The contracts' invariants, for longer than a test run has time: random calls by random people, and after each of them the
 * books have to add up. `npm run soak -- invariants 200` takes another number of runs, `npm run soak -- invariants 100 Court`
 * the contracts' invariants of that name only, so that a long soak can be made in parts.
 */

/** Calls in one run, from a fresh world. */
const DEPTH = 128

type Held = {
  readonly contract: string
  readonly invariant: string
  readonly calls: number
  readonly reverts: number
}

const PASSED = /^\[PASS\] (invariant_\w+)\(\) \(runs: \d+, calls: (\d+), reverts: (\d+)\)/
const SUITE = /^Ran \d+ tests? for .*:(\w+)$/

export const claim: Claim = {
  says: 'Supply, solvency, no double claim, exact splits and conserved stake hold after every one of many random calls.',
  async run({ isQuick, words, say }) {
    const [count, contracts] = words
    const runs = Number(count ?? (isQuick ? 8 : 100))
    const held: Held[] = []
    const failures: string[] = []
    const started = performance.now()
    const only = contracts === undefined ? [] : ['--match-contract', contracts]
    const forge = spawn(forgePath(), ['test', '--match-test', 'invariant_', ...only], {
      cwd: join(import.meta.dirname, '../..'),
      env: {
        ...process.env,
        FOUNDRY_INVARIANT_RUNS: String(runs),
        FOUNDRY_INVARIANT_DEPTH: String(DEPTH),
        // other calls in each soak than in the tests
        FOUNDRY_FUZZ_SEED: `0x${Math.floor(Date.now() / 1_000).toString(16)}`,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let contract = ''
    for await (const line of createInterface({ input: forge.stdout })) {
      contract = SUITE.exec(line)?.[1] ?? contract
      const [, invariant, calls, reverts] = PASSED.exec(line) ?? []
      if (invariant !== undefined) {
        held.push({ contract, invariant, calls: Number(calls), reverts: Number(reverts) })
        say(`${contract}.${invariant} held through ${calls} calls`)
      } else if (line.startsWith('[FAIL')) failures.push(`${contract}: ${line}`)
    }
    const seconds = (performance.now() - started) / 1_000
    if (held.length === 0) failures.push('forge ran no invariant')
    return {
      figure: held.reduce((sum, { calls }) => sum + calls, 0),
      unit: 'calls',
      goal: isQuick || contracts !== undefined ? 1_000 : 100_000,
      sense: 'at least',
      failures,
      report: [
        table([
          ['contract', 'invariant', 'calls', 'refused'],
          ...held.map(({ contract, invariant, calls, reverts }) => [
            contract,
            `\`${invariant}\``,
            calls,
            reverts,
          ]),
        ]),
        `${runs} runs of ${DEPTH} calls each, in ${seconds.toFixed(0)} s, compiling included.`,
      ].join('\n\n'),
    }
  },
}
