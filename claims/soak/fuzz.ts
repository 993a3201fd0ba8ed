import fc from 'fast-check'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'
import { hostileInput } from './HostileInput.ts'
import { type Question, startOpNode } from './OpNodeAnswers.ts'
import { answer } from './OurAnswers.ts'

const QUICK_CASES = 2_000
const FULL_CASES = 60_000
const CHUNK_CASES = 500
/** Of each kind of input. */
const SHOWN_MAX = 3

/** Numbers of any size and absent authorizations are refused here when they are read, in op-geth when they are executed. */
const refusals = new Set(['malformed', 'unsigned', 'refused'])
const inOneWord = (kind: Question['kind'], lines: readonly string[]): string =>
  kind === 'transaction' && refusals.has(lines[0] ?? '') ? 'refused' : JSON.stringify(lines)

async function run({ isQuick, say, words }: ClaimOptions): Promise<Finding> {
  const cases = isQuick ? QUICK_CASES : FULL_CASES
  const seed = Number(words[0] ?? Date.now() % 2 ** 31)
  const opNode = startOpNode()
  await using stack = new AsyncDisposableStack()
  if (opNode !== undefined) stack.use(opNode)
  say(`seed ${seed}${opNode === undefined ? '; op-node-derive is not at hand' : ''}`)
  const failures: string[] = []
  let equal = 0
  const rows: (string | number)[][] = [
    ['input', 'cases', 'read', 'refused', 'equal to op-node', 'different', 'crashed'],
  ]
  for (const [kind, arbitrary] of await hostileInput()) {
    const counts = { read: 0, refused: 0, equal: 0, different: 0, crashed: 0 }
    for (let done = 0; done < cases; done += CHUNK_CASES) {
      const questions = fc.sample(arbitrary, {
        numRuns: Math.min(CHUNK_CASES, cases - done),
        seed: seed + done,
      })
      const theirs = opNode === undefined ? [] : await Promise.all(questions.map(opNode.ask))
      for (const [i, question] of questions.entries()) {
        let ours: readonly string[]
        try {
          ours = answer(question)
        } catch (error) {
          counts.crashed++
          if (counts.different + counts.crashed <= SHOWN_MAX)
            failures.push(`${JSON.stringify(question)} crashed: ${error}`)
          continue
        }
        if (ours.length === 0 || refusals.has(ours[0]!)) counts.refused++
        else counts.read++
        const other = theirs[i]
        if (other === undefined) continue
        if (inOneWord(kind, ours) === inOneWord(kind, other)) counts.equal++
        else {
          counts.different++
          if (counts.different + counts.crashed <= SHOWN_MAX)
            failures.push(
              `${JSON.stringify(question)}: op-node ${JSON.stringify(other)}, ours ${JSON.stringify(ours)}`,
            )
        }
      }
    }
    equal += counts.equal
    rows.push([kind, cases, ...Object.values(counts)])
    say(`${kind}: ${counts.equal} of ${cases} equal`)
  }
  if (opNode === undefined) {
    failures.push('nothing was compared: op-node-derive is not in $OPENLEDGER_VECTORS/bin')
  }
  return {
    figure: equal,
    unit: 'hostile inputs read as op-node reads them',
    goal: cases * (rows.length - 1),
    sense: 'at least',
    failures,
    report: `${table(rows)}\n\nSeed ${seed}; \`npm run soak -- fuzz SEED\` asks the same again.`,
  }
}

export const claim: Claim = {
  says: 'Hostile frames, channels, batches, transactions, RLP and L1 logs crash nothing, and are read as op-node and op-geth read them.',
  run,
}
