import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { findAnvil, freePort } from '@openledger/node/l1/Anvil'
import { bytesToHex } from '@openledger/rollup'
import type { Claim, ClaimOptions, Finding } from '../Claim.ts'
import { table } from '../Claim.ts'
import { openParts } from '../Parts.ts'
import { BLOCK_TRANSACTIONS, CHAIN_ID, genesisOf, loadOf, SENDERS } from './ChainLoad.ts'

const IN_PROCESS_GOAL = 6000
const STOCK_RATIO_GOAL = 10
const PROCESS = join(import.meta.dirname, 'ChainProcess.ts')
const HTTP_BATCH = 250
/** A row found with other code is found again. */
const MEASURED = ['packages/{rollup,node}/src/**/*.ts', 'claims/bench/{Chain*,StockProcess,chain}.ts']

type Measured = {
  readonly perSecond: number
  readonly megagas: number
  readonly seconds: number
  readonly cpuSeconds: number
  readonly threadSeconds: number
  readonly megabytes: number
  /** `build` only. */
  readonly atRest?: number
  readonly reopenSeconds?: number
}

/** Runs one measurement in a process of its own. */
async function measure(...words: readonly (string | number)[]): Promise<Measured> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--no-warnings', '--max-old-space-size=8192', PROCESS, ...words.map(String)],
    { maxBuffer: 2 ** 24 },
  )
  return JSON.parse(stdout) as Measured
}

/** Chains that a verifier derives: so many blocks, so many transactions in each. */
const SYNCS = [
  ['transfers', 1000, 10],
  ['transfers', 100, 200],
  ['erc20', 100, 100],
] as const

async function started(child: ChildProcess, isReady: (line: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (isReady(line)) resolve(line)
    })
    child.once('exit', (code) => reject(new Error(`the chain ended with ${code} before it was ready`)))
  })
}

async function post(url: string, body: string): Promise<unknown> {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return response.json()
}

const request = async (url: string, method: string, params: readonly unknown[]): Promise<unknown> => {
  const answer = (await post(url, JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))) as {
    result?: unknown
    error?: { message: string }
  }
  if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`)
  return answer.result
}

/**
 * Sends transactions in batches and has a block made for every 500 of them, the next ones arriving meanwhile; all
 * chains get the same bytes and the same blocks. @returns transactions a second, from the first request to the last block.
 */
async function throughRpc({ url, controlUrl }: Endpoint, raws: readonly Uint8Array[]) {
  const bodies: string[] = []
  for (let at = 0; at < raws.length; at += HTTP_BATCH) {
    bodies.push(
      JSON.stringify(
        raws.slice(at, at + HTTP_BATCH).map((raw, i) => ({
          jsonrpc: '2.0',
          id: i,
          method: 'eth_sendRawTransaction',
          params: [bytesToHex(raw)],
        })),
      ),
    )
  }
  const begun = performance.now()
  const perBlock = BLOCK_TRANSACTIONS / HTTP_BATCH
  let mined: Promise<unknown> = Promise.resolve()
  for (let at = 0; at < bodies.length; at += perBlock) {
    const answers = (await Promise.all(bodies.slice(at, at + perBlock).map((body) => post(url, body)))) as {
      error?: { message: string }
    }[][]
    const refused = answers.flat().find(({ error }) => error !== undefined)
    if (refused !== undefined) throw new Error(`a transaction was refused: ${refused.error!.message}`)
    await mined
    mined = request(controlUrl, 'evm_mine', [])
  }
  await mined
  const perSecond = raws.length / ((performance.now() - begun) / 1000)
  for (const raw of [raws[0]!, raws.at(-1)!]) {
    const hash = (await request(url, 'eth_getTransactionByHash', [await hashOf(raw)])) as {
      blockNumber: string | null
    } | null
    if (hash?.blockNumber == null) throw new Error('a transaction is in no block')
  }
  return perSecond
}

async function hashOf(raw: Uint8Array): Promise<string> {
  const { keccak256 } = await import('viem')
  return keccak256(raw)
}

/** Where transactions go, and where blocks are asked for. */
type Endpoint = { readonly url: string; readonly controlUrl: string }

/** Runs one of our processes that serves a chain. */
async function served(script: string, words: readonly string[], accounts: number, counts: Counts) {
  const child = spawn(
    process.execPath,
    ['--no-warnings', '--max-old-space-size=8192', join(import.meta.dirname, script), ...words],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  try {
    const at = JSON.parse(await started(child, (line) => line.startsWith('{'))) as Endpoint
    const memory = () => request(at.controlUrl, 'bench_memory', []) as Promise<number>
    return await bothKinds(at, accounts, counts, memory)
  } finally {
    child.kill('SIGTERM')
  }
}

const ourRpc = (accounts: number, counts: Counts) =>
  served('ChainProcess.ts', ['serve', `${accounts}`], accounts, counts)

/** EthereumJS's stock builder. */
const stockRpc = (accounts: number, counts: Counts) =>
  served('StockProcess.ts', [`${accounts}`], accounts, counts)

async function anvilRpc(accounts: number, counts: Counts) {
  const directory = mkdtempSync(join(tmpdir(), 'openledger-anvil-'))
  const [path, port] = [join(directory, 'genesis.json'), await freePort()]
  writeFileSync(path, JSON.stringify({ ...(await genesisOf(accounts)), config: { chainId: CHAIN_ID } }))
  const child = spawn(
    findAnvil(),
    `--init ${path} --port ${port} --chain-id ${CHAIN_ID} --no-mining --accounts 0 --hardfork prague --gas-limit 1000000000 --order fifo`.split(
      ' ',
    ),
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  try {
    await started(child, (line) => line.startsWith('Listening on'))
    const url = `http://127.0.0.1:${port}`
    const at = { url, controlUrl: url }
    return await bothKinds(at, accounts, counts, async () => residentMegabytes(child.pid!))
  } finally {
    child.kill()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Linux only; 0 elsewhere. */
function residentMegabytes(pid: number): number {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
    return Math.round((pages * 4096) / 2 ** 20)
  } catch {
    return 0
  }
}

