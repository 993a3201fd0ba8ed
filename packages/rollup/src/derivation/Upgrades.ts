import { hexToBytes } from '@ethereumjs/util'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import { type Crypto, plainCrypto } from '../Crypto.ts'
import * as Deposit from '../codec/Deposit.ts'
import * as Transaction from '../codec/Transaction.ts'
import * as Predeploys from '../execution/Predeploys.ts'
import type { Upgrade } from './Config.ts'

/** One transaction of a network upgrade; its `intent` is what tells it from every other deposit. */
type UpgradeTransaction = {
  readonly intent: string
  readonly from: Hex
  /** `null` creates a contract. */
  readonly to: Hex | null
  readonly data: Uint8Array
  readonly gas: bigint
}

const ADDRESS_ZERO: Hex = `0x${'00'.repeat(20)}`
const L1_BLOCK_DEPLOYER: Hex = '0x4210000000000000000000000000000000000006'
const GAS_PRICE_ORACLE_DEPLOYER: Hex = '0x4210000000000000000000000000000000000007'
/** Where the first contract of each deployer comes to stand. */
const JOVIAN_L1_BLOCK: Hex = '0x3ba4007f5c922fbb33c454b41ea7a1f11e83df2c'
const JOVIAN_GAS_PRICE_ORACLE: Hex = '0x4f1db3c6abd250ba86e0928471a8f7db3afd88f1'
const UPGRADE_TO = '0x3659cfe6'
const SET_JOVIAN: Hex = '0xb3d72079'

/**
 * Lists what Jovian's first block deploys and replaces.
 *
 * The intents are those that op-node and kona hash; the specification writes two of them otherwise.
 *
 * @param bytecode - What creates the two contracts, as the specification publishes it.
 * @see OP specs, Jovian, derivation, "Network Upgrade Transactions".
 */
export function jovianUpgrade(
  bytecode: { readonly l1Block: Uint8Array; readonly gasPriceOracle: Uint8Array },
  crypto: Crypto = plainCrypto,
): Upgrade {
  const proxyUpdate = (name: string, proxy: Hex, implementation: Hex): UpgradeTransaction => ({
    intent: `Jovian: ${name} Proxy Update`,
    from: ADDRESS_ZERO,
    to: proxy,
    data: hexToBytes(`${UPGRADE_TO}${implementation.slice(2).padStart(64, '0')}`),
    gas: 50_000n,
  })
  const transactions: readonly UpgradeTransaction[] = [
    {
      intent: 'Jovian: L1 Block Deployment',
      from: L1_BLOCK_DEPLOYER,
      to: null,
      data: bytecode.l1Block,
      gas: 447_315n,
    },
    proxyUpdate('L1 Block', Predeploys.L1_BLOCK, JOVIAN_L1_BLOCK),
    {
      intent: 'Jovian: Gas Price Oracle Deployment',
      from: GAS_PRICE_ORACLE_DEPLOYER,
      to: null,
      data: bytecode.gasPriceOracle,
      gas: 1_750_714n,
    },
    proxyUpdate('Gas Price Oracle', Predeploys.GAS_PRICE_ORACLE, JOVIAN_GAS_PRICE_ORACLE),
    {
      intent: 'Jovian: Gas Price Oracle Set Jovian',
      from: Predeploys.L1_ATTRIBUTES_DEPOSITOR,
      to: Predeploys.GAS_PRICE_ORACLE,
      data: hexToBytes(SET_JOVIAN),
      gas: 90_000n,
    },
  ]
  return { transactions: transactions.map((one) => encode(one, crypto)) }
}

/** A bundle of network upgrade transactions, in the JSON of the OP Stack's releases. */
export type UpgradeBundle = {
  readonly metadata: { readonly version: string }
  readonly transactions: readonly {
    readonly intent: string
    readonly from: Hex
    readonly to: Hex | null
    readonly data: Hex
    readonly gasLimit: number
  }[]
}

const BUNDLE_VERSION = '1.0.0'

/**
 * Lists what Karst's first block deploys and replaces; the block has that much more gas.
 * @throws {UpgradeBundleError} when it is written in another version.
 */
export function karstUpgrade(bundle: UpgradeBundle, crypto: Crypto = plainCrypto): Upgrade {
  const { version } = bundle.metadata
  if (version !== BUNDLE_VERSION) throw new UpgradeBundleError(version)
  const transactions = bundle.transactions.map(
    ({ intent, from, to, data, gasLimit }, i): UpgradeTransaction => ({
      intent: `Karst ${i}: ${intent}`,
      from,
      to,
      data: hexToBytes(data),
      gas: BigInt(gasLimit),
    }),
  )
  return {
    transactions: transactions.map((one) => encode(one, crypto)),
    gas: transactions.reduce((sum, { gas }) => sum + gas, 0n),
  }
}

const lower = (address: Hex): Hex => address.toLowerCase() as Hex

const encode = ({ intent, from, to, data, gas }: UpgradeTransaction, crypto: Crypto): Uint8Array =>
  Transaction.encode({
    type: 0x7e,
    sourceHash: Deposit.upgradeSourceHash(Bytes.fromUtf8(intent), crypto),
    from: lower(from),
    to: to === null ? null : lower(to),
    mint: 0n,
    value: 0n,
    gas,
    isSystemTx: false,
    data,
  })

export class UpgradeBundleError extends BaseError {
  constructor(version: string) {
    super({
      code: 'derivation.upgrade_bundle',
      message: `Expected a bundle of network upgrade transactions of version ${BUNDLE_VERSION}, got version ${version}: take the file of the release that the chain goes by.`,
      context: { version },
    })
  }
}
