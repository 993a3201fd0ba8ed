import { Common, Hardfork, Mainnet } from '@ethereumjs/common'
import {
  EVMError,
  type ExecResult,
  getActivePrecompiles,
  type PrecompileFunc,
  type PrecompileInput,
  paramsEVM,
} from '@ethereumjs/evm'
import { Address, hexToBytes } from '@ethereumjs/util'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { Bytes, type Hex } from '@openledger/primitives'
import type { Fork, ForkRules } from './Fork.ts'

const PAIRING: Hex = '0x0000000000000000000000000000000000000008'
const G1_MSM: Hex = '0x000000000000000000000000000000000000000c'
const G2_MSM: Hex = '0x000000000000000000000000000000000000000e'
const BLS_PAIRING: Hex = '0x000000000000000000000000000000000000000f'

type Bounds = readonly (readonly [address: Hex, sizeBytes: number])[]

const JOVIAN_BLS: Bounds = [
  [G1_MSM, 288_960],
  [G2_MSM, 278_784],
  [BLS_PAIRING, 156_672],
]
/** Input bounds in bytes that the OP Stack puts on precompiles. @see OP specs, Granite to Karst, exec-engine. */
const INPUT_MAX: Readonly<Record<Fork, Bounds>> = {
  holocene: [[PAIRING, 112_687]],
  isthmus: [
    [PAIRING, 112_687],
    [G1_MSM, 513_760],
    [G2_MSM, 488_448],
    [BLS_PAIRING, 235_008],
  ],
  jovian: [[PAIRING, 81_984], ...JOVIAN_BLS],
  karst: [[PAIRING, 57_600], ...JOVIAN_BLS],
}
const POINT_EVALUATION: Hex = '0x000000000000000000000000000000000000000a'
const POINT_EVALUATION_GAS = 50_000n
const P256_VERIFY: Hex = '0x0000000000000000000000000000000000000100'
/** RIP-7212's price, which holds from Fjord until Karst. */
const P256_VERIFY_GAS = 3450n

const FIELD_ELEMENTS_PER_BLOB = 4096n
const BLS_MODULUS = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n
/** The second G2 point of the KZG ceremony's monomial setup: τ·G2. @see EIP-4844, trusted_setup_4096. */
const TAU_G2 =
  'b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2'

/** Lists the precompiles in which the OP Stack differs from Ethereum, and those that EthereumJS leaves to others. */
export function precompiles(
  common: Common,
  { fork, hasOsaka }: ForkRules,
): { address: Address; function: PrecompileFunc }[] {
  const active = getActivePrecompiles(common)
  const bounded = INPUT_MAX[fork as Fork].flatMap(([address, sizeBytesMax]) => {
    const original = active.get(address.slice(2))
    if (original === undefined) return []
    const run: PrecompileFunc = (input) =>
      input.data.length > sizeBytesMax ? failure(input) : original(input)
    return entry(address, run)
  })
  // Osaka's own has its price
  if (hasOsaka) return [...bounded, entry(POINT_EVALUATION, evaluatePoint)]
  const osaka = new Common({ chain: Mainnet, hardfork: Hardfork.Osaka, params: paramsEVM })
  const verifyP256 = getActivePrecompiles(osaka).get(P256_VERIFY.slice(2))!
  return [
    ...bounded,
    entry(P256_VERIFY, async (input) => {
      if (input.gasLimit < P256_VERIFY_GAS) return failure(input, EVMError.errorMessages.OUT_OF_GAS)
      // the same check at the price of the later fork
      const { returnValue } = await verifyP256({ ...input, gasLimit: 1_000_000n })
      return { executionGasUsed: P256_VERIFY_GAS, returnValue }
    }),
    entry(POINT_EVALUATION, evaluatePoint),
  ]
}

/** Lists what EthereumJS leaves to others on Ethereum itself. */
export const ethereumPrecompiles = ({
  hasCancun,
}: ForkRules): { address: Address; function: PrecompileFunc }[] =>
  hasCancun ? [entry(POINT_EVALUATION, evaluatePoint)] : []

const entry = (address: Hex, run: PrecompileFunc) => ({
  address: new Address(hexToBytes(address)),
  function: run,
})

/** All gas is gone and the caller sees a failed call. */
const failure = (
  input: PrecompileInput,
  error: (typeof EVMError.errorMessages)[keyof typeof EVMError.errorMessages] = EVMError.errorMessages
    .INVALID_INPUT_LENGTH,
): ExecResult => ({
  executionGasUsed: input.gasLimit,
  returnValue: new Uint8Array(),
  exceptionError: new EVMError(error),
})

/** Checks a KZG proof that a blob's polynomial has value y at z. @see EIP-4844, "Point evaluation precompile". */
function evaluatePoint(input: PrecompileInput): ExecResult {
  const { data, gasLimit } = input
  if (gasLimit < POINT_EVALUATION_GAS) return failure(input, EVMError.errorMessages.OUT_OF_GAS)
  if (data.length !== 192) return failure(input)
  const commitment = data.subarray(96, 144)
  const versionedHash = Bytes.sha256(commitment)
  versionedHash[0] = 1
  if (!Bytes.equals(versionedHash, data.subarray(0, 32))) {
    return failure(input, EVMError.errorMessages.INVALID_COMMITMENT)
  }
  const z = Bytes.toUint(data.subarray(32, 64))
  const y = Bytes.toUint(data.subarray(64, 96))
  if (z >= BLS_MODULUS || y >= BLS_MODULUS) return failure(input, EVMError.errorMessages.INVALID_INPUTS)
  if (!isKzgProof(commitment, z, y, data.subarray(144, 192))) {
    return failure(input, EVMError.errorMessages.INVALID_PROOF)
  }
  return {
    executionGasUsed: POINT_EVALUATION_GAS,
    returnValue: Bytes.concat(Bytes.fromUint(FIELD_ELEMENTS_PER_BLOB, 32), Bytes.fromUint(BLS_MODULUS, 32)),
  }
}

/** Checks e(C − y·G1, G2) = e(π, τ·G2 − z·G2). */
function isKzgProof(commitment: Uint8Array, z: bigint, y: bigint, proof: Uint8Array): boolean {
  try {
    const g1 = bls12_381.G1.Point
    const g2 = bls12_381.G2.Point
    const c = g1.fromBytes(commitment)
    const pi = g1.fromBytes(proof)
    c.assertValidity()
    pi.assertValidity()
    const left = y === 0n ? c : c.subtract(g1.BASE.multiply(y))
    const tau = g2.fromHex(TAU_G2)
    const right = z === 0n ? tau : tau.subtract(g2.BASE.multiply(z))
    const pairs = [
      { g1: left, g2: g2.BASE.negate() },
      { g1: pi, g2: right },
    ].filter((pair) => !pair.g1.is0() && !pair.g2.is0())
    const product = bls12_381.pairingBatch(pairs)
    return bls12_381.fields.Fp12.eql(product, bls12_381.fields.Fp12.ONE)
  } catch {
    // not points of the curve
    return false
  }
}
