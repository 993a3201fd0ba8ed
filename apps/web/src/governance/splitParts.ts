import type { FeeSplit } from '@openledger/protocol'

/** Limits that a vote set to later splits, in hundredths of a per cent, as `FeePolicy.bounds` gives them. */
export type Bounds = {
  readonly platformBpsMax: number
  readonly ownerBpsMax: number
  readonly stakersBpsMax: number
  readonly contributorsBpsMin: number
}

/** The parts of a fee and their names. */
export const PARTS = [
  { key: 'contributorsBps', label: 'Contributors', colour: 'cyan' },
  { key: 'ownerBps', label: 'Model owner', colour: 'grape' },
  { key: 'stakersBps', label: 'Stakers', colour: 'orange' },
  { key: 'platformBps', label: 'Platform', colour: 'gray.5' },
] as const satisfies readonly { key: keyof FeeSplit.FeeSplit; [rest: string]: unknown }[]

/** Least and most that a part may get within the bounds, in hundredths of a per cent. */
export function rangeOf(
  key: keyof FeeSplit.FeeSplit,
  bounds: Bounds,
): { readonly min: number; readonly max: number } {
  switch (key) {
    case 'contributorsBps':
      return { min: bounds.contributorsBpsMin, max: 10_000 }
    case 'ownerBps':
      return { min: 0, max: bounds.ownerBpsMax }
    case 'stakersBps':
      return { min: 0, max: bounds.stakersBpsMax }
    case 'platformBps':
      return { min: 0, max: bounds.platformBpsMax }
  }
}

/** Why a split cannot be proposed; undefined when it can. */
export function splitProblem(split: FeeSplit.FeeSplit, bounds: Bounds): string | undefined {
  for (const { key, label } of PARTS) {
    const { min, max } = rangeOf(key, bounds)
    if (!Number.isInteger(split[key])) return `${label}: at most two decimals.`
    if (split[key] < min || split[key] > max)
      return `${label} must get between ${min / 100} % and ${max / 100} %.`
  }
  const sum = PARTS.reduce((total, { key }) => total + split[key], 0)
  return sum === 10_000 ? undefined : `The parts sum to ${sum / 100} %; they must sum to 100 %.`
}
