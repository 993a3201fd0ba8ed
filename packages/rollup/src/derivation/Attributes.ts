import { BaseError, type Hex } from '@openledger/primitives'
import { type Crypto, plainCrypto } from '../Crypto.ts'
import * as Deposit from '../codec/Deposit.ts'
import * as L1Info from '../codec/L1Info.ts'
import type { SystemConfig } from '../codec/SystemConfig.ts'
import * as Transaction from '../codec/Transaction.ts'
import * as Predeploys from '../execution/Predeploys.ts'
import type { L1Block, L1Log, L2Block } from './Block.ts'
import { activatedBy, type DerivationConfig, isActive } from './Config.ts'

/** The inputs of one L2 block: what it must begin with, and under which rules it is built. */
export type BlockInputs = {
  readonly timestamp: bigint
  readonly prevRandao: Hex
  readonly feeRecipient: Hex
  readonly parentBeaconBlockRoot: Hex
  readonly gasLimit: bigint
  /** 4 bytes denominator then 4 bytes elasticity; all zero means the chain's defaults. */
  readonly eip1559Params: Hex
  /** In wei per gas, from Jovian on. */
  readonly minBaseFee?: bigint
  /** Encoded deposits: the L1 info, those of users, those of a network upgrade. */
  readonly deposits: readonly Uint8Array[]
}

const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`
const DA_FOOTPRINT_GAS_SCALAR_DEFAULT = 400n

/**
 * Builds the attributes of the block after `parent`, without the sequencer's transactions.
 *
 * @param input.origin - Its L1 block: the parent's, or the one after.
 * @param input.systemConfig - As it stands after the origin.
 * @param input.logs - Of the origin; read only where the origin is new.
 * @throws {OriginOrderError} when the origin does not follow the parent's, or is younger than the block.
 * @throws {Deposit.InvalidDepositLogError} when the portal's log is none: deposits may not be passed over.
 * @see OP specs, derivation, "Deriving Payload Attributes".
 */
export function buildAttributes(
  config: DerivationConfig,
  input: {
    readonly parent: L2Block
    readonly origin: L1Block
    readonly systemConfig: SystemConfig
    readonly logs: readonly L1Log[]
  },
  crypto: Crypto = plainCrypto,
): BlockInputs {
  const { parent, origin, systemConfig, logs } = input
  const timestamp = parent.timestamp + config.blockTimeSeconds
  const isNewEpoch = origin.number !== parent.origin.number
  const follows = isNewEpoch
    ? origin.parentHash === parent.origin.hash && origin.number === parent.origin.number + 1n
    : origin.hash === parent.origin.hash
  if (!follows || timestamp < origin.timestamp) throw new OriginOrderError(parent, origin)
  const upgrades = activatedBy(config, timestamp)
  const isJovian = isActive(config, 'jovian', timestamp)
  // the fork's first block is still told by the contract that its upgrade replaces
  const hasDaFootprint = isJovian && !upgrades.includes('jovian')
  const info = L1Info.toDeposit(
    {
      number: origin.number,
      timestamp: origin.timestamp,
      hash: origin.hash,
      baseFee: origin.baseFeePerGas,
      blobBaseFee: origin.blobBaseFee,
      sequenceNumber: isNewEpoch ? 0n : parent.sequenceNumber + 1n,
      batcherAddress: systemConfig.batcherAddress,
      baseFeeScalar: systemConfig.baseFeeScalar,
      blobBaseFeeScalar: systemConfig.blobBaseFeeScalar,
      operatorFeeScalar: systemConfig.operatorFeeScalar,
      operatorFeeConstant: systemConfig.operatorFeeConstant,
      ...(hasDaFootprint
        ? { daFootprintGasScalar: systemConfig.daFootprintGasScalar || DA_FOOTPRINT_GAS_SCALAR_DEFAULT }
        : {}),
    },
    crypto,
  )
  const deposited = isNewEpoch ? depositsOf(logs, config.portal, origin.hash, crypto) : []
  const upgrade = upgrades.map((fork) => {
    const found = config.upgrades?.[fork]
    if (found === undefined) throw new MissingUpgradeError(fork)
    return found
  })
  return {
    timestamp,
    prevRandao: origin.prevRandao,
    feeRecipient: Predeploys.SEQUENCER_FEE_VAULT,
    parentBeaconBlockRoot: origin.parentBeaconBlockRoot ?? ZERO_HASH,
    gasLimit: upgrade.reduce((sum, { gas = 0n }) => sum + gas, systemConfig.gasLimit),
    eip1559Params: systemConfig.eip1559Params,
    ...(isJovian ? { minBaseFee: systemConfig.minBaseFee ?? 0n } : {}),
    deposits: [
      ...[info, ...deposited].map((deposit) => Transaction.encode(deposit)),
      ...upgrade.flatMap(({ transactions }) => transactions),
    ],
  }
}

/** Reads the deposits of an L1 block out of the portal's logs, in their order. */
function depositsOf(
  logs: readonly L1Log[],
  portal: Hex,
  blockHash: Hex,
  crypto: Crypto,
): Transaction.DepositTransaction[] {
  return logs
    .filter(
      ({ address, topics }) =>
        address.toLowerCase() === portal.toLowerCase() && topics[0] === Deposit.TRANSACTION_DEPOSITED_TOPIC,
    )
    .sort((a, b) => a.logIndex - b.logIndex)
    .map((log) => Deposit.fromLog(log, blockHash, crypto))
}

export class OriginOrderError extends BaseError {
  constructor(parent: L2Block, origin: L1Block) {
    super({
      code: 'derivation.origin_order',
      message: `Expected L1 block ${parent.origin.number} (${parent.origin.hash}) or the one after it, and none younger than the L2 block after ${parent.number}; got ${origin.number} (${origin.hash}).`,
      context: { parent: parent.number.toString(), origin: origin.number.toString(), hash: origin.hash },
      severity: 'reset',
    })
  }
}

export class MissingUpgradeError extends BaseError {
  constructor(fork: string) {
    super({
      code: 'derivation.missing_upgrade',
      message: `Expected the upgrade transactions of ${fork}, which begins after genesis, got none: configure them, or activate ${fork} at genesis.`,
      context: { fork },
    })
  }
}
