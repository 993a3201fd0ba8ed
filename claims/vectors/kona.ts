import { execFileSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex } from '@openledger/primitives'
import {
  beginBlock,
  bytesToHex,
  createEvm,
  createStateTrie,
  Header,
  hexToBytes,
  loadCrypto,
  type OptimismConfig,
  rulesOf,
  stateFromWitness,
  toExecutable,
} from '@openledger/rollup'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'
import { readRocksLog } from './RocksLog.ts'
import { readRocksTable } from './RocksTable.ts'
import { absent, digestOf, filesOf, vectorsFolder } from './Vectors.ts'

const FOLDER = 'kona'
const FROM = '`crates/proof/executor/testdata/block-*.tar.gz` of op-rs/kona'
const DIGEST = '3f6bb15b6815026a6a48b3d7c38080d4584bedbaba9ef691a79218061855a333'
const GOAL = 8

type Fixture = {
  readonly rollup_config: { readonly l2_chain_id: number; readonly chain_op_config: OptimismConfig }
  readonly parent_header: Readonly<Record<string, Hex>>
  readonly executing_payload: {
    readonly timestamp: Hex
    readonly prevRandao: Hex
    readonly suggestedFeeRecipient: Hex
    readonly parentBeaconBlockRoot: Hex
    readonly transactions: readonly Hex[]
    readonly gasLimit: Hex
    readonly eip1559Params: Hex
  }
  readonly expected_block_hash: Hex
}

const NUMBERS = 'difficulty number gasLimit gasUsed timestamp baseFeePerGas blobGasUsed excessBlobGas'.split(
  ' ',
)

const headerOf = (json: Fixture['parent_header']): Header.Header =>
  Object.fromEntries(
    Object.entries(json).map(([key, value]) => [key, NUMBERS.includes(key) ? BigInt(value) : value]),
  ) as unknown as Header.Header

/** @returns a block and the entries of its store, which lie in a log and, where some were flushed, in tables. */
function read(folder: string, archive: string): { fixture: Fixture; witness: Map<string, Uint8Array> } {
  const scratch = mkdtempSync(join(tmpdir(), 'kona-'))
  try {
    execFileSync('tar', ['xf', join(folder, archive), '-C', scratch, '--warning=no-unknown-keyword'])
    const directory = join(scratch, archive.replace('.tar.gz', ''))
    const witness = new Map<string, Uint8Array>()
    for (const file of globSync('kv/[0-9]*.{sst,log}', { cwd: directory }).sort()) {
      const bytes = readFileSync(join(directory, file))
      const entries = file.endsWith('.log') ? readRocksLog(bytes) : readRocksTable(bytes)
      for (const [key, value] of entries) witness.set(key, value)
    }
    return {
      fixture: JSON.parse(readFileSync(join(directory, 'fixture.json'), 'utf8')) as Fixture,
      witness,
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Executes one block on the part of the state that its witness holds. */
async function execute({ fixture, witness }: { fixture: Fixture; witness: Map<string, Uint8Array> }) {
  const crypto = await loadCrypto()
  const trie = createStateTrie(crypto)
  const parent = headerOf(fixture.parent_header)
  const preimage = (hash: Uint8Array): Uint8Array | undefined => witness.get(bytesToHex(hash).slice(2))
  const payload = fixture.executing_payload
  const chainId = fixture.rollup_config.l2_chain_id
  const evm = await createEvm({ chainId, crypto })
  const begun = process.threadCpuUsage()
  const block = beginBlock(
    { header: parent, hash: Header.hash(parent, crypto) },
    stateFromWitness(parent.stateRoot, preimage),
    {
      timestamp: BigInt(payload.timestamp),
      prevRandao: payload.prevRandao,
      feeRecipient: payload.suggestedFeeRecipient,
      parentBeaconBlockRoot: payload.parentBeaconBlockRoot,
      gasLimit: BigInt(payload.gasLimit),
      eip1559Params: payload.eip1559Params,
    },
    {
      evm,
      crypto,
      trie,
      chainId: BigInt(chainId),
      schedule: () => rulesOf('holocene'),
      optimism: fixture.rollup_config.chain_op_config,
      code: (codeHash) => preimage(hexToBytes(codeHash)) ?? new Uint8Array(),
      blockHash: () => undefined,
    },
  )
  for (const raw of payload.transactions) await block.execute(toExecutable(hexToBytes(raw), crypto))
  const { hash, header } = block.finish()
  const { user, system } = process.threadCpuUsage(begun)
  return { hash, megagas: Number(header.gasUsed) / 1e6, seconds: (user + system) / 1e6 }
}

async function run({ say }: ClaimOptions): Promise<Finding> {
  const folder = vectorsFolder(FOLDER)
  const archives = folder === undefined ? [] : filesOf(folder, 'block-*.tar.gz')
  if (folder === undefined || archives.length === 0) return absent(FOLDER, FROM)
  const digest = digestOf(folder, archives)
  const failures = digest === DIGEST ? [] : [`${FOLDER} holds unknown vectors: ${digest}`]
  const rows: (string | number)[][] = [['block', 'Mgas', 'Mgas/s', 'hash']]
  let passed = 0
  for (const archive of archives) {
    const name = archive.replace('.tar.gz', '')
    const found = read(folder, archive)
    const { hash, megagas, seconds } = await execute(found)
    const isEqual = hash === found.fixture.expected_block_hash
    if (isEqual) passed++
    else failures.push(`${name}: expected ${found.fixture.expected_block_hash}, got ${hash}`)
    rows.push([name, megagas.toFixed(2), (megagas / seconds).toFixed(1), isEqual ? 'equal' : hash])
    say(rows.at(-1)!.join(' · '))
  }
  return {
    figure: passed,
    unit: `of ${archives.length} real OP Sepolia blocks`,
    goal: GOAL,
    sense: 'at least',
    failures,
    report: [
      `From ${FROM}; Mgas/s is by the processor time of one thread, senders included.`,
      table(rows),
    ].join('\n\n'),
  }
}

export const claim: Claim = {
  says: 'Real blocks of OP Sepolia execute to their block hashes.',
  run,
}
