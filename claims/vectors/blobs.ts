import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@openledger/node/l1/Anvil'
import { createKzgService, type Sidecar } from '@openledger/node/l1/Blobs'
import { nativeKzg, plainKzg } from '@openledger/node/l1/KzgLibrary'
import { connectL1, type L1 } from '@openledger/node/l1/L1'
import { createL1Reader } from '@openledger/node/l1/L1Reader'
import { createL1Sender } from '@openledger/node/l1/L1Sender'
import { silentLogger } from '@openledger/node/node/Logger'
import type { Hex } from '@openledger/primitives'
import { DevelopmentKeys } from '@openledger/protocol'
import { bytesToHex, hexToBytes, type Kzg, loadCrypto } from '@openledger/rollup'
import { numberToHex } from 'viem'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'
import { openParts } from '../Parts.ts'
import { describeProgram, findPrograms, nothingRun, until } from './OpStack.ts'
import { absent, digestOf, filesOf, vectorsFolder } from './Vectors.ts'

const FOLDER = 'c-kzg'
const FROM = 'the folder `tests` of ethereum/c-kzg-4844 at 2.1.8, which holds the vectors of consensus-specs'
const DIGEST = 'ad3a855fc64d5d99d0186650503f6628ee1614735a6519638b4d8c068dcb98e9'
const SUITES = ['blob_to_kzg_commitment', 'compute_blob_kzg_proof', 'compute_cells_and_kzg_proofs'] as const
const INBOX: Hex = '0x00000000000000000000000000000000000000b0'
/** Beyond it a transaction is not going to be in a block. */
const WAIT_MAX_MS = 60_000

/** A case of the vectors: bytes that may not be a blob, and what they give; nothing where they must be refused. */
type Case = {
  readonly suite: (typeof SUITES)[number]
  readonly blob: Uint8Array
  readonly commitment: Uint8Array | undefined
  readonly expected: readonly string[] | undefined
}

function readCase(folder: string, file: string): Case {
  const suite = SUITES.find((name) => file.startsWith(`${name}/`))!
  const text = readFileSync(join(folder, file), 'utf8')
  const [input, output] = text.split(/^output:/m) as [string, string]
  const field = (name: string): Uint8Array | undefined => {
    const value = new RegExp(`${name}: '(0x[0-9a-f]*)'`).exec(input)?.[1]
    return value === undefined ? undefined : hexToBytes(value as Hex)
  }
  const values = [...output.matchAll(/'(0x[0-9a-f]*)'/g)].map(([, value]) => value!)
  const expected = output.includes('null') ? undefined : values
  return { suite, blob: field('blob')!, commitment: field('commitment'), expected }
}

/** @returns what a library gives; cells, which stand before their proofs in the vectors, are left out. */
function answerOf(kzg: Kzg.Kzg, { suite, blob, commitment }: Case): string[] {
  if (suite === 'blob_to_kzg_commitment') return [bytesToHex(kzg.commit(blob))]
  if (suite === 'compute_blob_kzg_proof') return [bytesToHex(kzg.prove(blob, commitment!))]
  return kzg.proveCells(blob).map(bytesToHex)
}

function isRight(kzg: Kzg.Kzg, one: Case): boolean {
  let given: string[] | undefined
  try {
    given = answerOf(kzg, one)
  } catch {
    // refused
  }
  const expected = one.expected?.slice(-(given?.length ?? 1))
  return given?.join() === expected?.join()
}

