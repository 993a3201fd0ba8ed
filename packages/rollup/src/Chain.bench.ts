import { createBlock } from '@ethereumjs/block'
import { Common, Hardfork, Mainnet } from '@ethereumjs/common'
import { MerkleStateManager } from '@ethereumjs/statemanager'
import { createTxFromRLP } from '@ethereumjs/tx'
import { Account, Address, hexToBytes } from '@ethereumjs/util'
import { buildBlock, createVM } from '@ethereumjs/vm'
import type { Hex } from '@openledger/primitives'
import { encodeDeployData, encodeFunctionData, parseAbi } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { expect, test } from 'vitest'
import { beginBlock, createGenesisBlock, toExecutable } from './BlockExecution.ts'
import { loadCrypto } from './Crypto.ts'
import { createEvm } from './Evm.ts'
import * as Transaction from './Transaction.ts'
import { createStateTrie } from './WorldState.ts'

const CHAIN_ID = 161200
const SENDERS = 200
const BLOCK_TRANSACTIONS = 500
const GOAL_RATIO = 10

const keys = Array.from({ length: SENDERS }, (_, i) =>
  privateKeyToAccount(`0x${(i + 1).toString(16).padStart(64, '0')}`),
)
const target = (i: number): Hex => `0x${(0xabc0000000 + i).toString(16).padStart(40, '0')}`
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Transfers from many senders to many accounts, signed before anything is measured. */
const transfers = (count: number, accounts: number): Promise<Hex[]> =>
  Promise.all(
    Array.from({ length: count }, (_, i) =>
      keys[i % SENDERS]!.signTransaction({
        type: 'eip1559',
        chainId: CHAIN_ID,
        nonce: Math.floor(i / SENDERS),
        to: target((i * 7919) % accounts),
        value: 1n,
        gas: 21_000n,
        maxFeePerGas: 10n ** 10n,
        maxPriorityFeePerGas: 1n,
      }),
    ),
  )

const allocOf = (accounts: number): Record<string, { balance: string }> => ({
  ...Object.fromEntries(keys.map(({ address }) => [address, { balance: `${10n ** 20n}` }])),
  ...Object.fromEntries(Array.from({ length: accounts }, (_, i) => [target(i), { balance: '1' }])),
})

const attributesAt = (timestamp: bigint) => ({
  timestamp,
  prevRandao: `0x${'00'.repeat(32)}` as const,
  feeRecipient: '0x4200000000000000000000000000000000000011' as const,
  parentBeaconBlockRoot: `0x${'00'.repeat(32)}` as const,
  gasLimit: 1_000_000_000n,
  eip1559Params: '0x0000000000000000' as const,
})

/** Transactions a second of CPU: recover, execute, and root every block. */
async function ours(raws: readonly Hex[], accounts: number): Promise<{ perSecond: number; megagas: number }> {
  const crypto = await loadCrypto()
  const trie = createStateTrie(crypto)
  const optimism = { eip1559Elasticity: 6, eip1559Denominator: 50 }
  const genesis = createGenesisBlock(
    {
      config: { chainId: CHAIN_ID, optimism },
      alloc: allocOf(accounts),
      timestamp: 0,
      gasLimit: 1_000_000_000,
    },
    trie,
    crypto,
  )
  const codes = new Map<Hex, Uint8Array>()
  const environment = {
    evm: await createEvm({ chainId: CHAIN_ID, crypto }),
    crypto,
    trie,
    chainId: BigInt(CHAIN_ID),
    fork: 'isthmus' as const,
    optimism,
    code: (hash: Hex) => codes.get(hash)!,
    blockHash: () => undefined,
  }
  let parent: Pick<typeof genesis, 'header' | 'hash' | 'state'> = genesis
  let gasUsed = 0n
  const started = cpuMs()
  for (let at = 0; at < raws.length; at += BLOCK_TRANSACTIONS) {
    const block = beginBlock(parent, parent.state, attributesAt(parent.header.timestamp + 2n), environment)
    for (const raw of raws.slice(at, at + BLOCK_TRANSACTIONS)) {
      const { result } = await block.execute(toExecutable(hexToBytes(raw), crypto))
      expect(result.failure).toBeUndefined()
    }
    const executed = block.finish()
    for (const [hash, code] of executed.codes) codes.set(hash, code)
    gasUsed += executed.header.gasUsed
    parent = executed
  }
  const seconds = (cpuMs() - started) / 1000
  return { perSecond: raws.length / seconds, megagas: Number(gasUsed) / 1e6 / seconds }
}