/** Transfers of the measured round, half as many ERC-20 transfers, and transfers of a first one. */
type Counts = { readonly measured: number; readonly warm: number }

async function bothKinds(
  at: Endpoint,
  accounts: number,
  { measured, warm }: Counts,
  memory: () => Promise<number>,
) {
  // all are signed before the first is sent: signing keeps this process so long that servers close idle connections
  const [first, second, third] = [
    await loadOf('transfers', warm, accounts, 0),
    await loadOf('transfers', measured, accounts, warm / SENDERS),
    await loadOf('erc20', measured / 2, accounts, (warm + measured) / SENDERS),
  ]
  // a first round so that all have compiled and cached what they will
  await throughRpc(at, first)
  const transfers = await throughRpc(at, second)
  const erc20 = await throughRpc(at, third)
  return { transfers, erc20, megabytes: await memory() }
}

const whole = (value: number): string => value.toFixed(0)

async function run({ isQuick, say }: ClaimOptions): Promise<Finding> {
  const parts = openParts(isQuick ? 'bench-chain-quick' : 'bench-chain', MEASURED)
  const sizes = isQuick ? [10_000] : [10_000, 200_000, 1_000_000]
  const rpcSizes = isQuick ? [10_000] : [10_000, 200_000]
  const count = isQuick ? 6000 : 20_000
  const failures: string[] = []

  const growth: (string | number)[][] = [
    ['in process', 'accounts', 'per second of the busiest thread', 'Mgas', 'per second of the clock', 'MB'],
  ]
  const restarts: (string | number)[][] = [
    ['accounts', 'MB when opened', 'MB after the blocks', 'seconds of a restart'],
  ]
  const inProcess: number[] = []
  for (const accounts of sizes) {
    for (const [mode, kind] of [
      ['build', 'transfers'],
      ['build', 'erc20'],
      ['import', 'transfers'],
      ['import', 'erc20'],
    ] as const) {
      // how blocks are imported does not depend on what they come from
      if (accounts > sizes[0]! && mode === 'import') continue
      const amount = kind === 'erc20' ? count / 4 : count
      const found = await parts.once(`${mode} ${kind} ${accounts}`, () =>
        measure(mode, kind, accounts, amount),
      )
      // building and recovering run side by side, so the slower of the two sets the pace
      const busiest = Math.max(found.threadSeconds, found.cpuSeconds - found.threadSeconds)
      if (mode === 'build' && kind === 'transfers') inProcess.push(amount / busiest)
      const row = [
        `${mode} ${kind}`,
        accounts,
        whole(amount / busiest),
        whole((found.megagas * found.seconds) / busiest),
        whole(found.perSecond),
        found.megabytes,
      ]
      growth.push(row)
      if (mode === 'build' && kind === 'transfers') {
        restarts.push([accounts, found.atRest!, found.megabytes, found.reopenSeconds!.toFixed(1)])
      }
      say(row.join(' · '))
    }
  }
  const syncs: (string | number)[][] = [
    [
      'blocks',
      'in each',
      'blocks per second of the busiest thread',
      'Mgas',
      'blocks per second of the clock',
      'MB',
    ],
  ]
  for (const [kind, blocks, each] of SYNCS) {
    const length = isQuick ? blocks / 10 : blocks
    const found = await parts.once(`sync ${kind} ${blocks} ${each}`, () =>
      measure('sync', kind, length, each),
    )
    const busiest = Math.max(found.threadSeconds, found.cpuSeconds - found.threadSeconds)
    const megagas = (found.megagas * found.seconds) / busiest
    syncs.push([
      length,
      `${each} ${kind}`,
      whole(length / busiest),
      whole(megagas),
      whole(found.perSecond),
      found.megabytes,
    ])
    say(syncs.at(-1)!.join(' · '))
  }
  const rpc: (string | number)[][] = [['through JSON-RPC', 'accounts', 'transfers/s', 'ERC-20/s', 'MB']]
  for (const accounts of rpcSizes) {
    const counts = { measured: count, warm: 2_000 }
    const ours = await parts.once(`rpc ours ${accounts}`, () => ourRpc(accounts, counts))
    const theirs = await parts.once(`rpc anvil ${accounts}`, () => anvilRpc(accounts, counts))
    // it would take minutes for as many
    const few = isQuick ? { measured: 400, warm: 200 } : { measured: 1_000, warm: 1_000 }
    const stock = await parts.once(`rpc stock ${accounts}`, () => stockRpc(accounts, few))
    for (const [name, found] of [
      ['ours', ours],
      ['anvil', theirs],
      ['EthereumJS', stock],
    ] as const) {
      rpc.push([name, accounts, whole(found.transfers), whole(found.erc20), found.megabytes])
      say(rpc.at(-1)!.join(' · '))
    }
    for (const kind of ['transfers', 'erc20'] as const) {
      const ratio = ours[kind] / stock[kind]
      if (ratio >= STOCK_RATIO_GOAL) continue
      failures.push(`${ratio.toFixed(1)} times EthereumJS's ${kind}/s through RPC with ${accounts} accounts`)
    }
    for (const kind of ['transfers', 'erc20'] as const) {
      if (accounts < 200_000 || ours[kind] > theirs[kind]) continue
      failures.push(
        `${whole(ours[kind])} ${kind}/s through RPC with ${accounts} accounts, anvil ${whole(theirs[kind])}`,
      )
    }
  }

  parts.forget()

  return {
    figure: inProcess[0]!,
    unit: 'transfers/s of the busiest thread',
    goal: IN_PROCESS_GOAL,
    sense: 'at least',
    failures,
    report: [
      `${availableParallelism()} processors; blocks of ${BLOCK_TRANSACTIONS}, ${count} transfers, a quarter as many ERC-20 transfers (OpenZeppelin's). "build" takes them from the pool, where senders are recovered on other threads; "import" executes whole blocks. Every block has its roots and is on disk before the next. Rates in the third and fourth column are by the processor time of the busiest thread, which other programs on the machine hardly change; the fifth is by the clock.`,
      table(growth),
      'Memory while genesis is being made in the same process, and what opening the chain again takes; the state is paged in from disk as it is met:',
      table(restarts),
      `A verifier that begins with nothing derives and executes what L1 tells. L1 is in memory, so reading it costs nothing; batches are spans of up to 300 blocks in call data:`,
      table(syncs),
      'The same bytes in the same batches over HTTP, a block for every 500, from the first request to the last block:',
      table(rpc),
      `EthereumJS is its stock \`buildBlock\` over its Merkle state manager, which keeps everything in memory, behind the same server and in a process of its own like the others; it gets fewer transactions.`,
    ].join('\n\n'),
  }
}

export const claim: Claim = {
  says: 'The chain takes in, executes and stores transfers faster than the stock builder of its EVM library by ten times, and than anvil once there is state.',
  run,
}
