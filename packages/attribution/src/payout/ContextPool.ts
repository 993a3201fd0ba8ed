import { BaseError, Share } from '@openledger/primitives'
import type { Registry } from './PayoutRecord.ts'

/** What an answer's likelihood must be measured with, to say which passages of its prompt shaped it. */
export type ContextPlan = {
  /** Passages by number; those of one cluster of duplicates are one player. */
  readonly players: readonly (readonly number[])[]
  /** Sets of players, by number, whose passages are left in; none comes first, all last. */
  readonly coalitions: readonly (readonly number[])[]
}

export type ContextLine = {
  /** The record that is paid: the first of its cluster of duplicates. */
  readonly recordId: string
  /** Numbers of its passages in the prompt. */
  readonly passages: readonly number[]
  /** What its passages do to the answer's log-likelihood, in thousandths of a nat, rounded towards zero. */
  readonly milliNats: number
  readonly units: number
}

/** Up to so many players every coalition is measured: 64 readings of the answer. */
export const EXACT_PLAYERS_MAX = 6
/** More passages than this do not fit a prompt that leaves room for an answer. */
export const PASSAGES_MAX = 256

/**
 * Plans which passages to leave out: every set of them up to six players, and above each player alone and all but each.
 * @param clusterIds - Of each passage, in the order of the prompt.
 * @throws {ContextError}
 */
export function plan(clusterIds: readonly string[]): ContextPlan {
  if (clusterIds.length > PASSAGES_MAX)
    throw new ContextError(`${PASSAGES_MAX} passages at most`, `${clusterIds.length}`)
  const byCluster = new Map<string, number[]>()
  for (const [passage, clusterId] of clusterIds.entries()) {
    byCluster.set(clusterId, [...(byCluster.get(clusterId) ?? []), passage])
  }
  const players = [...byCluster.values()]
  const every = players.map((_, player) => player)
  if (players.length <= EXACT_PLAYERS_MAX) {
    const coalitions = Array.from({ length: 2 ** players.length }, (_, mask) =>
      every.filter((player) => (mask >> player) & 1),
    )
    return { players, coalitions }
  }
  const allBut = every.map((player) => every.filter((other) => other !== player))
  return { players, coalitions: [[], ...every.map((player) => [player]), ...allBut, every] }
}

/**
 * Splits a pool over retrieved passages by what each does to the answer's likelihood.
 *
 * Up to six players by their Shapley values, exactly: in whole thousandths of a nat times `players!`, so that nothing is
 * rounded before the end. Above by the mean of what a player adds to nothing and what it adds to all others, the first and
 * the last term of its Shapley value. Who lowers the likelihood is paid nothing, and lowers what is paid to the others: of
 * the pool `max(0, v(all) - v(none)) / Σ max(0, value)`, at most all of it, is paid.
 *
 * @param milliNats - Log-likelihood of the answer under each coalition of the plan, in whole thousandths of a nat.
 * @param recordIds - Of each passage.
 * @throws {ContextError} @throws {UnknownRecordError}
 * @see Shapley 1953; Cohen-Wang et al. 2024, ContextCite, for ablation as the ground truth of context attribution.
 */
export function split({
  plan: { players, coalitions },
  milliNats,
  recordIds,
  registry,
  units,
}: {
  readonly plan: ContextPlan
  readonly milliNats: readonly number[]
  readonly recordIds: readonly string[]
  readonly registry: Registry
  readonly units: bigint
}): ContextLine[] {
  assertMeasured({ players, coalitions }, milliNats)
  const { values, scale } =
    players.length <= EXACT_PLAYERS_MAX ? shapley(players.length, milliNats) : ends(players.length, milliNats)
  const positive = values.map((value) => (value > 0n ? value : 0n))
  const gross = positive.reduce((sum, value) => sum + value, 0n)
  const net = scale * BigInt(milliNats.at(-1)! - milliNats[0]!)
  if (net <= 0n || gross === 0n) return []
  const paid = net < gross ? (units * net) / gross : units
  const parts = Share.split(paid, positive)
  return players.flatMap((passages, player) => {
    if (parts[player] === 0n) return []
    return {
      recordId: registry.payeeOf(recordIds[passages[0]!]!).recordId,
      passages,
      milliNats: Number(values[player]! / scale),
      units: Number(parts[player]),
    }
  })
}

/** @throws {ContextError} when the numbers are not one for each coalition of the plan. */
export function assertMeasured({ coalitions }: ContextPlan, milliNats: readonly number[]): void {
  if (milliNats.length === coalitions.length && milliNats.every(Number.isSafeInteger)) return
  throw new ContextError(
    `${coalitions.length} whole numbers, one for each coalition`,
    `${milliNats.length} numbers`,
  )
}

/** Shapley values times `players!`; coalitions are numbered by their bits. */
function shapley(players: number, milliNats: readonly number[]): { values: bigint[]; scale: bigint } {
  const factorials = [1n]
  for (let n = 1; n <= players; n++) factorials.push(factorials[n - 1]! * BigInt(n))
  const sizeOf = (mask: number): number => {
    let size = 0
    for (let rest = mask; rest > 0; rest >>= 1) size += rest & 1
    return size
  }
  const values = Array.from({ length: players }, (_, player) => {
    let sum = 0n
    for (let mask = 0; mask < 2 ** players; mask++) {
      if ((mask >> player) & 1) continue
      const size = sizeOf(mask)
      const added = BigInt(milliNats[mask | (1 << player)]! - milliNats[mask]!)
      sum += factorials[size]! * factorials[players - size - 1]! * added
    }
    return sum
  })
  return { values, scale: factorials[players]! }
}

/** Twice the mean of what each player adds to nothing and to all others. */
function ends(players: number, milliNats: readonly number[]): { values: bigint[]; scale: bigint } {
  const [none, all] = [milliNats[0]!, milliNats.at(-1)!]
  const values = Array.from({ length: players }, (_, player) =>
    BigInt(milliNats[1 + player]! - none + (all - milliNats[1 + players + player]!)),
  )
  return { values, scale: 2n }
}

export class ContextError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'attribution.context',
      message: `Expected ${expected}, got ${got}; measure the answer under each coalition that the plan names.`,
      context: { expected, got },
    })
  }
}