/** The same work by `buildBlock` of EthereumJS with its Merkle state manager. */
async function stock(raws: readonly Hex[], accounts: number): Promise<number> {
  const common = new Common({ chain: { ...Mainnet, chainId: CHAIN_ID }, hardfork: Hardfork.Cancun })
  const stateManager = new MerkleStateManager({ common })
  const vm = await createVM({ common, stateManager })
  await stateManager.checkpoint()
  for (const [address, { balance }] of Object.entries(allocOf(accounts))) {
    await stateManager.putAccount(new Address(hexToBytes(address as Hex)), new Account(0n, BigInt(balance)))
  }
  await stateManager.commit()
  await stateManager.flush()
  const parentBlock = createBlock(
    { header: { number: 1n, gasLimit: 1_000_000_000n, baseFeePerGas: 7n, timestamp: 1n } },
    { common },
  )
  const started = cpuMs()
  const builder = await buildBlock(vm, {
    parentBlock,
    headerData: { gasLimit: 1_000_000_000n, timestamp: 2n, baseFeePerGas: 7n },
    blockOpts: { putBlockIntoBlockchain: false },
  })
  for (const raw of raws) await builder.addTransaction(createTxFromRLP(hexToBytes(raw), { common }))
  await builder.build()
  return raws.length / ((cpuMs() - started) / 1000)
}

test('transfers with roots, against the stock builder of EthereumJS', async () => {
  const accounts = 10_000
  const raws = await transfers(8000, accounts)
  await ours(raws.slice(0, 1000), accounts)
  const measured = await ours(raws, accounts)
  const reference = await stock(raws.slice(0, 200), accounts)
  const ratio = measured.perSecond / reference
  console.log(
    `transfers, ${accounts} accounts: ${measured.perSecond.toFixed(0)}/s of CPU (${measured.megagas.toFixed(0)} Mgas/s), EthereumJS buildBlock ${reference.toFixed(0)}/s`,
  )
  console.log(
    `chain ${ratio.toFixed(0)} times EthereumJS, goal ${GOAL_RATIO}: ${ratio >= GOAL_RATIO ? 'met' : 'short'}`,
  )
  expect(ratio).toBeGreaterThan(GOAL_RATIO)
})

test('transfers hardly slow down as the state grows', async () => {
  const [small, large] = [10_000, 200_000]
  const raws = await transfers(4000, small)
  await ours(raws.slice(0, 1000), small)
  const few = await ours(raws, small)
  const many = await ours(await transfers(4000, large), large)
  console.log(
    `transfers: ${few.perSecond.toFixed(0)}/s with ${small} accounts, ${many.perSecond.toFixed(0)}/s with ${large}`,
  )
  expect(few.perSecond / many.perSecond).toBeLessThan(3)
})

test('contract calls: a token’s transfers', async () => {
  // an ERC-20 reduced to its transfer: two slots, one log
  const abi = parseAbi(['function transfer(address to, uint256 value)', 'constructor()'])
  const { tokenInitCode } = await import('../test/Token.ts')
  const [deployer] = keys
  const token = Transaction.creationAddress(deployer!.address.toLowerCase() as Hex, 0n)
  const fees = {
    type: 'eip1559',
    chainId: CHAIN_ID,
    maxFeePerGas: 10n ** 10n,
    maxPriorityFeePerGas: 1n,
  } as const
  const deploy = await deployer!.signTransaction({
    ...fees,
    nonce: 0,
    gas: 1_000_000n,
    data: encodeDeployData({ abi, bytecode: tokenInitCode }),
  })
  const calls = await Promise.all(
    Array.from({ length: 3000 }, (_, i) =>
      deployer!.signTransaction({
        ...fees,
        nonce: i + 1,
        to: token,
        gas: 100_000n,
        data: encodeFunctionData({ abi, functionName: 'transfer', args: [target(i), 1n] }),
      }),
    ),
  )
  const measured = await ours([deploy, ...calls], 10_000)
  console.log(
    `token transfers: ${measured.perSecond.toFixed(0)}/s of CPU (${measured.megagas.toFixed(0)} Mgas/s)`,
  )
  expect(measured.perSecond).toBeGreaterThan(0)
})
