import { Bytes, type Hex } from '@openledger/primitives'
import type { DerivedBlock, L2Block } from '@openledger/rollup'
import type { BlockRecord } from '../engine/Engine.ts'

/**
 * Names the first thing in which a block differs from the one that L1 tells; `undefined` when it is the same.
 *
 * @param defaultEip1559Params - What all zero stands for.
 * @see OP specs, derivation, "L1-consolidation: payload attributes matching".
 */
export function differenceOf(
  block: BlockRecord,
  parent: L2Block,
  { attributes, transactions }: Pick<DerivedBlock, 'attributes' | 'transactions'>,
  defaultEip1559Params: Hex,
): string | undefined {
  const fields: readonly (readonly [string, unknown, unknown])[] = [
    ['parent hash', block.parentHash, parent.hash],
    ['timestamp', block.timestamp, attributes.timestamp],
    ['previous RANDAO', block.mixHash, attributes.prevRandao],
    ['fee recipient', block.miner.toLowerCase(), attributes.feeRecipient.toLowerCase()],
    ['parent beacon block root', block.parentBeaconBlockRoot, attributes.parentBeaconBlockRoot],
    ['gas limit', block.gasLimit, attributes.gasLimit],
  ]
  const field = fields.find(([, is, told]) => is !== told)
  if (field !== undefined) return field[0]
  const { eip1559Params, minBaseFee } = attributes
  const parameters = BigInt(eip1559Params) === 0n ? defaultEip1559Params : eip1559Params
  if (block.extraData !== extraDataOf(parameters, minBaseFee)) return 'EIP-1559 parameters'
  const raw = block.transactions.map((transaction) => transaction.raw)
  const told = [...attributes.deposits, ...transactions]
  const isSame = raw.length === told.length && raw.every((bytes, i) => Bytes.equals(bytes, told[i]!))
  return isSame ? undefined : 'transactions'
}

/** @see OP specs, Holocene and Jovian, "Dynamic EIP-1559 Parameters". */
const extraDataOf = (parameters: Hex, minBaseFee: bigint | undefined): Hex =>
  minBaseFee === undefined
    ? `0x00${parameters.slice(2)}`
    : `0x01${parameters.slice(2)}${minBaseFee.toString(16).padStart(16, '0')}`
