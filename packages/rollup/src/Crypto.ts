import { ecrecover } from '@ethereumjs/util'
import { Bytes } from '@openledger/primitives'
import { createKeccak } from 'hash-wasm'

/** The two primitives that dominate execution time; passed in so that each host brings its fastest. */
export type Crypto = {
  /** Returns 32 bytes. */
  readonly keccak256: (bytes: Uint8Array) => Uint8Array
  /**
   * Recovers the 64-byte public key (without prefix) that signed `hash`.
   *
   * @param signature - 64 bytes, r then s.
   * @throws when no key fits.
   */
  readonly recoverPublicKey: (hash: Uint8Array, signature: Uint8Array, yParity: 0 | 1) => Uint8Array
}

/** Pure TypeScript: works everywhere, about 20 times slower than {@link loadCrypto}'s best case. */
export const plainCrypto: Crypto = {
  keccak256: Bytes.keccak256,
  recoverPublicKey: (hash, signature, yParity) =>
    ecrecover(hash, BigInt(yParity), signature.subarray(0, 32), signature.subarray(32, 64)),
}

/** Loads WebAssembly Keccak and native secp256k1, each replaced by the plain one where the host lacks it. */
export async function loadCrypto(): Promise<Crypto> {
  const [keccak256, recoverPublicKey] = await Promise.all([loadKeccak(), loadRecovery()])
  return { keccak256, recoverPublicKey }
}

async function loadKeccak(): Promise<Crypto['keccak256']> {
  try {
    const hasher = await createKeccak(256)
    return (bytes) => hasher.init().update(bytes).digest('binary')
  } catch {
    return plainCrypto.keccak256
  }
}

async function loadRecovery(): Promise<Crypto['recoverPublicKey']> {
  try {
    const native = await loadNativeSecp256k1()
    return (hash, signature, yParity) => native.ecdsaRecover(signature, yParity, hash, false).subarray(1)
  } catch {
    return plainCrypto.recoverPublicKey
  }
}

type NativeSecp256k1 = {
  ecdsaRecover(signature: Uint8Array, recovery: number, hash: Uint8Array, compressed: boolean): Uint8Array
}

async function loadNativeSecp256k1(): Promise<NativeSecp256k1> {
  // the package's own index falls back to a slower pure build than ours, so ask for the binding itself
  const bindings: string = 'secp256k1/bindings.js'
  const module = (await import(bindings)) as { default: NativeSecp256k1 }
  // a binding that loads but does not work must not be chosen
  module.default.ecdsaRecover(
    Bytes.fromHex(
      '0x99e71a99cb2270b8cac5254f9e99b6210c6c10224a1579cf389ef88b20a1abe9129ff05af364204442bdb53ab6f18a99ab48acc9326fa689f228040429e3ca66',
    ),
    0,
    Bytes.fromHex('0x82ff40c0a986c6a5cfad4ddf4c3aa6996f1a7837f9c398e17e5de5cbd5a12b28'),
    false,
  )
  return module.default
}
