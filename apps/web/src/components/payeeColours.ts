import type { Attribution } from '@openledger/protocol'
import { ranked } from './pieces.ts'

/** Colours of payees by rank; further payees share the last. Neighbours differ in lightness as well as in hue. */
const PALETTE = ['cyan', 'orange', 'grape', 'lime', 'pink', 'indigo', 'yellow', 'teal'] as const

/** Gives each contribution of an attribution the name of its colour, highest share first. */
export const payeeColours = (attribution: Attribution.Attribution): Map<string, string> =>
  new Map(
    ranked(attribution).map(({ contributionId }, rank) => [
      contributionId,
      PALETTE[Math.min(rank, PALETTE.length - 1)]!,
    ]),
  )
