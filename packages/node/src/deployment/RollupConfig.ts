import { type Address, concat, type Hex, numberToHex } from 'viem'
import { z } from 'zod'
import type { SystemConfig } from '../sequencer/L1View.ts'

const hex = z
  .string()
  .regex(/^0x[0-9a-fA-F]*$/)
  .transform((value) => value as Hex)
const block = z.object({ hash: hex, number: z.number().int() })

/**
 * The rollup's parameters in op-node's `rollup.json` form, so that op-node reads the file as it is.
 * @see OP specs, "Rollup node"; op-node `rollup.Config`.
 */
export const rollupConfigSchema = z.object({
  genesis: z.object({
    l1: block,
    l2: block,
    l2_time: z.number().int(),
    system_config: z.object({
      batcherAddr: hex,
      overhead: hex,
      scalar: hex,
      gasLimit: z.number().int(),
      eip1559Params: hex,
      operatorFeeParams: hex,
    }),
  }),
  block_time: z.number().int(),
  max_sequencer_drift: z.number().int(),
  seq_window_size: z.number().int(),
  channel_timeout: z.number().int(),
  l1_chain_id: z.number().int(),
  l2_chain_id: z.number().int(),
  regolith_time: z.number().int(),
  canyon_time: z.number().int(),
  delta_time: z.number().int(),
  ecotone_time: z.number().int(),
  fjord_time: z.number().int(),
  granite_time: z.number().int(),
  holocene_time: z.number().int(),
  isthmus_time: z.number().int(),
  jovian_time: z.number().int().optional(),
  karst_time: z.number().int().optional(),
  batch_inbox_address: hex,
  deposit_contract_address: hex,
  l1_system_config_address: hex,
  protocol_versions_address: hex,
  chain_op_config: z.object({
    eip1559Elasticity: z.number().int(),
    eip1559Denominator: z.number().int(),
    eip1559DenominatorCanyon: z.number().int(),
  }),
})

export type RollupConfig = z.infer<typeof rollupConfigSchema>

/** EIP-1559 of the L2: a block may change the base fee by 1/250, and holds up to 6 times its target. */
export const chainOpConfig = {
  eip1559Elasticity: 6,
  eip1559Denominator: 50,
  eip1559DenominatorCanyon: 250,
} as const

/** When forks after Isthmus begin, in seconds of the L2's time; what is absent never does, 0 is from genesis. */
export type LaterForks = { readonly jovianTime?: number; readonly karstTime?: number }

export type RollupConfigInput = {
  readonly l1ChainId: number
  readonly l2ChainId: number
  readonly l2BlockTimeSeconds: number
  readonly portal: Address
  readonly systemConfig: Address
  readonly batchInbox: Address
  /** The L1 block that the L2's genesis stands on. */
  readonly origin: { readonly number: number; readonly hash: Hex; readonly timestamp: number }
  readonly l2GenesisHash: Hex
  readonly initial: SystemConfig
  readonly forks?: LaterForks
}

/** Describes the rollup with every fork up to Isthmus active from its first block, and later ones at their times. */
export function createRollupConfig(input: RollupConfigInput): RollupConfig {
  const { origin, initial } = input
  return {
    genesis: {
      l1: { hash: origin.hash, number: origin.number },
      l2: { hash: input.l2GenesisHash, number: 0 },
      l2_time: origin.timestamp,
      system_config: {
        batcherAddr: initial.batcherAddress,
        overhead: numberToHex(0, { size: 32 }),
        scalar: feeScalar(initial),
        gasLimit: Number(initial.gasLimit),
        eip1559Params: initial.eip1559Params,
        operatorFeeParams: concat([
          numberToHex(0, { size: 20 }),
          numberToHex(initial.operatorFeeScalar, { size: 4 }),
          numberToHex(initial.operatorFeeConstant, { size: 8 }),
        ]),
      },
    },
    block_time: input.l2BlockTimeSeconds,
    max_sequencer_drift: 1800,
    seq_window_size: 3600,
    channel_timeout: 300,
    l1_chain_id: input.l1ChainId,
    l2_chain_id: input.l2ChainId,
    regolith_time: 0,
    canyon_time: 0,
    delta_time: 0,
    ecotone_time: 0,
    fjord_time: 0,
    granite_time: 0,
    holocene_time: 0,
    isthmus_time: 0,
    ...(input.forks?.jovianTime === undefined ? {} : { jovian_time: input.forks.jovianTime }),
    ...(input.forks?.karstTime === undefined ? {} : { karst_time: input.forks.karstTime }),
    batch_inbox_address: input.batchInbox,
    deposit_contract_address: input.portal,
    l1_system_config_address: input.systemConfig,
    protocol_versions_address: numberToHex(0, { size: 20 }),
    chain_op_config: chainOpConfig,
  }
}

/** Packs the fee scalars as SystemConfig does from Ecotone on: version 1 ‖ zeros ‖ blob scalar ‖ base fee scalar. */
export const feeScalar = (config: SystemConfig): Hex =>
  concat([
    '0x01',
    numberToHex(0, { size: 23 }),
    numberToHex(config.blobBaseFeeScalar, { size: 4 }),
    numberToHex(config.baseFeeScalar, { size: 4 }),
  ])

/** The address to which batches of a chain are sent; nobody has its key. */
export const batchInboxOf = (l2ChainId: number): Address =>
  `0xff${String(l2ChainId).padStart(38, '0')}` as Address
