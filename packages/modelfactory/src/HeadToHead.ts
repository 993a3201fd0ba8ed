import type { Http } from '@openledger/protocol'

/** What a judge is asked: which of two answers to a prompt is better. */
export type Question = {
  readonly prompt: string
  /** What the record says, for the judge to go by. */
  readonly reference: string
  readonly first: string
  readonly second: string
}

/** What a judge says; undefined where its words are none of the three. */
export type Verdict = 'first' | 'second' | 'tie' | undefined

export type Judge = {
  /** What cards call it. */
  readonly name: string
  readonly judge: (question: Question, signal: AbortSignal) => Promise<Verdict>
}

/** The answers of two models to one prompt. */
export type Answers = Pick<Question, 'prompt' | 'reference'> & {
  readonly ours: string
  readonly theirs: string
}

/** 95 in 100 draws of a normal distribution lie within so many standard deviations. */
const WILSON_Z = 1.959964

/**
 * Has a judge choose between two models' answers, each pair in both orders: an answer wins only if it is chosen first and
 * second, so that a judge with a liking for a place gives ties. Equal answers are a tie that nobody is asked about.
 *
 * @param against - Name of the other model.
 * @throws What the judge throws.
 * @see Zheng et al. 2023, "Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena", section 3.4, for the swap.
 */
export async function headToHead(
  against: string,
  answers: readonly Answers[],
  { judge }: Judge,
  signal: AbortSignal,
): Promise<Http.HeadToHead> {
  const counts = { wins: 0, ties: 0, losses: 0, unread: 0 }
  for (const { prompt, reference, ours, theirs } of answers) {
    if (ours.trim() === theirs.trim()) {
      counts.ties++
      continue
    }
    const ask = (first: string, second: string) => judge({ prompt, reference, first, second }, signal)
    const verdicts = [await ask(ours, theirs), await ask(theirs, ours)] as const
    if (verdicts.includes(undefined)) counts.unread++
    if (verdicts[0] === 'first' && verdicts[1] === 'second') counts.wins++
    else if (verdicts[0] === 'second' && verdicts[1] === 'first') counts.losses++
    else counts.ties++
  }
  const score = answers.length === 0 ? 0 : (counts.wins + counts.ties / 2) / answers.length
  const { low, high } = wilson(score, answers.length)
  const toPpm = (value: number): number => Math.round(1e6 * value)
  return {
    against,
    prompts: answers.length,
    ...counts,
    scorePpm: toPpm(score),
    lowPpm: toPpm(low),
    highPpm: toPpm(high),
  }
}

/**
 * Bounds that hold a proportion in 95 of 100 samples, also where few were taken or all fell on one side.
 * @see Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
 */
export function wilson(proportion: number, count: number): { readonly low: number; readonly high: number } {
  if (count === 0) return { low: 0, high: 1 }
  const square = WILSON_Z ** 2 / count
  const middle = (proportion + square / 2) / (1 + square)
  const reach =
    (WILSON_Z / (1 + square)) * Math.sqrt((proportion * (1 - proportion)) / count + square / (4 * count))
  return { low: Math.max(0, middle - reach), high: Math.min(1, middle + reach) }
}