/** geth's development chain, whose rules are those of Osaka from its first block. */
async function startEthereum(path: string, directory: string): Promise<{ child: ChildProcess; l1: L1 }> {
  const [http, engine] = [await freePort(), await freePort()]
  const child = spawn(
    path,
    [
      ...['--dev', '--datadir', directory, '--http', '--http.addr=127.0.0.1', `--http.port=${http}`],
      ...['--http.api=eth,web3', '--port=0', '--nodiscover', '--maxpeers=0', '--nat=none', '--ipcdisable'],
      ...['--authrpc.addr=127.0.0.1', `--authrpc.port=${engine}`],
    ],
    { stdio: 'ignore' },
  )
  const rpcUrl = `http://127.0.0.1:${http}`
  try {
    return { child, l1: await until('geth to answer', WAIT_MAX_MS, () => connectL1({ rpcUrl })) }
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}

/** Sends blobs as the batcher does, and reads the block that has them. @returns the blobs that were read of. */
async function throughEthereum(
  path: string,
): Promise<{ blobs: number; provenBy: string; isWrongRefused: boolean }> {
  const directory = mkdtempSync(join(tmpdir(), 'openledger-geth-'))
  const { child, l1 } = await startEthereum(path, directory)
  const kzg = createKzgService()
  try {
    const account = DevelopmentKeys.account('batcher')
    const ask = <T>(method: string, params: readonly unknown[]): Promise<T> =>
      l1.client.request({ method, params } as never) as Promise<T>
    const [rich] = await ask<Hex[]>('eth_accounts', [])
    await ask('eth_sendTransaction', [{ from: rich, to: account.address, value: numberToHex(10n ** 18n) }])
    await until('the batcher to have funds', WAIT_MAX_MS, async () =>
      (await l1.client.getBalance({ address: account.address })) > 0n ? true : undefined,
    )
    const pieces = [Uint8Array.of(1, 2, 3), new Uint8Array(130_000).fill(7)]
    const send = async (change: (sidecar: Sidecar) => Sidecar, signal: AbortSignal) => {
      let provenBy: Sidecar['provenBy'] | undefined
      const sender = createL1Sender({ l1, account, signal, logger: silentLogger })
      const sidecar = async (wanted: Sidecar['provenBy']) => {
        provenBy = wanted
        return change(await kzg.sidecarOf(pieces, wanted))
      }
      const [receipt] = await sender.send([{ to: INBOX, data: '0x', sidecar }])
      return { provenBy, receipt: receipt! }
    }
    const swapped = ({ proofs, ...rest }: Sidecar): Sidecar => ({ ...rest, proofs: proofs.toReversed() })
    const isWrongRefused = await send(swapped, AbortSignal.timeout(5_000)).then(
      () => false,
      () => true,
    )
    const { provenBy, receipt } = await send((sidecar) => sidecar, AbortSignal.timeout(WAIT_MAX_MS))
    const crypto = await loadCrypto()
    const reader = createL1Reader({ l1, inbox: INBOX, portal: INBOX, systemConfig: INBOX, crypto })
    const contents = await reader.read(receipt.blockNumber)
    const hashes = contents?.transactions.flatMap(({ blobHashes = [] }) => blobHashes) ?? []
    return { blobs: hashes.length, provenBy: provenBy ?? 'nothing', isWrongRefused }
  } finally {
    await kzg.close()
    child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
}

async function run({ isQuick, say }: ClaimOptions): Promise<Finding> {
  const parts = openParts('vectors-blobs', ['packages/rollup/src/Kzg.ts', 'claims/vectors/blobs.ts'])
  const folder = vectorsFolder(FOLDER)
  const files = folder === undefined ? [] : filesOf(folder, `{${SUITES.join(',')}}/**/data.yaml`)
  if (folder === undefined || files.length === 0) return absent(FOLDER, FROM)
  const digest = digestOf(folder, files)
  const failures = digest === DIGEST ? [] : [`${FOLDER} holds unknown vectors: ${digest}`]
  const cases = files.map((file) => ({ file, ...readCase(folder, file) }))

  const rows: (string | number)[][] = [['suite', 'by', 'right', 'of', 'seconds each']]
  let passed = 0
  let asked = 0
  const native = nativeKzg()
  if (native === undefined) failures.push('npm has no native library for this platform')
  for (const [by, kzg] of [
    ['native library', native],
    ['our own', plainKzg()],
  ] as const) {
    for (const suite of SUITES) {
      const own = cases.filter((one) => one.suite === suite)
      // up to a minute each in JavaScript
      const isLong = by === 'our own' && suite === 'compute_cells_and_kzg_proofs'
      const taken = isQuick && isLong ? own.filter(({ expected }) => expected === undefined) : own
      const begun = performance.now()
      let right = 0
      for (const one of taken) {
        const find = async () => kzg !== undefined && isRight(kzg, one)
        if (isLong ? await parts.once(one.file, find) : await find()) right++
        else failures.push(`${by} differs at ${one.file}`)
      }
      passed += right
      asked += taken.length
      const seconds = (performance.now() - begun) / 1000 / taken.length
      rows.push([suite, by, right, taken.length, isLong ? 'up to a minute' : seconds.toFixed(2)])
      say(rows.at(-1)!.join(' · '))
    }
  }

  const report = [`Vectors from ${FROM}. Cases with bytes that are no blob must be refused.`, table(rows)]
  const programs = findPrograms(['op-geth'])
  if ('absent' in programs) {
    const { failures: missing, report: why } = nothingRun(programs)
    failures.push(...missing)
    report.push(why)
  } else {
    const { blobs, provenBy, isWrongRefused } = await throughEthereum(programs['op-geth'])
    if (provenBy !== 'cells') failures.push(`geth at Osaka was sent blobs proven by ${provenBy}`)
    if (blobs !== 2) failures.push(`${blobs} of 2 blobs stood in the block of geth`)
    if (!isWrongRefused) failures.push('geth took cells with the proofs of others')
    report.push(
      `A transaction with two blobs, sent as the batcher sends it to geth's development chain with Osaka's rules: proven by ${provenBy}, ${blobs} blobs in the block, whose transactions hash to its root; with the proofs in another order it was ${isWrongRefused ? 'refused' : 'taken'}. ${describeProgram('op-geth', programs['op-geth'])}.`,
    )
  }
  parts.forget()
  return {
    figure: passed,
    unit: `of ${asked} cases right`,
    goal: asked,
    sense: 'at least',
    failures,
    report: report.join('\n\n'),
  }
}

export const claim: Claim = {
  says: 'Blobs are committed to, proven by EIP-4844 and by the cells of EIP-7594, and sent as the L1 of today takes them.',
  run,
}
