import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import { Bytes, type Hex } from '@openledger/primitives'
import fc from 'fast-check'
import { encodeFunctionData, parseAbi } from 'viem'
import { describe, expect, test } from 'vitest'
import { loadCrypto } from '../Crypto.ts'
import * as L1Info from '../codec/L1Info.ts'
import { createJournaledState, type JournaledState } from '../state/JournaledState.ts'
import { padSlot } from '../state/WorldState.ts'
import { createEvm } from './Evm.ts'
import { rulesOf } from './Fork.ts'
import { fastLzLength, l1Cost, operatorFee, readParameters } from './L1Cost.ts'
import { GAS_PRICE_ORACLE, L1_ATTRIBUTES_DEPOSITOR, L1_BLOCK } from './Predeploys.ts'

const root = dirname(createRequire(import.meta.url).resolve('@eth-optimism/contracts-bedrock/package.json'))
const codeOf = (name: string): Uint8Array => {
  const json = JSON.parse(readFileSync(join(root, 'forge-artifacts', `${name}.sol`, `${name}.json`), 'utf8'))
  return hexToBytes(json.deployedBytecode.object)
}

const oracleAbi = parseAbi([
  'function getL1GasUsed(bytes) view returns (uint256)',
  'function getL1Fee(bytes) view returns (uint256)',
])
const info: L1Info.L1Info = {
  number: 17n,
  timestamp: 1_700_000_000n,
  hash: `0x${'0f'.repeat(32)}`,
  baseFee: 31_000_000_007n,
  blobBaseFee: 5_000_003n,
  sequenceNumber: 3n,
  batcherAddress: '0x00000000000000000000000000000000000000ba',
  baseFeeScalar: 1_368n,
  blobBaseFeeScalar: 810_949n,
  operatorFeeScalar: 2_000n,
  operatorFeeConstant: 55n,
}

/** The published contracts, told about an L1 block by the Ecotone setter, whose arguments Isthmus only extends. */
async function createChain() {
  const crypto = await loadCrypto()
  const evm = await createEvm({ chainId: 10, crypto })
  const codes = new Map<Hex, Uint8Array>()
  const state: JournaledState = createJournaledState({
    account: () => undefined,
    storage: () => new Uint8Array(),
    code: (hash) => codes.get(hash)!,
  })
  state.beginTransaction()
  for (const [address, name] of [
    [GAS_PRICE_ORACLE, 'GasPriceOracle'],
    [L1_BLOCK, 'L1Block'],
  ] as const) {
    const code = codeOf(name)
    state.putCode(address, code, bytesToHex(crypto.keccak256(code)))
  }
  state.putStorage(GAS_PRICE_ORACLE, padSlot('0x0'), hexToBytes('0x0101'))
  const call = async (from: Hex, to: Hex, data: Uint8Array): Promise<Uint8Array> => {
    const result = await evm.run(
      state,
      {
        rules: rulesOf('isthmus'),
        number: 1n,
        timestamp: 1n,
        feeRecipient: L1_BLOCK,
        prevRandao: `0x${'00'.repeat(32)}`,
        gasLimit: 10n ** 9n,
        baseFeePerGas: 0n,
        blockHash: () => undefined,
      },
      { from, to, data, value: 0n, gas: 10n ** 9n, gasPrice: 0n, accessList: [], warm: [] },
    )
    expect(result.failure).toBeUndefined()
    return result.returnData
  }
  const ecotone = L1Info.encode(info).slice(0, 164)
  ecotone.set(hexToBytes('0x440a5e20'))
  await call(L1_ATTRIBUTES_DEPOSITOR, L1_BLOCK, ecotone)
  const ask = async (functionName: 'getL1GasUsed' | 'getL1Fee', data: Uint8Array): Promise<bigint> =>
    Bytes.toUint(
      await call(
        L1_BLOCK,
        GAS_PRICE_ORACLE,
        hexToBytes(encodeFunctionData({ abi: oracleAbi, functionName, args: [bytesToHex(data)] })),
      ),
    )
  return { state, ask }
}

/** Text-like bytes with repeats at every distance, which is what a compressor's branches need. */
const compressible = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .tuple(fc.nat(255), fc.integer({ min: 1, max: 700 }))
        .map(([byte, count]) => new Uint8Array(count).fill(byte)),
      fc
        .tuple(fc.uint8Array({ minLength: 3, maxLength: 20 }), fc.integer({ min: 1, max: 60 }))
        .map(([piece, count]) => Bytes.concat(...new Array<Uint8Array>(count).fill(piece))),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Bytes.concat(...parts))

describe('the L1 fee', () => {
  test('is what the GasPriceOracle contract computes, for any data', async () => {
    const { state, ask } = await createChain()
    const parameters = readParameters(state.storage, rulesOf('isthmus'))
    expect(parameters).toMatchObject({
      baseFee: info.baseFee,
      blobBaseFee: info.blobBaseFee,
      baseFeeScalar: info.baseFeeScalar,
      blobBaseFeeScalar: info.blobBaseFeeScalar,
    })
    await fc.assert(
      fc.asyncProperty(compressible, async (data) => {
        // the contract adds the 68 bytes of a signature to the compressed size, the chain has them in the data
        const size = Math.max(-42_585_600 + 836_500 * (fastLzLength(data) + 68), 100_000_000)
        expect(await ask('getL1GasUsed', data)).toBe((BigInt(size) * 16n) / 1_000_000n)
        const price = 16n * info.baseFee * info.baseFeeScalar + info.blobBaseFee * info.blobBaseFeeScalar
        expect(await ask('getL1Fee', data)).toBe((BigInt(size) * price) / 10n ** 12n)
      }),
      { numRuns: 40 },
    )
  })

  test('of a transaction is the specification’s formula over its own bytes', () => {
    const raw = new Uint8Array(600).map((_, i) => (i * 7919) & 255)
    const parameters = { ...info }
    const size = BigInt(-42_585_600 + 836_500 * fastLzLength(raw))
    expect(l1Cost(fastLzLength(raw), parameters)).toEqual({
      feeWei: (size * (16n * 31_000_000_007n * 1_368n + 5_000_003n * 810_949n)) / 10n ** 12n,
      gasUsed: (size * 16n) / 1_000_000n,
    })
    // the least: 100 bytes
    expect(l1Cost(fastLzLength(new Uint8Array(10)), parameters).gasUsed).toBe(1600n)
  })

  test('is joined by the operator’s fee, whose scalar counts a hundred million times as much from Jovian on', () => {
    expect(operatorFee(1_000_000n, { ...info })).toBe(2_055n)
    expect(operatorFee(0n, { ...info })).toBe(55n)
    const jovian = { ...info, daFootprintGasScalar: 400n }
    expect(operatorFee(1_000_000n, jovian)).toBe(200_000_000_055n)
    expect(operatorFee(0n, jovian)).toBe(55n)
  })
})

test('the L1-info deposit is read back as it was written', () => {
  const data = L1Info.encode(info)
  expect(data).toHaveLength(176)
  expect(L1Info.decode(data)).toEqual(info)
  expect(() => L1Info.decode(data.subarray(1))).toThrow(L1Info.InvalidL1InfoError)
})
