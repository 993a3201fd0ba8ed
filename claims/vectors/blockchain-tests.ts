import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Hex } from '@openledger/primitives'
import {
  type Crypto,
  createEvm,
  createGenesisBlock,
  createStateTrie,
  type Evm,
  type Genesis,
  Header,
  hexToBytes,
  loadCrypto,
  scheduleOf,
} from '@openledger/rollup'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'
import { executeEthereumBlock, headerOf, type ParentBlock } from './EthereumChain.ts'
import { absent, digestOf, filesOf, vectorsFolder } from './Vectors.ts'

const FOLDER = 'ethereum-tests'
const FROM = 'the folder `BlockchainTests` of ethereum/tests at 4c87ebbf024a3e9ec842bcce90564f629a3bcd82'
const PATTERN = 'BlockchainTests/{GeneralStateTests/Pyspecs,InvalidBlocks,ValidBlocks}/**/*.json'
/** Of the part of the commit that could be had where the figures were measured: all but three files. */
const DIGEST = '732ccb0d7d5d01f8ee24d2a0251e7fbe82f72885526b3a0fbc862f0cadaa450f'
const CHAIN_ID = 1
const QUICK_STRIDE = 20
const SHOWN_MAX = 25

/** From when on each network has which fork, besides what all of them have from genesis. */
const NETWORKS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  Paris: {},
  Shanghai: { shanghaiTime: 0 },
  ShanghaiToCancunAtTime15k: { shanghaiTime: 0, cancunTime: 15_000 },
  Cancun: { shanghaiTime: 0, cancunTime: 0 },
}
const FROM_GENESIS = Object.fromEntries(
  [
    'homestead',
    'eip150',
    'eip158',
    'byzantium',
    'constantinople',
    'petersburg',
    'istanbul',
    'berlin',
    'london',
    'mergeNetsplit',
  ].map((fork) => [`${fork}Block`, 0]),
)

type BlockchainTest = {
  readonly network: string
  readonly pre: Genesis['alloc']
  readonly genesisRLP: Hex
  readonly lastblockhash: Hex
  readonly blocks: readonly { readonly rlp: Hex; readonly expectException?: string }[]
}

/** Why a test does not apply to an L2's execution. */
function reasonToExclude(file: string, { network, blocks }: BlockchainTest): string | undefined {
  if (NETWORKS[network] === undefined)
    return 'chains from before Ethereum’s merge, which have miners and ommers'
  if (
    /4844|blob/i.test(file) ||
    blocks.some(({ expectException = '' }) => /BLOB|TYPE_3/.test(expectException))
  )
    return 'blobs, which an OP Stack chain does not carry'
  return undefined
}

/**
 * What Ethereum demands of a header beyond what executing its block gives.
 * @throws {Error}
 */
function assertHeader(header: Header.Header, parent: Header.Header): void {
  const refuse = (what: string): never => {
    throw new Error(`block ${header.number}: ${what}`)
  }
  const most = parent.gasLimit / 1024n
  const change = header.gasLimit - parent.gasLimit
  if (change >= most || change <= -most || header.gasLimit < 5000n) refuse('its gas limit')
  if (header.gasLimit >= 2n ** 63n) refuse('its gas limit')
  if (header.gasUsed > header.gasLimit) refuse('its gas')
  if (header.timestamp <= parent.timestamp) refuse('its time')
  if (header.extraData.length > 2 + 2 * 32) refuse('its extra data')
  if (header.difficulty !== 0n) refuse('its difficulty')
  if (BigInt(header.nonce) !== 0n) refuse('its nonce')
  if (header.sha3Uncles !== Header.EMPTY_UNCLES_HASH) refuse('its ommers')
}

