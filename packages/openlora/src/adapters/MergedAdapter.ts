import { type Adapter, Merge } from '@openledger/model'
import { Bytes, type Hex, Share } from '@openledger/primitives'
import type { AdapterReference } from './AdapterCache.ts'

/** One of the adapters that make an answer together, and its weight in millionths, never zero. */
export type WeightedReference = AdapterReference & { readonly weightPpm: number }

/** Several adapters that work as one; `hash` follows from theirs and the weights. */
export type MergedReference = { readonly hash: Hex; readonly parts: readonly WeightedReference[] }

/** What a row can be given. */
export type RowReference = AdapterReference | MergedReference

/** Version of how a merge is named. */
const MERGE_VERSION = 'openledger.merge.1'

/**
 * Names adapters in their order and weights: `keccak256(version ‖ (hash ‖ weight)*)`, a weight in 4 bytes big-endian, two's
 * complement. One adapter at weight 1 keeps its own name.
 */
export function mergeHash(parts: readonly WeightedReference[]): Hex {
  if (isAlone(parts)) return parts[0]!.hash
  const weightOf = ({ weightPpm }: WeightedReference): Uint8Array => {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setInt32(0, weightPpm)
    return bytes
  }
  const named = parts.flatMap((part) => [Bytes.fromHex(part.hash), weightOf(part)])
  return Bytes.toHex(Bytes.keccak256(Bytes.concat(Bytes.fromUtf8(MERGE_VERSION), ...named)))
}

/** @param parts - At least one. */
export const referenceOf = (parts: readonly WeightedReference[]): RowReference => {
  const [{ cid, hash }] = parts as readonly [WeightedReference, ...WeightedReference[]]
  return isAlone(parts) ? { cid, hash } : { hash: mergeHash(parts), parts }
}

/** @param adapters - Of the parts, in their order. @returns Undefined for none: the base model alone. */
export function mergedOf(
  parts: readonly WeightedReference[],
  adapters: readonly Adapter.Adapter[],
): Adapter.Adapter | undefined {
  if (parts.length === 0) return undefined
  if (isAlone(parts)) return adapters[0]
  return Merge.concatenate(mergeParts(parts, adapters), mergeHash(parts))
}

/** Joins references with their adapters, as they are concatenated. */
export const mergeParts = (
  parts: readonly WeightedReference[],
  adapters: readonly Adapter.Adapter[],
): Merge.MergePart[] =>
  parts.map(({ weightPpm }, i) => ({ adapter: adapters[i]!, weight: weightPpm / Number(Share.SCALE) }))

const isAlone = (parts: readonly WeightedReference[]): boolean =>
  parts.length === 1 && parts[0]!.weightPpm === Number(Share.SCALE)
