import type { Attribution } from '@openledger/protocol'

/** Parts per million as a percentage with one decimal. */
export const percent = (ppm: number): string => `${(ppm / 10_000).toFixed(1)} %`

/** Puts a number before its noun, with an s where it needs one. */
export const count = (number: number, noun: string): string =>
  `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`

/** A length of time in its largest whole unit. */
export function duration(seconds: number): string {
  const units = [
    [86_400, 'day'],
    [3_600, 'hour'],
    [60, 'minute'],
  ] as const
  const unit = units.find(([length]) => seconds >= 2 * length)
  return unit === undefined ? count(seconds, 'second') : count(Math.ceil(seconds / unit[0]), unit[1])
}

/** How far a record's influence stands out, in a word; `milliZ` is in thousandths of a robust standard deviation. */
export function strength(milliZ: number): string {
  if (milliZ >= 8_000) return 'very strongly'
  if (milliZ >= 5_000) return 'strongly'
  return 'clearly'
}

/** Says one reason for a share in words. */
export function reasonText(reason: Attribution.Reason): string {
  switch (reason.kind) {
    case 'influence':
      return `Moved the answer ${strength(reason.milliZ)} (${(reason.milliZ / 1000).toFixed(1)} σ)`
    case 'span':
      return `Has ${count(reason.end - reason.start, 'character')} of the answer word for word (found ${count(reason.occurrences, 'time')} in the training data)`
    case 'context':
      return `Stood in the prompt and made the answer ${likelier(reason.milliNats)}`
    default:
      return reason satisfies never
  }
}

/** How much likelier an answer became, as a number of times that people can read. */
export function likelier(milliNats: number): string {
  const times = Math.exp(milliNats / 1_000)
  if (times < 1_000) return `${times.toPrecision(times < 10 ? 2 : 3)} times as likely`
  return 'more than a thousand times as likely'
}

/** How much of a share came by each way, in parts per million. */
export function byKind(reasons: readonly Attribution.Reason[]): Record<Attribution.Reason['kind'], number> {
  const sum = { influence: 0, span: 0, context: 0 }
  for (const { kind, sharePpm } of reasons) sum[kind] += sharePpm
  return sum
}
