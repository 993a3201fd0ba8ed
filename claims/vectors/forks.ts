import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEmbeddedEngine, createGenesis, type EmbeddedEngine, Jwt } from '@openledger/node'
import { createEngineApiClient } from '@openledger/node/engineApi/EngineApiClient'
import * as Payload from '@openledger/node/engineApi/Payload'
import type { Hex } from '@openledger/primitives'
import { DevelopmentKeys } from '@openledger/protocol'
import { Deposit, L1Info, Transaction } from '@openledger/rollup'
import { concat, keccak256, numberToHex, parseEther, parseGwei } from 'viem'
import type { Claim, ClaimOptions, Finding } from '../Claim.ts'
import { table } from '../Claim.ts'
import { describeProgram, findPrograms, nothingRun, startGeth } from './OpStack.ts'

const CHAIN_ID = 161_200
const START = 1_790_000_000
const BLOCK_SECONDS = 2
const GAS_LIMIT = 30_000_000n
/** Blocks of each fork, enough for every case twice. op-geth ends at Jovian: it does not know Karst's rules. */
const PERIOD = 20
const GENESIS = { l2ChainId: CHAIN_ID, timestamp: START, gasLimit: GAS_LIMIT } as const
const FORKS = { jovianTime: START + PERIOD * BLOCK_SECONDS }
const PAIRING: Hex = '0x0000000000000000000000000000000000000008'
const BLS_PAIRING: Hex = '0x000000000000000000000000000000000000000f'
const G1_MSM: Hex = '0x000000000000000000000000000000000000000c'
const G2_MSM: Hex = '0x000000000000000000000000000000000000000e'
const MODEXP: Hex = '0x0000000000000000000000000000000000000005'
const P256_VERIFY: Hex = '0x0000000000000000000000000000000000000100'
const caller = DevelopmentKeys.account('caller')

/** Calls an address with so many zero bytes and keeps whether it succeeded, what gas was left and what came back. */
const probe = (address: Hex, sizeBytes: number, gas: number): Hex =>
  concat([
    ...['0x6000', '0x6000'],
    `0x62${sizeBytes.toString(16).padStart(6, '0')}`,
    '0x6000',
    `0x73${address.slice(2)}`,
    `0x63${gas.toString(16).padStart(8, '0')}`,
    // STATICCALL, then success to slot 0, the size of what came to slot 1, and the gas to slot 2
    ...['0xfa', '0x600055', '0x3d600155', '0x5a600255', '0x00'],
  ] as Hex[])

/** Counts leading zeros by Osaka's opcode, which is none before. */
const COUNT_LEADING_ZEROS: Hex = '0x60011e60005500'

type Case = { readonly to: Hex | null; readonly data: Hex; readonly gas: bigint }

/** What each block has: a case of every rule that a fork changed. */
function casesOf(index: number): Case[] {
  const probeCase = (address: Hex, sizeBytes: number, gas = 1_500_000): Case => ({
    to: null,
    data: probe(address, sizeBytes, gas),
    gas: 9_000_000n,
  })
  const transfer: Case = { to: numberToHex(0xabc0000 + index, { size: 20 }), data: '0x', gas: 21_000n }
  const turns: readonly (readonly Case[])[] = [
    // bounds of inputs, each at the bound of a fork and beyond it
    [57_600, 57_792, 81_984, 82_176, 112_687].map((bytes) => probeCase(PAIRING, bytes, 100_000)).slice(0, 3),
    [probeCase(PAIRING, 82_176, 100_000), probeCase(PAIRING, 112_896, 100_000)],
    [probeCase(BLS_PAIRING, 156_672), probeCase(BLS_PAIRING, 157_056)],
    [probeCase(G1_MSM, 288_960), probeCase(G1_MSM, 289_120)],
    [probeCase(G2_MSM, 278_784), probeCase(G2_MSM, 279_072)],
    // what Osaka changes and these forks do not: modular exponentiation, the curve of passkeys, counting zeros
    [probeCase(MODEXP, 96), probeCase(P256_VERIFY, 160, 5_000), probeCase(P256_VERIFY, 160, 7_000)],
    [{ to: null, data: COUNT_LEADING_ZEROS, gas: 200_000n }],
    // data that does not compress: the DA footprint, and the next base fee
    [{ to: transfer.to, data: incompressible(index, 40_000), gas: 2_000_000n }],
    [{ to: transfer.to, data: `0x${'00'.repeat(40_000)}`, gas: 500_000n }],
  ]
  return [transfer, ...turns[index % turns.length]!]
}

function incompressible(seed: number, sizeBytes: number): Hex {
  const parts: Hex[] = []
  for (let i = 0; i < sizeBytes / 32; i++) parts.push(keccak256(numberToHex(seed * 100_000 + i)))
  return concat(parts)
}

