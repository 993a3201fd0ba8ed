import { artifact } from '@openledger/node/deployment/Bedrock'
import { type Hex, systemClock } from '@openledger/primitives'
import {
  bytesToHex,
  type Crypto,
  type Genesis,
  hexToBytes,
  loadCrypto,
  Transaction,
} from '@openledger/rollup'

/** The same signed transactions and the same genesis for every chain that is measured. */
export const CHAIN_ID = 161_200
export const SENDERS = 200
export const BLOCK_TRANSACTIONS = 500
export const GAS_LIMIT = 1_000_000_000n
/** OpenZeppelin's ERC-20 as the bridge deploys it, in place at genesis with a balance for every sender. */
const TOKEN: Hex = '0x00000000000000000000000000000000000070c3'
const TRANSFER_SELECTOR = 'a9059cbb'

export type LoadKind = 'transfers' | 'erc20'

type Signer = {
  ecdsaSign(hash: Uint8Array, key: Uint8Array): { signature: Uint8Array; recid: number }
  publicKeyCreate(key: Uint8Array, compressed: boolean): Uint8Array
}

const keyOf = (i: number): Uint8Array => hexToBytes(`0x${(i + 1).toString(16).padStart(64, '0')}`)
export const targetOf = (i: number): Hex => `0x${(0xabc0000000 + i).toString(16).padStart(40, '0')}`
const wordOf = (hex: Hex): string => hex.slice(2).padStart(64, '0')

async function loadSigner(): Promise<Signer> {
  const name: string = 'secp256k1'
  return ((await import(name)) as { default: Signer }).default
}

const addressOf = (key: Uint8Array, signer: Signer, crypto: Crypto): Hex =>
  bytesToHex(crypto.keccak256(signer.publicKeyCreate(key, false).subarray(1)).subarray(12))

/** A genesis with the senders, the token, and so many other accounts. */
export async function genesisOf(accounts: number): Promise<Genesis> {
  const [crypto, signer] = [await loadCrypto(), await loadSigner()]
  const alloc: Record<string, Genesis['alloc'][string]> = {}
  const storage: Record<string, string> = {}
  for (let i = 0; i < SENDERS; i++) {
    const address = addressOf(keyOf(i), signer, crypto)
    alloc[address] = { balance: `0x${(10n ** 24n).toString(16)}` }
    const slot = bytesToHex(crypto.keccak256(hexToBytes(`0x${wordOf(address)}${'0'.repeat(64)}`)))
    storage[slot] = `0x${wordOf(`0x${(10n ** 24n).toString(16)}`)}`
  }
  for (let i = 0; i < accounts; i++) alloc[targetOf(i)] = { balance: '0x1' }
  alloc[TOKEN] = {
    balance: '0x0',
    nonce: '0x1',
    code: artifact('OptimismMintableERC20').deployedBytecode,
    storage,
  }
  return {
    config: {
      chainId: CHAIN_ID,
      optimism: { eip1559Elasticity: 6, eip1559Denominator: 50, eip1559DenominatorCanyon: 250 },
    },
    alloc,
    timestamp: `0x${Math.floor(systemClock.nowMs() / 1000 - 100_000).toString(16)}`,
    gasLimit: `0x${GAS_LIMIT.toString(16)}`,
    difficulty: '0x0',
    baseFeePerGas: '0x3b9aca00',
  }
}

/** Signs before anything is measured: the senders take turns, their targets are spread over all accounts. */
export async function loadOf(
  kind: LoadKind,
  count: number,
  accounts: number,
  firstNonce = 0,
): Promise<Uint8Array[]> {
  const [crypto, signer] = [await loadCrypto(), await loadSigner()]
  const isToken = kind === 'erc20'
  return Array.from({ length: count }, (_, i) => {
    const target = targetOf((i * 7919) % accounts)
    const unsigned: Transaction.SignedTransaction = {
      type: 2,
      chainId: BigInt(CHAIN_ID),
      nonce: BigInt(firstNonce + Math.floor(i / SENDERS)),
      to: isToken ? TOKEN : target,
      value: isToken ? 0n : 1n,
      data: isToken
        ? hexToBytes(`0x${TRANSFER_SELECTOR}${wordOf(target)}${wordOf('0x1')}`)
        : new Uint8Array(),
      gas: isToken ? 60_000n : 21_000n,
      maxFeePerGas: 10n ** 11n,
      maxPriorityFeePerGas: 1n,
      accessList: [],
      yParity: 0,
      r: 0n,
      s: 0n,
    }
    const { signature, recid } = signer.ecdsaSign(
      Transaction.signingHash(unsigned, crypto),
      keyOf(i % SENDERS),
    )
    return Transaction.encode({
      ...unsigned,
      yParity: recid === 0 ? 0 : 1,
      r: BigInt(bytesToHex(signature.subarray(0, 32))),
      s: BigInt(bytesToHex(signature.subarray(32))),
    })
  })
}

/** Attributes of a block that nothing on L1 asked for. */
export const attributesAt = (timestamp: bigint) => ({
  timestamp,
  prevRandao: `0x${'00'.repeat(32)}` as const,
  feeRecipient: '0x4200000000000000000000000000000000000011' as const,
  parentBeaconBlockRoot: `0x${'00'.repeat(32)}` as const,
  gasLimit: GAS_LIMIT,
  eip1559Params: '0x0000000000000000' as const,
  deposits: [],
})
