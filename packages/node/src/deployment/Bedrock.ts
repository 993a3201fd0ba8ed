import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { BaseError } from '@openledger/primitives'
import {
  type Abi,
  type Address,
  concat,
  encodeAbiParameters,
  type Hex,
  keccak256,
  numberToHex,
  pad,
  size,
  slice,
  stringToHex,
} from 'viem'

const require = createRequire(import.meta.url)
const packagePath = dirname(require.resolve('@eth-optimism/contracts-bedrock/package.json'))

/** The release of `@eth-optimism/contracts-bedrock` that has the custom gas token; its artifacts are deployed as they are. */
export type Artifact = {
  readonly abi: Abi
  readonly bytecode: Hex
  readonly deployedBytecode: Hex
  /** Where the run-time code holds each immutable, by the compiler's id, in order of declaration. */
  readonly immutables: readonly (readonly { readonly start: number; readonly length: number }[])[]
}

/** Reads the compiled form of one contract. */
export function artifact(name: string): Artifact {
  const path = join(packagePath, 'forge-artifacts', `${name}.sol`, `${name}.json`)
  const json = JSON.parse(readFileSync(path, 'utf8'))
  const references: Record<string, { start: number; length: number }[]> =
    json.deployedBytecode.immutableReferences ?? {}
  return {
    abi: json.abi,
    bytecode: json.bytecode.object,
    deployedBytecode: json.deployedBytecode.object,
    immutables: Object.keys(references)
      .sort((a, b) => Number(a) - Number(b))
      .map((id) => references[id] ?? []),
  }
}

/**
 * Fills the immutables into run-time code, as the constructor would have.
 * @param values - One 32-byte word for each, in order of declaration.
 */
export function withImmutables({ deployedBytecode, immutables }: Artifact, values: readonly Hex[]): Hex {
  if (immutables.length !== values.length) throw new ImmutablesError(immutables.length, values.length)
  let code = deployedBytecode
  for (const [index, places] of immutables.entries()) {
    const word = pad(values[index]!, { size: 32 })
    for (const { start, length } of places) code = splice(code, start, slice(word, 32 - length))
  }
  return code
}

export type Preinstall = { readonly name: string; readonly address: Address; readonly code: Hex }

/**
 * Lists the contracts that OP Stack chains hold from their first block beside the protocol's own: Multicall3, the
 * deterministic deployers, Permit2, the ERC-4337 entry point, EIP-4788's beacon roots and so on.
 */
export function preinstalls(chainId: number): readonly Preinstall[] {
  const source = readFileSync(join(packagePath, 'src', 'libraries', 'Preinstalls.sol'), 'utf8')
  const codes = new Map<string, Hex>()
  for (const [, name, hex] of source.matchAll(/bytes internal constant (\w+)Code =\s*hex"([0-9a-f]+)"/g)) {
    codes.set(name!, `0x${hex}`)
  }
  const permit2 = codes.get('Permit2Template')
  const found: Preinstall[] = []
  for (const [, name, address] of source.matchAll(/address internal constant (\w+) = (0x[0-9a-fA-F]{40})/g)) {
    const code =
      name === 'Permit2' && permit2 ? permit2Code(permit2, address as Address, chainId) : codes.get(name!)
    if (code !== undefined) found.push({ name: name!, address: address!.toLowerCase() as Address, code })
  }
  return found
}

// Preinstalls.getPermit2Code: two immutables whose places the template states
function permit2Code(template: Hex, address: Address, chainId: number): Hex {
  const separator = keccak256(
    encodeAbiParameters(
      [{ type: 'bytes32' }, { type: 'bytes32' }, { type: 'uint256' }, { type: 'address' }],
      [
        keccak256(stringToHex('EIP712Domain(string name,uint256 chainId,address verifyingContract)')),
        keccak256(stringToHex('Permit2')),
        BigInt(chainId),
        address,
      ],
    ),
  )
  return splice(splice(template, 6945, numberToHex(chainId, { size: 32 })), 6983, separator)
}

/** Makes creation code whose only deed is to install `code`. */
export const creationOf = (code: Hex): Hex =>
  // PUSH2 size, DUP1, PUSH1 12, PUSH1 0, CODECOPY, PUSH1 0, RETURN: 12 bytes
  concat(['0x61', numberToHex(size(code), { size: 2 }), '0x80600c6000396000f3', code])

const splice = (code: Hex, start: number, part: Hex): Hex =>
  concat([slice(code, 0, start), part, slice(code, start + size(part))])

export class ImmutablesError extends BaseError {
  constructor(expected: number, actual: number) {
    super({
      code: 'deployment.immutables',
      message: `Expected ${expected} immutables for this contract, got ${actual}.`,
      context: { expected, actual },
    })
  }
}
