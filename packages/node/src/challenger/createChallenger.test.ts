import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DevelopmentKeys } from '@openledger/protocol'
import { openAbi } from '@openledger/protocol/abi/index'
import { bytesToHex, hexToBytes, outputRoot, Rlp } from '@openledger/rollup'
import {
  createWalletClient,
  encodeAbiParameters,
  type Hex,
  http,
  keccak256,
  parseAbi,
  parseAbiParameters,
  parseEther,
  zeroHash,
} from 'viem'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { stopDevelopmentL1 } from '../l1/DevelopmentL1.ts'
import { createNode, type Node } from '../node/createNode.ts'
import { createVerifierNode } from '../node/createVerifierNode.ts'
import { silentLogger } from '../node/Logger.ts'
import { createProposer } from '../proposer/createProposer.ts'
import { type OutputOracle, openOutputOracle } from './OutputOracle.ts'

const directory = mkdtempSync(join(tmpdir(), 'openledger-challenger-'))
const copy = mkdtempSync(join(tmpdir(), 'openledger-challenger-copy-'))
const FINALIZATION_SECONDS = 12
let node: Node
let oracle: OutputOracle

beforeAll(async () => {
  node = await createNode({
    directory,
    l1: { blockTimeSeconds: 1 },
    l2: {
      blockTimeSeconds: 1,
      submissionInterval: 3,
      finalizationPeriodSeconds: FINALIZATION_SECONDS,
      batchIntervalSeconds: 1,
      without: ['proposer', 'challenger'],
    },
  })
  oracle = await openOutputOracle(node.l1, node.deployment.l1.portal)
})

afterAll(async () => {
  await node.close()
  await stopDevelopmentL1(directory)
  for (const path of [directory, copy]) rmSync(path, { recursive: true, force: true })
})

const oracleAbi = parseAbi([
  'function nextBlockNumber() view returns (uint256)',
  'function proposeL2Output(bytes32 outputRoot, uint256 l2BlockNumber, bytes32 l1BlockHash, uint256 l1BlockNumber) payable',
])
const portalAbi = parseAbi([
  'struct Withdrawal { uint256 nonce; address sender; address target; uint256 value; uint256 gasLimit; bytes data; }',
  'struct OutputRootProof { bytes32 version; bytes32 stateRoot; bytes32 messagePasserStorageRoot; bytes32 latestBlockhash; }',
  'function proveWithdrawalTransaction(Withdrawal tx, uint256 l2OutputIndex, OutputRootProof proof, bytes[] withdrawalProof)',
  'function finalizeWithdrawalTransaction(Withdrawal tx)',
])

const walletOf = (role: DevelopmentKeys.Role) =>
  createWalletClient({
    account: DevelopmentKeys.account(role),
    chain: foundry,
    transport: http(node.l1RpcUrl),
  })
const mined = async (hash: Hex): Promise<'success' | 'reverted'> =>
  (await node.l1.client.waitForTransactionReceipt({ hash, pollingInterval: 100 })).status
const until = (check: () => unknown, timeout = 90_000): Promise<unknown> =>
  vi.waitFor(check, { timeout, interval: 200 })

/** Proposes any root for the block that is next, and gives the output's index. */
async function propose(root: Hex): Promise<bigint> {
  const address = oracle.oracle
  const number = await node.l1.client.readContract({
    address,
    abi: oracleAbi,
    functionName: 'nextBlockNumber',
  })
  await until(() => expect(node.engine.safe().number).toBeGreaterThanOrEqual(number))
  const index = await oracle.count()
  const wallet = walletOf('proposer')
  const request = { address, abi: oracleAbi, functionName: 'proposeL2Output' } as const
  const hash = await wallet.writeContract({ ...request, args: [root, number, zeroHash, 0n], gas: 300_000n })
  expect(await mined(hash)).toBe('success')
  return index
}

/** A withdrawal that never happened on L2, and an output in whose storage it did. */
function forge() {
  const thief = DevelopmentKeys.account('voter').address
  const withdrawal = {
    nonce: 1n << 240n,
    sender: thief,
    target: thief,
    value: parseEther('100000'),
    gasLimit: 100_000n,
    data: '0x',
  } as const
  const withdrawalHash = keccak256(
    encodeAbiParameters(parseAbiParameters('uint256, address, address, uint256, uint256, bytes'), [
      withdrawal.nonce,
      thief,
      thief,
      withdrawal.value,
      withdrawal.gasLimit,
      withdrawal.data,
    ]),
  )
  const slot = keccak256(
    encodeAbiParameters([{ type: 'bytes32' }, { type: 'uint256' }], [withdrawalHash, 0n]),
  )
  // a trie of one leaf: the whole path, and the value 1
  const leaf = Rlp.encode([hexToBytes(`0x20${keccak256(slot).slice(2)}`), Uint8Array.of(1)])
  const proof = {
    stateRoot: `0x${'11'.repeat(32)}` as Hex,
    messagePasserStorageRoot: keccak256(leaf),
    blockHash: `0x${'22'.repeat(32)}` as Hex,
  }
  return { withdrawal, proof, withdrawalProof: [bytesToHex(leaf)], root: outputRoot(proof) }
}