/** Builds the next block with our engine. */
async function buildNext(engine: EmbeddedEngine, nonce: number) {
  const head = engine.head()
  const number = head.number + 1n
  const timestamp = head.timestamp + BigInt(BLOCK_SECONDS)
  const isJovian = timestamp >= BigInt(FORKS.jovianTime)
  const isActivation = timestamp === BigInt(FORKS.jovianTime)
  const info = L1Info.toDeposit({
    number: 7n,
    timestamp: BigInt(START),
    hash: keccak256('0x07'),
    baseFee: 9_000_000_000n,
    blobBaseFee: 3n,
    sequenceNumber: number,
    batcherAddress: `0x${'ba'.repeat(20)}`,
    baseFeeScalar: 1_368n,
    blobBaseFeeScalar: 810_949n,
    operatorFeeScalar: 1_234n,
    operatorFeeConstant: 56_789n,
    ...(isJovian && !isActivation ? { daFootprintGasScalar: 400n + (number % 3n) * 100n } : {}),
  })
  // money comes as a deposit, as it does from L1
  const funds: Transaction.DepositTransaction = {
    ...info,
    sourceHash: Deposit.userSourceHash(info.sourceHash, Number(number)),
    from: caller.address.toLowerCase() as Hex,
    to: caller.address.toLowerCase() as Hex,
    mint: number === 1n ? parseEther('1000') : 0n,
    gas: 100_000n,
    data: new Uint8Array(),
  }
  const cases = number === 1n || isActivation ? [] : casesOf(Number(number))
  const transactions = await Promise.all(
    cases.map(({ to, data, gas }, i) =>
      caller.signTransaction({
        type: 'eip1559',
        chainId: CHAIN_ID,
        nonce: nonce + i,
        to,
        data,
        gas,
        maxFeePerGas: parseGwei('500'),
        maxPriorityFeePerGas: 1n,
      }),
    ),
  )
  const block = await engine.build({
    timestamp,
    prevRandao: keccak256(numberToHex(number)),
    feeRecipient: '0x4200000000000000000000000000000000000011',
    parentBeaconBlockRoot: keccak256(numberToHex(number + 1_000n)),
    gasLimit: GAS_LIMIT,
    eip1559Params: number % 2n === 0n ? '0x0000000000000000' : '0x000000fa00000004',
    ...(isJovian ? { minBaseFee: [0n, 1_000n, 3_000_000_000n][Number(number % 3n)]! } : {}),
    deposits: [info, funds].map((deposit) => Transaction.encode(deposit)),
    transactions: transactions.map((raw) => Uint8Array.from(Buffer.from(raw.slice(2), 'hex'))),
    noTxPool: true,
  })
  return { block, count: cases.length }
}

async function run({ isQuick, say }: ClaimOptions): Promise<Finding> {
  const blocks = isQuick ? PERIOD + 12 : 2 * PERIOD
  const programs = findPrograms(['op-geth'])
  if ('absent' in programs) {
    return { figure: 0, unit: 'blocks valid', goal: blocks, sense: 'at least', ...nothingRun(programs) }
  }
  const path = programs['op-geth']
  const folder = mkdtempSync(join(tmpdir(), 'openledger-forks-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const genesis = createGenesis({
    ...GENESIS,
    open: `0x${'0e'.repeat(20)}`,
    treasury: `0x${'0f'.repeat(20)}`,
    forks: FORKS,
  })
  const engine = await createEmbeddedEngine({ directory: join(folder, 'ours'), genesis })
  stack.defer(() => engine.close())
  const genesisPath = join(folder, 'genesis.json')
  writeFileSync(genesisPath, JSON.stringify(genesis))
  mkdirSync(join(folder, 'keys'))
  const jwtPath = join(folder, 'keys', 'jwt.hex')
  const secret = Jwt.readSecret(jwtPath)
  const files = { folder, genesis: genesisPath, rollup: '', l1: '' }
  const geth = await startGeth(programs, files, jwtPath, 'op-geth')
  stack.defer(geth.stop)
  const client = createEngineApiClient({ url: geth.engineUrl, secret })

  const failures: string[] = []
  const tallies = new Map<string, { blocks: number; transactions: number; failed: number; valid: number }>()
  let nonce = 1
  let valid = 0
  for (let i = 0; i < blocks; i++) {
    const { block, count } = await buildNext(engine, nonce + i)
    nonce += count
    const fork = block.timestamp >= BigInt(FORKS.jovianTime) ? 'Jovian' : 'Isthmus'
    const tally = tallies.get(fork) ?? { blocks: 0, transactions: 0, failed: 0, valid: 0 }
    tallies.set(fork, tally)
    const payload = Payload.fromBlock({
      hash: block.hash,
      header: block,
      transactions: block.transactions.map(({ raw }) => raw),
    })
    const { status, validationError } = await client.newPayload(payload, block.parentBeaconBlockRoot)
    tally.blocks++
    tally.transactions += block.transactions.length
    tally.failed += engine.receipts(block.number).filter((receipt) => receipt.status === 0).length
    if (status !== 'VALID') {
      failures.push(`block ${block.number} (${fork}): op-geth says ${status}, ${validationError}`)
      break
    }
    tally.valid++
    valid++
    const { hash } = block
    await client.forkchoiceUpdated({ headBlockHash: hash, safeBlockHash: hash, finalizedBlockHash: hash })
    say(
      `block ${block.number} · ${fork} · ${count} transactions · base fee ${block.baseFeePerGas} · footprint ${block.blobGasUsed}`,
    )
  }
  return {
    figure: valid,
    unit: 'blocks of ours valid for op-geth',
    goal: blocks,
    sense: 'at least',
    failures,
    report: [
      'One chain that goes from Isthmus to Jovian, built by our engine and given to op-geth over the Engine API, which executes every block and compares its hash. Each block has cases of the rules that changed: base fees with a floor, DA footprints and their share in the base fee, operator fees, parameters in `extraData`, precompiles at and beyond the bounds of each fork. Karst is not among them: op-geth ended before it. Its rules are Osaka’s, which the state tests hold, with one more bound on pairings.',
      table([
        ['fork', 'blocks', 'transactions', 'of them failed', 'valid'],
        ...[...tallies].map(([fork, tally]) => [
          fork,
          tally.blocks,
          tally.transactions,
          tally.failed,
          tally.valid,
        ]),
      ]),
      describeProgram('op-geth', path),
    ].join('\n\n'),
  }
}

export const claim: Claim = {
  says: 'Blocks that our engine builds under Isthmus and Jovian are valid for op-geth, across the upgrade.',
  run,
}
