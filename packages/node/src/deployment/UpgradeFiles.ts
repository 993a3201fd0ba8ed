import { join } from 'node:path'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import {
  jovianUpgrade,
  karstUpgrade,
  type TimedFork,
  type Upgrade,
  type UpgradeBundle,
} from '@openledger/rollup'
import * as DurableFile from '../node/DurableFile.ts'

/** A file that a fork after genesis needs, and the SHA-256 of what it holds: hexadecimal text as bytes, JSON as it is. */
type UpgradeFile = { readonly name: string; readonly sha256: Hex }

const L1_BLOCK: UpgradeFile = {
  name: 'jovian-l1-block-deployment',
  sha256: '0xff5ce212d60f6b7f0b1e986bb845438ffc4d8f3a111355189b754ade9be4e536',
}
const GAS_PRICE_ORACLE: UpgradeFile = {
  name: 'jovian-gas-price-oracle-deployment',
  sha256: '0xdbc72c9a06222dca9c68c55b8a468ab66dee318adf417dc2b40616930f4a8b3b',
}
/** As op-node's `fork_lock.toml` pins it. */
const KARST_BUNDLE: UpgradeFile = {
  name: 'karst_nut_bundle.json',
  sha256: '0x08f5df36f7ff29a9421ab84beebe96684a7455df9a5d234a2468613a4008ad91',
}
/** The specification's repository writes text files, kona's crate of hard forks the same text in these. */
const HEX_EXTENSIONS = ['.txt', '.hex']

/**
 * Reads what the first block of each fork deploys, which others wrote and released: the operator brings the files, and
 * they are held against the hashes of the releases that op-node goes by.
 *
 * @param directory - Where the files lie; `undefined` where none was named.
 * @throws {UpgradeFileMissingError | UpgradeFileMismatchError}
 */
export function readUpgrades(
  directory: string | undefined,
  forks: readonly TimedFork[],
): Readonly<Partial<Record<TimedFork, Upgrade>>> {
  const read = ({ name }: UpgradeFile, extensions: readonly string[]): Uint8Array => {
    for (const extension of directory === undefined ? [] : extensions) {
      const found = DurableFile.read(join(directory!, `${name}${extension}`))
      if (found !== undefined) return found
    }
    throw new UpgradeFileMissingError(`${name}${extensions[0]}`, directory)
  }
  const checked = (file: UpgradeFile, bytes: Uint8Array): Uint8Array => {
    const got = Bytes.toHex(Bytes.sha256(bytes))
    if (got !== file.sha256) throw new UpgradeFileMismatchError(file.name, file.sha256, got)
    return bytes
  }
  const bytecode = (file: UpgradeFile): Uint8Array =>
    checked(file, Bytes.fromHex(Bytes.toUtf8(read(file, HEX_EXTENSIONS)).trim()))
  const upgradeOf = (fork: TimedFork): Upgrade => {
    if (fork === 'jovian') {
      return jovianUpgrade({ l1Block: bytecode(L1_BLOCK), gasPriceOracle: bytecode(GAS_PRICE_ORACLE) })
    }
    const bundle = Bytes.toUtf8(checked(KARST_BUNDLE, read(KARST_BUNDLE, [''])))
    return karstUpgrade(JSON.parse(bundle) as UpgradeBundle)
  }
  return Object.fromEntries(forks.map((fork) => [fork, upgradeOf(fork)]))
}

export class UpgradeFileMissingError extends BaseError {
  constructor(name: string, directory: string | undefined) {
    const where = directory ?? 'a folder of network upgrades, but none was named'
    super({
      code: 'node.upgrade_file_missing',
      message: `Expected ${name} in ${where}: a fork that begins after genesis deploys it. Take it from the OP Stack's releases, as docs/switch-over.md says, and name the folder.`,
      context: { name, ...(directory === undefined ? {} : { directory }) },
    })
  }
}

export class UpgradeFileMismatchError extends BaseError {
  constructor(name: string, expected: Hex, got: Hex) {
    super({
      code: 'node.upgrade_file_mismatch',
      message: `Expected ${name} to hold what has the SHA-256 ${expected}, as the release that every node of the chain goes by, got ${got}: take the file from that release.`,
      context: { name, expected, got },
    })
  }
}