const startProposer = () =>
  createProposer({
    engine: node.engine,
    l1: node.l1,
    outputOracle: oracle.oracle,
    account: DevelopmentKeys.account('proposer'),
    defence: { portal: node.deployment.l1.portal, bondMaxWei: parseEther('10') },
    logger: silentLogger,
  })

const startChallenger = () =>
  createVerifierNode({
    directory: copy,
    l1: { rpcUrl: node.l1RpcUrl },
    genesis: JSON.parse(readFileSync(join(directory, 'genesis.json'), 'utf8')),
    rollupConfig: node.rollupConfig,
    challenger: { account: DevelopmentKeys.account('challenger'), bondMaxWei: parseEther('10') },
  })

const thiefHolds = (): Promise<bigint> =>
  node.l1.client.readContract({
    address: node.deployment.l1.open,
    abi: openAbi,
    functionName: 'balanceOf',
    args: [DevelopmentKeys.account('voter').address],
  })

test('a proposer that lies is caught by whoever reads L1, and what it stole for is not paid', async () => {
  await using challenger = await startChallenger()
  await until(() => expect(challenger.progress().isCaughtUp).toBe(true))
  const { withdrawal, proof, withdrawalProof, root } = forge()
  const before = await thiefHolds()
  const index = await propose(root)
  const { l2BlockNumber } = await oracle.output(index)
  const thief = walletOf('voter')
  const portal = { address: node.deployment.l1.portal, abi: portalAbi, gas: 1_000_000n } as const
  const { stateRoot, messagePasserStorageRoot, blockHash: latestBlockhash } = proof
  // the portal believes the output while it stands
  const proven = await thief
    .writeContract({
      ...portal,
      functionName: 'proveWithdrawalTransaction',
      args: [
        withdrawal,
        index,
        { version: zeroHash, stateRoot, messagePasserStorageRoot, latestBlockhash },
        withdrawalProof,
      ],
    })
    .then(mined)

  await until(async () => expect(await oracle.count()).toBe(index))
  expect(challenger.challenger!.status().wrong).toEqual([{ l2BlockNumber, outputRoot: root }])
  const game = await oracle.game(l2BlockNumber)
  expect(game.answer).toBe(node.engine.outputRoot(l2BlockNumber).outputRoot)

  // the same lie and another one go without a further bond
  for (const lie of [root, `0x${'33'.repeat(32)}`] as const) {
    await propose(lie)
    await until(async () => expect(await oracle.count()).toBe(index))
  }
  expect((await oracle.game(l2BlockNumber)).bondWei).toBe(game.bondWei)

  const proposer = startProposer()
  try {
    await until(async () => expect(await oracle.count()).toBeGreaterThan(index))
    expect((await oracle.output(index)).outputRoot).toBe(game.answer)
    // the bond comes back once the right output is final
    await until(
      async () => expect(await node.l1.client.getBalance({ address: oracle.challenges })).toBe(0n),
      60_000,
    )
  } finally {
    await proposer.stop()
  }
  expect(proven).toBe('success')
  const stolen = thief.writeContract({
    ...portal,
    functionName: 'finalizeWithdrawalTransaction',
    args: [withdrawal],
  })
  expect(await mined(await stolen)).toBe('reverted')
  expect(await thiefHolds()).toBe(before)
  expect(challenger.problems()).toEqual({})
}, 300_000)

test('a challenger that lies delays an output, and loses its bond to whoever answers', async () => {
  const proposer = startProposer()
  try {
    const count = await oracle.count()
    await until(async () => expect(await oracle.count()).toBeGreaterThan(count))
    const output = await oracle.output(count)
    const bondWei = await oracle.requiredBond(output.l2BlockNumber)
    const liar = walletOf('voter')
    const { to, data, value, gas } = oracle.challenge(output, `0x${'44'.repeat(32)}`, bondWei)
    expect(await mined(await liar.sendTransaction({ to, data, value: value!, gas: gas! }))).toBe('success')

    await until(async () => {
      expect((await oracle.game(output.l2BlockNumber)).answer).toBe(output.outputRoot)
      expect((await oracle.output(count)).outputRoot).toBe(output.outputRoot)
    })
    // three bonds lie there: the liar's and twice as much; all go to the proposer
    expect(await node.l1.client.getBalance({ address: oracle.challenges })).toBe(3n * bondWei)
    await until(
      async () => expect(await node.l1.client.getBalance({ address: oracle.challenges })).toBe(0n),
      60_000,
    )
    const payment = oracle.pay(output.l2BlockNumber, liar.account.address)
    const asked = await liar.sendTransaction({ to: payment.to, data: payment.data, gas: payment.gas! })
    expect(await mined(asked)).toBe('reverted')
  } finally {
    await proposer.stop()
  }
}, 300_000)
