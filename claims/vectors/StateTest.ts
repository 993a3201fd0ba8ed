import type { Hex } from '@openledger/primitives'
import {
  bytesToHex,
  type Crypto,
  createJournaledState,
  createStateReader,
  createStateTrie,
  type EthereumFork,
  type Evm,
  executeSigned,
  genesisChanges,
  hexToBytes,
  type L1FeeParameters,
  Rlp,
  rulesOf,
  Transaction,
} from '@openledger/rollup'

/** A file of `GeneralStateTests` or of the execution spec tests' `state_tests`. */
export type StateTestFile = Readonly<Record<string, StateTest>>

export type StateTest = {
  readonly env: Readonly<Record<string, Hex>>
  readonly pre: Readonly<
    Record<string, { balance: Hex; nonce: Hex; code: Hex; storage: Readonly<Record<string, string>> }>
  >
  readonly transaction: {
    readonly sender?: Hex
    readonly secretKey?: Hex
    readonly blobVersionedHashes?: unknown
  }
  readonly post: Readonly<
    Record<
      string,
      readonly { hash: Hex; logs: Hex; txbytes: Hex; expectException?: string; indexes: unknown }[]
    >
  >
  readonly config?: { readonly chainid?: Hex }
}

/** Why a case does not apply to a chain that carries no blobs. */
export type Verdict = { readonly status: 'passed' | 'failed' | 'excluded'; readonly why?: string }

const NO_L1: L1FeeParameters = {
  baseFee: 0n,
  blobBaseFee: 0n,
  baseFeeScalar: 0n,
  blobBaseFeeScalar: 0n,
  operatorFeeScalar: 0n,
  operatorFeeConstant: 0n,
}
/** Of EIP-4844: above it the blob base fee is no longer 1. */
const EXCESS_BLOB_GAS_AT_MINIMUM = 2_314_057n

/** Runs one case with the chain's own journal, trie, transaction rules and EVM, by Ethereum's rules of the fork. */
export async function runCase(
  test: StateTest,
  fork: EthereumFork,
  at: { hash: Hex; logs: Hex; txbytes: Hex; expectException?: string },
  { crypto, evm }: { readonly crypto: Crypto; readonly evm: Evm },
): Promise<Verdict> {
  if (at.txbytes.startsWith('0x03') || test.transaction.blobVersionedHashes !== undefined) {
    return { status: 'excluded', why: 'blob transactions, which an OP Stack chain does not carry' }
  }
  if (BigInt(test.env['currentExcessBlobGas'] ?? 0) > EXCESS_BLOB_GAS_AT_MINIMUM) {
    return {
      status: 'excluded',
      why: 'a blob base fee above the minimum, which an OP Stack chain does not have',
    }
  }
  const trie = createStateTrie(crypto)
  const { changes, codes } = genesisChanges(
    {
      alloc: test.pre,
      config: { chainId: 1, optimism: { eip1559Elasticity: 6, eip1559Denominator: 50 } },
      timestamp: 0,
      gasLimit: 0,
    },
    crypto,
  )
  const { state } = trie.apply(undefined, changes)
  const journal = createJournaledState(
    createStateReader(trie, state, (hash) => codes.get(hash) ?? new Uint8Array()),
  )
  const number = (name: string, otherwise = 0n): bigint => BigInt(test.env[name] ?? otherwise)
  let logs: readonly { address: Hex; topics: readonly Hex[]; data: Hex }[] = []
  let rejection: string | undefined
  try {
    const transaction = Transaction.decode(hexToBytes(at.txbytes))
    if (transaction.type === 0x7e) throw new Error('a deposit')
    const sender = Transaction.sender(transaction, crypto)
    const result = await executeSigned(journal, transaction, sender, 0, {
      evm,
      crypto,
      chainId: BigInt(test.config?.chainid ?? 1),
      block: {
        rules: rulesOf(fork),
        number: number('currentNumber'),
        timestamp: number('currentTimestamp'),
        feeRecipient: test.env['currentCoinbase']!.toLowerCase() as Hex,
        prevRandao: `0x${number('currentRandom', number('currentDifficulty')).toString(16).padStart(64, '0')}`,
        gasLimit: number('currentGasLimit'),
        baseFeePerGas: number('currentBaseFee', 10n),
        blockHash: (height) => bytesToHex(crypto.keccak256(new TextEncoder().encode(`${height}`))),
      },
      gasLeft: number('currentGasLimit'),
      l1Parameters: () => NO_L1,
    })
    ;({ logs } = result)
  } catch (error) {
    journal.rollbackTransaction()
    rejection = error instanceof Error ? error.message : String(error)
  }
  if ((rejection !== undefined) !== (at.expectException !== undefined)) {
    return {
      status: 'failed',
      why: `expected ${at.expectException ?? 'a valid transaction'}, got ${rejection ?? 'one'}`,
    }
  }
  const root = trie.root(trie.apply(state, journal.changes()).state)
  if (root !== at.hash) return { status: 'failed', why: `expected the root ${at.hash}, got ${root}` }
  const logsHash = bytesToHex(
    crypto.keccak256(
      Rlp.encode(
        logs.map(({ address, topics, data }) => [
          hexToBytes(address),
          topics.map((topic) => hexToBytes(topic)),
          hexToBytes(data),
        ]),
      ),
    ),
  )
  if (logsHash !== at.logs)
    return { status: 'failed', why: `expected the logs' hash ${at.logs}, got ${logsHash}` }
  return { status: 'passed' }
}
