import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildAttributes, type DerivationConfig } from '@openledger/rollup'
import { encodeFunctionData, type Hex, keccak256, numberToHex, parseAbi } from 'viem'
import { afterAll, describe, expect, test } from 'vitest'
import { createEmbeddedEngine } from '../engine/EmbeddedEngine.ts'
import { systemConfigOf } from '../verifier/derivationConfig.ts'
import { createGenesis } from './createGenesis.ts'
import { readUpgrades } from './UpgradeFiles.ts'

const directory = mkdtempSync(join(tmpdir(), 'upgrades-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('the files that a fork after genesis needs', () => {
  test('are not asked for where no fork comes later', () => {
    expect(readUpgrades(undefined, [])).toEqual({})
  })

  test('are named when they are absent', () => {
    expect(() => readUpgrades(undefined, ['jovian'])).toThrow(/jovian-l1-block-deployment.*none was named/)
    expect(() => readUpgrades(directory, ['karst'])).toThrow(/karst_nut_bundle\.json/)
  })

  test('are refused when they hold something else', () => {
    writeFileSync(join(directory, 'jovian-l1-block-deployment.hex'), '0x6001\n')
    expect(() => readUpgrades(directory, ['jovian'])).toThrow(
      expect.objectContaining({ code: 'node.upgrade_file_mismatch' }),
    )
  })
})

const PREDEPLOYS = 0x4200000000000000000000000000000000000000n
const L1_BLOCK: Hex = '0x4200000000000000000000000000000000000015'
const IMPLEMENTATION_SLOT: Hex = '0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc'
/** L2ProxyAdmin and ConditionalDeployer, whose transactions ask nobody. */
const UPGRADED_BY_KARST = [0x18, 0x2c]
const releases = join(process.env['OPENLEDGER_VECTORS'] ?? '', 'upgrades')
const isPresent = process.env['OPENLEDGER_VECTORS'] !== undefined && existsSync(releases)
const where = isPresent ? '' : ' (skipped: no folder upgrades in OPENLEDGER_VECTORS)'

describe.skipIf(!isPresent)(`the releases, on a chain of ours${where}`, () => {
  const START = 1_800_000_000
  const [JOVIAN, KARST] = [START + 4, START + 8]
  const L1_HASH: Hex = `0x${'cd'.repeat(32)}`
  const ORACLE: Hex = '0x420000000000000000000000000000000000000f'

  test('deploy what the specification says, and prices go on as before', async () => {
    const forks = { jovianTime: JOVIAN, karstTime: KARST }
    const genesis = createGenesis({
      l2ChainId: 161_200,
      timestamp: START,
      gasLimit: 30_000_000n,
      open: `0x${'0e'.repeat(20)}`,
      treasury: `0x${'0f'.repeat(20)}`,
      forks,
    })
    const engine = await createEmbeddedEngine({ directory: join(directory, 'chain'), genesis })
    const systemConfig = {
      batcherAddress: `0x${'ba'.repeat(20)}` as Hex,
      baseFeeScalar: 1_368n,
      blobBaseFeeScalar: 810_949n,
      gasLimit: 30_000_000n,
      eip1559Params: '0x0000000000000000' as Hex,
      operatorFeeScalar: 0n,
      operatorFeeConstant: 0n,
    }
    const origin = {
      number: 7n,
      hash: L1_HASH,
      parentHash: `0x${'00'.repeat(32)}` as Hex,
      timestamp: BigInt(START),
      baseFeePerGas: 7_000_000_000n,
      blobBaseFee: 1n,
      prevRandao: `0x${'01'.repeat(32)}` as Hex,
      parentBeaconBlockRoot: `0x${'02'.repeat(32)}` as Hex,
    }
    const config: DerivationConfig = {
      genesis: {
        l1: { number: 7n, hash: L1_HASH },
        l2: { number: 0n, hash: engine.head().hash },
        timestamp: BigInt(START),
        systemConfig,
      },
      blockTimeSeconds: 2n,
      sequencingWindowBlocks: 100n,
      l2ChainId: 161_200n,
      batchInbox: `0x${'0b'.repeat(20)}`,
      portal: `0x${'0d'.repeat(20)}`,
      systemConfigAddress: `0x${'0c'.repeat(20)}`,
      jovianTime: BigInt(JOVIAN),
      karstTime: BigInt(KARST),
      upgrades: readUpgrades(releases, ['jovian', 'karst']),
    }
    const fees: Hex[] = []
    for (let i = 0; i < 6; i++) {
      const head = engine.head()
      const parent = { ...head, origin: { number: 7n, hash: L1_HASH }, sequenceNumber: head.number }
      const attributes = buildAttributes(config, { parent, origin, systemConfig, logs: [] })
      const block = await engine.build({ ...attributes, noTxPool: true })
      // the room for an upgrade is its block's alone
      expect(systemConfigOf(block, config).gasLimit).toBe(30_000_000n)
      const { returnData } = await engine.call({
        to: ORACLE,
        data: encodeFunctionData({
          abi: parseAbi(['function getL1Fee(bytes) view returns (uint256)']),
          args: [`0x${'ab'.repeat(300)}`],
        }),
      })
      fees.push(returnData)
    }
    expect(BigInt(fees[0]!)).toBeGreaterThan(0n)
    expect(new Set(fees).size).toBe(1)
    expect(engine.receipts(2n).map(({ status }) => status)).toEqual([1, 1, 1, 1, 1, 1])
    const codeHash = (address: Hex): Hex => keccak256(engine.code(address))
    expect(codeHash('0x3ba4007f5c922fbb33c454b41ea7a1f11e83df2c')).toBe(
      '0x5f885ca815d2cf27a203123e50b8ae204fdca910b6995d90b2d7700cbb9240d1',
    )
    expect(codeHash('0x4f1db3c6abd250ba86e0928471a8f7db3afd88f1')).toBe(
      '0xe9fc7c96c4db0d6078e3d359d7e8c982c350a513cb2c31121adf5e1e8a446614',
    )
    // Karst's last transaction asks the OP Stack's bridges, which a chain of ours has not, and changes nothing
    const implementationOf = (index: number, block: bigint) =>
      engine.storage(numberToHex(PREDEPLOYS + BigInt(index), { size: 20 }), IMPLEMENTATION_SLOT, block)
    for (let i = 0; i < 0x800; i++) {
      if (UPGRADED_BY_KARST.includes(i)) expect(implementationOf(i, 4n)).not.toBe(implementationOf(i, 3n))
      else expect(implementationOf(i, 4n)).toBe(implementationOf(i, 3n))
    }
    const isCustom = {
      to: L1_BLOCK,
      data: encodeFunctionData({ abi: parseAbi(['function isCustomGasToken()']) }),
    }
    expect(BigInt((await engine.call(isCustom)).returnData)).toBe(0n)
    const statuses = engine.receipts(4n).map(({ status }) => status)
    expect(statuses).toHaveLength(32)
    expect(statuses.indexOf(0)).toBe(31)
    await engine.close()
  })
})