async function runTest(test: BlockchainTest, crypto: Crypto, evm: Evm): Promise<string | undefined> {
  const trie = createStateTrie(crypto)
  const first = headerOf(hexToBytes(test.genesisRLP))
  const config = { chainId: CHAIN_ID, ...FROM_GENESIS, ...NETWORKS[test.network] }
  const made = createGenesisBlock(
    {
      config,
      alloc: test.pre,
      timestamp: `0x${first.timestamp.toString(16)}`,
      gasLimit: `0x${first.gasLimit.toString(16)}`,
    },
    trie,
    crypto,
  )
  if (made.header.stateRoot !== first.stateRoot)
    return `genesis: expected the state root ${first.stateRoot}, got ${made.header.stateRoot}`
  const codes = new Map(made.codes)
  const known = new Map<Hex, ParentBlock>()
  const remember = (block: ParentBlock): void => void known.set(block.hash, block)
  remember({ header: first, hash: Header.hash(first, crypto), state: made.state })
  for (const [index, { rlp, expectException }] of test.blocks.entries()) {
    let refusal: string | undefined
    try {
      const encoded = hexToBytes(rlp)
      const header = headerOf(encoded)
      const parent = known.get(header.parentHash)
      if (parent === undefined) throw new Error(`no parent ${header.parentHash}`)
      assertHeader(header, parent.header)
      const block = await executeEthereumBlock(encoded, parent, {
        evm,
        crypto,
        trie,
        chainId: CHAIN_ID,
        schedule: scheduleOf(config),
        code: (hash) => codes.get(hash) ?? new Uint8Array(),
        blockHash(number) {
          let at: ParentBlock | undefined = parent
          while (at !== undefined && at.header.number > number) at = known.get(at.header.parentHash)
          return at?.hash
        },
      })
      for (const [hash, code] of block.codes) codes.set(hash, code)
      remember(block)
    } catch (error) {
      refusal = error instanceof Error ? error.message : String(error)
    }
    if ((refusal !== undefined) !== (expectException !== undefined))
      return `block ${index + 1}: expected ${expectException ?? 'it to be valid'}, got ${refusal ?? 'no objection'}`
  }
  return known.has(test.lastblockhash) ? undefined : `expected the last block to be ${test.lastblockhash}`
}

async function run({ isQuick, words, say }: ClaimOptions): Promise<Finding> {
  const folder = vectorsFolder(FOLDER)
  const all = folder === undefined ? [] : filesOf(folder, PATTERN)
  if (folder === undefined || all.length === 0) return absent(FOLDER, FROM)
  const failures: string[] = []
  const digest = digestOf(folder, all)
  if (digest !== DIGEST) failures.push(`${FOLDER} holds unknown vectors: ${digest}`)
  const files = all
    .filter((file) => words.every((word) => file.includes(word)))
    .filter((_, i) => !isQuick || i % QUICK_STRIDE === 0)
  const crypto = await loadCrypto()
  const evm = await createEvm({ chainId: CHAIN_ID, crypto })
  const tallies = new Map<string, { passed: number; failed: number; blocks: number; refused: number }>()
  const excluded = new Map<string, number>()
  for (const [i, file] of files.entries()) {
    if (i % 100 === 0) say(`${i} of ${files.length} files`)
    const tests = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, BlockchainTest>
    for (const [name, test] of Object.entries(tests)) {
      const reason = reasonToExclude(file, test)
      if (reason !== undefined) {
        excluded.set(reason, (excluded.get(reason) ?? 0) + 1)
        continue
      }
      const tally = tallies.get(test.network) ?? { passed: 0, failed: 0, blocks: 0, refused: 0 }
      tallies.set(test.network, tally)
      const failure = await runTest(test, crypto, evm)
      tally.blocks += test.blocks.length
      tally.refused += test.blocks.filter(({ expectException }) => expectException !== undefined).length
      if (failure === undefined) tally.passed++
      else {
        tally.failed++
        failures.push(`${file} ${name}: ${failure}`)
      }
    }
  }
  const sum = (field: 'passed' | 'failed'): number =>
    [...tallies.values()].reduce((total, tally) => total + tally[field], 0)
  return {
    figure: (100 * sum('passed')) / Math.max(1, sum('passed') + sum('failed')),
    unit: `% of ${sum('passed') + sum('failed')} applicable chains`,
    goal: 100,
    sense: 'at least',
    failures: failures.slice(0, SHOWN_MAX),
    report: [
      `From ${FROM}: what the execution spec tests make of chains (\`Pyspecs\`), and chains that are valid or become invalid. Three files of the commit could not be had.`,
      table([
        ['network', 'passed', 'failed', 'blocks', 'of them to be refused'],
        ...[...tallies].map(([network, { passed, failed, blocks, refused }]) => [
          network,
          passed,
          failed,
          blocks,
          refused,
        ]),
      ]),
      [...excluded].map(([why, count]) => `${count} chains were excluded: ${why}.`).join('\n'),
    ].join('\n\n'),
  }
}

export const claim: Claim = {
  says: 'Blocks of Ethereum execute to what their headers say, and blocks that may not stand are refused, by the execution that makes the chain’s own.',
  run,
}
