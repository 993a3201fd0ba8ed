/** How a claim is run: `--quick` answers within a minute on two cores, the full size is what the documents quote. */
export type ClaimOptions = {
  readonly isQuick: boolean
  /** Words after the claim's name, for claims that run in parts. */
  readonly words: readonly string[]
  /** One line of progress or one row of the table, shown at once. */
  readonly say: (line: string) => void
}

/** What a run found: one figure held against one goal, and the table behind it. */
export type Finding = {
  readonly figure: number
  readonly unit: string
  readonly goal: number
  /** Whether the figure has to reach the goal from below (`at least`) or stay under it (`at most`). */
  readonly sense: 'at least' | 'at most'
  /** Why the figure is short although it reaches the goal: another row of the table failed. */
  readonly failures?: readonly string[]
  /** The table and its remarks, in Markdown; a full run writes it into its page of `docs/benchmarks`. */
  readonly report: string
}

/** One sentence about the product that a command can refute. */
export type Claim = {
  readonly says: string
  readonly run: (options: ClaimOptions) => Promise<Finding>
}

/** The kinds of claims; each is a word of `npm run` and a folder here. */
export const KINDS = ['bench', 'vectors', 'attack', 'soak'] as const
export type Kind = (typeof KINDS)[number]

/** Whether the finding holds up: the figure is on the goal's side and nothing else failed. */
export const isMet = ({ figure, goal, sense, failures = [] }: Finding): boolean =>
  failures.length === 0 && (sense === 'at least' ? figure >= goal : figure <= goal)

/** The closing line: `chain 51.2 x, goal at least 10: met`. */
export const closingLine = (name: string, finding: Finding): string =>
  `${name} ${Number(finding.figure.toPrecision(4))} ${finding.unit}, goal ${finding.sense} ${finding.goal}: ${isMet(finding) ? 'met' : 'short'}`

/** A Markdown table; the first row is its head. */
export const table = (rows: readonly (readonly (string | number)[])[]): string => {
  const [head = [], ...body] = rows
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n')
}
