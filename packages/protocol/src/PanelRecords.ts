import type { Hex } from '@openledger/primitives'
import type * as Http from './Http.ts'

/** Records that one case before the validators' panel can be about: they lie in one part of their contribution. */
export const PART_SIZE = 256

/** Says whether a word of records, lowest bit first, has the one at a place within its part. */
export const isIn = (word: bigint, place: number): boolean => ((word >> BigInt(place)) & 1n) === 1n

/** Gives the places of records in their contribution from one part's word. */
export const indexesOf = (word: bigint, part: number): number[] =>
  Array.from({ length: PART_SIZE }, (_, place) => place)
    .filter((place) => isIn(word, place))
    .map((place) => part * PART_SIZE + place)

/** Gives what `ValidatorPanel.carryOut` asks for: every record's id, and which of them stand accepted now. */
export function carryOutArguments(
  caseId: number,
  { records }: Pick<Http.ContributionDetail, 'records'>,
): readonly [bigint, readonly Hex[], readonly bigint[]] {
  const standing = Array.from({ length: Math.ceil(records.length / PART_SIZE) }, (_, part) =>
    records
      .slice(part * PART_SIZE, (part + 1) * PART_SIZE)
      .reduce(
        (word, { verdict }, place) => (verdict === 'accepted' ? word | (1n << BigInt(place)) : word),
        0n,
      ),
  )
  return [BigInt(caseId), records.map(({ id }) => id as Hex), standing]
}
