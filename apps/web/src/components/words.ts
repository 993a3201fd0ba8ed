import { Attribution } from '@openledger/protocol'

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

/** A moment in Unix seconds, by the reader's own clock: `22 Nov 2026, 06:20:11`. */
export const moment = (seconds: number): string =>
  new Date(seconds * 1000).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' })

/** How far a record's influence stands out, in a word; `milliZ` is in thousandths of a robust standard deviation. */
export function strength(milliZ: number): string {
  if (milliZ >= 8_000) return 'very strongly'
  if (milliZ >= 5_000) return 'strongly'
  return 'clearly'
}

/** How much likelier an answer became, as a number of times that people can read. */
export function likelier(milliNats: number): string {
  const times = Math.exp(milliNats / 1_000)
  if (times < 1_000) return `${times.toPrecision(times < 10 ? 2 : 3)} times as likely`
  return 'more than a thousand times as likely'
}

/** How many records, passages and given records speak for a share. */
export function inShort(reasons: readonly Attribution.Reason[]): string {
  const { moved, passages, given } = Attribution.tally(reasons)
  return [
    moved > 0 && `${count(moved, 'record')} moved it`,
    passages > 0 && `${count(passages, 'passage')} word for word`,
    given > 0 && `${count(given, 'record')} in the prompt`,
  ]
    .filter((part) => part !== false)
    .join(' · ')
}

/** How much of a share came by each way, in parts per million. */
export function byKind(reasons: readonly Attribution.Reason[]): Record<Attribution.Reason['kind'], number> {
  const sum = { influence: 0, span: 0, context: 0 }
  for (const { kind, sharePpm } of reasons) sum[kind] += sharePpm
  return sum
}
