import type { FeeSplit } from '@openledger/protocol'

/** The parts of a fee: their names, and the bounds that the contract sets to every vote, in per cent. */
export const PARTS = [
  { key: 'contributorsBps', label: 'Contributors', min: 30, max: 100, colour: 'cyan' },
  { key: 'ownerBps', label: 'Model owner', min: 0, max: 40, colour: 'grape' },
  { key: 'stakersBps', label: 'Stakers', min: 0, max: 30, colour: 'orange' },
  { key: 'platformBps', label: 'Platform', min: 0, max: 20, colour: 'gray.5' },
] as const satisfies readonly { key: keyof FeeSplit.FeeSplit; [rest: string]: unknown }[]

/** Why a split cannot be proposed; undefined when it can. */
export function splitProblem(split: FeeSplit.FeeSplit): string | undefined {
  for (const { key, label, min, max } of PARTS) {
    const percent = split[key] / 100
    if (!Number.isInteger(split[key])) return `${label}: at most two decimals.`
    if (percent < min || percent > max) return `${label} must get between ${min} % and ${max} %.`
  }
  const sum = PARTS.reduce((total, { key }) => total + split[key], 0)
  return sum === 10_000 ? undefined : `The parts sum to ${sum / 100} %; they must sum to 100 %.`
}
