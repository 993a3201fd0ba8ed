import { type Claim, type Finding, table } from '../Claim.ts'
import { installRival, RIVAL } from './ServingRival.ts'
import { CALLERS_WAITING, LOAD, ROWS, type Size } from './ServingSize.ts'
import { HEAD, measureSize, PART_NAMES, type SizeFindings } from './ServingTable.ts'
import { LARGE, SMALL } from './ServingWorkload.ts'

const REGISTERED = [1, 10, 100, 1_000, 10_000]
/** Threads of all engines; `threads=1` measures more steadily where other programs share the cores. */
const THREADS_DEFAULT = 2

const small = { config: SMALL, registered: REGISTERED, requests: 256, rounds: 3, adapterBytesMax: 2 ** 30 }
const large = { config: LARGE, registered: REGISTERED, requests: 64, rounds: 2, adapterBytesMax: 2 ** 30 }
const SIZES: readonly Size[] = [
  { ...small, name: '5 M f32', precision: 'f32', rivalGoal: 5 },
  { ...small, name: '5 M int8', precision: 'int8', rivalGoal: 2.5 },
  { ...large, name: '110 M f32', precision: 'f32', rivalGoal: 5, keptGoal: 0.9 },
  { ...large, name: '110 M int8', precision: 'int8', rivalGoal: 2.5, keptGoal: 0.9 },
  { ...large, name: '110 M int4', precision: 'int4', rivalGoal: 2.5, keptGoal: 0.9 },
]

/** One line for each goal: what was found and whether it is met. */
const goalsOf = (found: readonly SizeFindings[]): string => {
  const lines = found.flatMap(({ goals }) => goals)
  return table([
    ['goal', 'found', 'wanted', ''],
    ...lines.map(({ what, found, wanted, isMet }) => [
      what,
      found.toFixed(2),
      wanted,
      isMet ? 'met' : 'short',
    ]),
  ])
}

export const claim: Claim = {
  says: 'Ten thousand registered adapters keep most of the throughput of the base model alone, and different adapters are answered several times as fast as by llama.cpp.',
  async run({ isQuick, words, say }): Promise<Finding> {
    /** Reads a word such as `threads=1`; others name sizes (`"110 M int8"`) and parts (`different`). */
    const wordOf = (name: string): number | undefined => {
      const word = words.find((one) => one.startsWith(`${name}=`))
      return word === undefined ? undefined : Number(word.slice(name.length + 1))
    }
    const asked = PART_NAMES.filter((name) => words.includes(name))
    const names = words.filter((word) => !word.includes('=') && !asked.some((part) => part === word))
    const quick = {
      ...SIZES[0]!,
      registered: [1, 100, 10_000],
      requests: 64,
      rounds: 1,
      adapterBytesMax: 2 ** 27,
    }
    const chosen = (isQuick ? [quick] : SIZES).filter(
      ({ name }) => names.length === 0 || names.some((word) => name.startsWith(word)),
    )
    const isWithRivals = !isQuick && installRival(say)
    const parts = (asked.length > 0 ? asked : PART_NAMES).filter(
      (part) => part === 'registered' || isWithRivals,
    )
    const found: SizeFindings[] = []
    for (const size of chosen) {
      const most = wordOf('registered')
      found.push(
        await measureSize(
          {
            ...size,
            requests: wordOf('requests') ?? size.requests,
            rounds: wordOf('rounds') ?? size.rounds,
            registered: most === undefined ? size.registered : [most],
          },
          { threads: wordOf('threads') ?? THREADS_DEFAULT, parts, say },
        ),
      )
    }
    const goals = found.flatMap((one) => one.goals)
    const failures = goals.filter(({ isMet }) => !isMet).map(({ line }) => line)
    if (!isQuick && !isWithRivals) failures.push(`${RIVAL} does not run on this machine`)
    for (const { forget } of found) forget()
    return {
      figure: goals.length - goals.filter(({ isMet }) => !isMet).length,
      unit: `of ${goals.length} goals`,
      goal: goals.length,
      sense: 'at least',
      // two runs of a quick size differ by more than the goals
      failures: isQuick ? [] : failures,
      report: [
        goalsOf(found),
        '',
        table([HEAD, ...found.flatMap((one) => one.rows)]),
        '',
        `Prompts of 8 to 120 tokens, answers of 8 to 56, ${ROWS} rows, ${wordOf('threads') ?? THREADS_DEFAULT} threads of every engine, rank 8 on all seven kinds of layers. ` +
          `Throughput: ${CALLERS_WAITING} callers that always wait, best of the rounds. Latency: Gamma arrivals (variation 2) at ${LOAD} of that rate. ` +
          'Ratios compare requests or tokens a second. Popularity of the k-th adapter is 1/k. An adapter is a file until it is asked for; what no row uses ' +
          `stays in at most ${chosen[0]!.adapterBytesMax / 2 ** 20} MiB, which hold the most popular from the start, as after hours. ` +
          `The process held ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB at the end. Weights are noise, answers never end early, and all engines read the same weights; llama.cpp has them in 4 bits (Q4_0) beside ours in 8 and in 4, PEFT in float32.`,
      ].join('\n'),
    }
  },
}
