import { BaseError, type Hex } from '@openledger/primitives'
import {
  bytesToHex,
  type Crypto,
  EMPTY_CODE_HASH,
  hexToBytes,
  type JournaledState,
  padSlot,
  stripZeros,
} from '@openledger/rollup'
import type { StateOverride } from './Engine.ts'

/** Makes a state look as a caller assumes it. */
export function applyOverrides(
  journal: JournaledState,
  overrides: StateOverride | undefined,
  crypto: Crypto,
): void {
  for (const [key, override] of Object.entries(overrides ?? {})) {
    if (override !== undefined) apply(journal, key.toLowerCase() as Hex, override, crypto)
  }
}

function apply(
  journal: JournaledState,
  address: Hex,
  override: NonNullable<StateOverride[Hex]>,
  crypto: Crypto,
): void {
  const account = journal.account(address) ?? { nonce: 0n, balance: 0n, codeHash: EMPTY_CODE_HASH }
  const { nonce = account.nonce, balance = account.balance } = override
  if (nonce !== account.nonce || balance !== account.balance) {
    journal.putAccount(address, { ...account, nonce, balance })
  }
  if (override.code !== undefined) {
    const code = hexToBytes(override.code)
    journal.putCode(address, code, code.length === 0 ? EMPTY_CODE_HASH : bytesToHex(crypto.keccak256(code)))
  }
  if (override.state !== undefined) journal.clearStorage(address)
  for (const [slot, value] of Object.entries(override.state ?? override.stateDiff ?? {})) {
    journal.putStorage(address, padSlot(slot), stripZeros(hexToBytes(padSlot(value))))
  }
}

/**
 * Names the precompiles that overrides take from their addresses, and where each is found instead.
 *
 * An override of any kind makes a precompile's address an ordinary account, as geth has it.
 *
 * @throws {NotPrecompileError} when what is to be moved is none.
 */
export function movedPrecompiles(
  overrides: StateOverride | undefined,
  precompiles: ReadonlySet<Hex>,
): ReadonlyMap<Hex, Hex | undefined> {
  const moved = new Map<Hex, Hex | undefined>()
  for (const [key, override] of Object.entries(overrides ?? {})) {
    const address = key.toLowerCase() as Hex
    const to = override?.movePrecompileTo
    if (precompiles.has(address)) moved.set(address, to)
    else if (to !== undefined) throw new NotPrecompileError(address)
  }
  return moved
}

export class NotPrecompileError extends BaseError {
  constructor(address: Hex) {
    super({
      code: 'engine.not_precompile',
      message: `account ${address} is not a precompile: expected movePrecompileToAddress on the address of one`,
      context: { address },
    })
  }
}
