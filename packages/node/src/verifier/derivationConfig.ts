import {
  activatedBy,
  type DerivationConfig,
  type SystemConfigValues,
  type TimedFork,
} from '@openledger/rollup'
import { concat, type Hex, hexToBigInt, numberToHex, slice } from 'viem'
import type { RollupConfig } from '../deployment/RollupConfig.ts'
import { readUpgrades } from '../deployment/UpgradeFiles.ts'
import type { BlockRecord } from '../engine/Engine.ts'
import { l1InfoOf } from '../node/L1Origin.ts'

/**
 * Reads `rollup.json` as derivation needs it.
 * @param upgradesDirectory - Where the files lie that forks after genesis deploy; needed where there are such forks.
 * @throws {UpgradeFileMissingError | UpgradeFileMismatchError}
 */
export function derivationConfigOf(config: RollupConfig, upgradesDirectory?: string): DerivationConfig {
  const { genesis } = config
  const times = { jovian: config.jovian_time, karst: config.karst_time }
  const upgraded = (Object.keys(times) as TimedFork[]).filter((fork) => (times[fork] ?? 0) > genesis.l2_time)
  return {
    genesis: {
      l1: { number: BigInt(genesis.l1.number), hash: genesis.l1.hash },
      l2: { number: BigInt(genesis.l2.number), hash: genesis.l2.hash },
      timestamp: BigInt(genesis.l2_time),
      systemConfig: initialSystemConfig(genesis.system_config),
    },
    blockTimeSeconds: BigInt(config.block_time),
    sequencingWindowBlocks: BigInt(config.seq_window_size),
    l2ChainId: BigInt(config.l2_chain_id),
    batchInbox: config.batch_inbox_address,
    portal: config.deposit_contract_address,
    systemConfigAddress: config.l1_system_config_address,
    ...(config.jovian_time === undefined ? {} : { jovianTime: BigInt(config.jovian_time) }),
    ...(config.karst_time === undefined ? {} : { karstTime: BigInt(config.karst_time) }),
    upgrades: readUpgrades(upgradesDirectory, upgraded),
  }
}

/** What EIP-1559 parameters of zero stand for: the chain's denominator and elasticity, 8 bytes. */
export const defaultEip1559ParamsOf = ({ chain_op_config }: RollupConfig): Hex =>
  concat([
    numberToHex(chain_op_config.eip1559DenominatorCanyon, { size: 4 }),
    numberToHex(chain_op_config.eip1559Elasticity, { size: 4 }),
  ])

function initialSystemConfig(config: RollupConfig['genesis']['system_config']): SystemConfigValues {
  const uint = (hex: Hex, from: number, to: number): bigint => hexToBigInt(slice(hex, from, to))
  return {
    batcherAddress: config.batcherAddr.toLowerCase() as Hex,
    blobBaseFeeScalar: uint(config.scalar, 24, 28),
    baseFeeScalar: uint(config.scalar, 28, 32),
    gasLimit: BigInt(config.gasLimit),
    eip1559Params: config.eip1559Params,
    operatorFeeScalar: uint(config.operatorFeeParams, 20, 24),
    operatorFeeConstant: uint(config.operatorFeeParams, 24, 32),
  }
}

/**
 * Reads out of an L2 block the system configuration that it was built by.
 * @see OP specs, derivation, "Resetting the Pipeline".
 */
export function systemConfigOf(block: BlockRecord, config: DerivationConfig): SystemConfigValues {
  if (block.number === config.genesis.l2.number) return config.genesis.systemConfig
  const info = l1InfoOf(block)
  // the first block of a fork has room for its upgrade, and no other
  const upgradeGas = activatedBy(config, block.timestamp).reduce(
    (sum, fork) => sum + (config.upgrades?.[fork]?.gas ?? 0n),
    0n,
  )
  const isJovian = block.extraData.length === JOVIAN_EXTRA_DATA_CHARS
  return {
    batcherAddress: info.batcherAddress,
    baseFeeScalar: info.baseFeeScalar,
    blobBaseFeeScalar: info.blobBaseFeeScalar,
    gasLimit: block.gasLimit - upgradeGas,
    eip1559Params: slice(block.extraData, 1, 9),
    operatorFeeScalar: info.operatorFeeScalar,
    operatorFeeConstant: info.operatorFeeConstant,
    ...(isJovian ? { minBaseFee: hexToBigInt(slice(block.extraData, 9, 17)) } : {}),
    ...(info.daFootprintGasScalar === undefined ? {} : { daFootprintGasScalar: info.daFootprintGasScalar }),
  }
}

/** `0x`, version, denominator, elasticity and minimum base fee. */
const JOVIAN_EXTRA_DATA_CHARS = 2 + 2 * 17
