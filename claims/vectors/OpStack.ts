import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { exportChain } from '@openledger/node/deployment/exportChain'
import { freePort } from '@openledger/node/l1/Anvil'

/** Aborted when the run is told to stop, so that everything it started is stopped as well. */
const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => interruption.abort(new Error(`Stopped by ${signal}.`)))
}
/** @throws when the run was told to stop. */
export const goOn = (): void => interruption.signal.throwIfAborted()

/** The programs of others that these runs need, by the name of their file. */
export const PROGRAMS = ['op-node', 'op-geth', 'op-batcher'] as const
export type Program = (typeof PROGRAMS)[number]
export type Programs = Readonly<Record<Program, string>>

/** Finds programs in `$OPENLEDGER_VECTORS/bin` and on the path: all that are wanted, or the names of those that are not there. */
export function findPrograms<P extends Program>(
  wanted: readonly P[],
): Readonly<Record<P, string>> | { readonly absent: readonly P[] } {
  const vectors = process.env['OPENLEDGER_VECTORS']
  const folders = [
    ...(vectors === undefined ? [] : [join(vectors, 'bin')]),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ]
  const found: Partial<Record<P, string>> = {}
  for (const name of wanted) {
    const path = folders.map((folder) => join(folder, name)).find(existsSync)
    if (path !== undefined) found[name] = path
  }
  const absent = wanted.filter((name) => found[name] === undefined)
  return absent.length === 0 ? (found as Record<P, string>) : { absent }
}

/** What a run finds where programs are absent. */
export const nothingRun = ({ absent }: { readonly absent: readonly Program[] }) => ({
  failures: [`not here: ${absent.join(', ')}; nothing was run`],
  report:
    'The programs are looked for in `$OPENLEDGER_VECTORS/bin` and on the path. Without them nothing is shown.',
})

/** Names a program by what it says of itself and by its bytes. */
export function describeProgram(name: Program, path: string): string {
  const said = execFileSync(path, ['--version'], { encoding: 'utf8' })
    .split('\n')[0]!
    .split('\0')
    .join('')
    .trim()
  const digest = createHash('sha256').update(readFileSync(path)).digest('hex')
  return `${name}: ${said.slice(0, 80)}, sha256 ${digest.slice(0, 16)}`
}

/** The files of a chain as other clients read them, and the folder of their processes. */
export type Files = {
  readonly folder: string
  readonly genesis: string
  readonly rollup: string
  readonly l1: string
}

/** Exports a node's chain into files. */
export async function exportFiles(directory: string, folder: string): Promise<Files> {
  const { genesis, rollup, l1ChainConfig } = await exportChain(directory)
  const put = (name: string, value: unknown): string => {
    const path = join(folder, name)
    writeFileSync(path, JSON.stringify(value))
    return path
  }
  return {
    folder,
    genesis: put('genesis.json', genesis),
    rollup: put('rollup.json', rollup),
    l1: put('l1.json', l1ChainConfig),
  }
}

export type Running = { readonly name: string; readonly log: string; readonly stop: () => Promise<void> }

function run(name: string, path: string, args: readonly string[], files: Files): Running {
  const log = join(files.folder, `${name}.log`)
  const output = openSync(log, 'a')
  const child: ChildProcess = spawn(path, args, { stdio: ['ignore', output, output] })
  closeSync(output)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    name,
    log,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      const isLate = await Promise.race([ended.then(() => false), delay(10_000, true)])
      if (isLate) child.kill('SIGKILL')
      await ended
    },
  }
}

export type Execution = Running & { readonly engineUrl: string; readonly rpcUrl: string }

/** Initialises op-geth from the exported genesis and starts it, alone on loopback. */
export async function startGeth(
  programs: Pick<Programs, 'op-geth'>,
  files: Files,
  jwtPath: string,
  name: string,
): Promise<Execution> {
  const data = join(files.folder, name)
  execFileSync(programs['op-geth'], ['init', '--datadir', data, '--state.scheme=hash', files.genesis], {
    stdio: 'ignore',
  })
  const [engine, rpc, peers] = [await freePort(), await freePort(), await freePort()]
  const running = run(
    name,
    programs['op-geth'],
    [
      ...['--datadir', data, '--state.scheme=hash', '--gcmode=archive', '--syncmode=full', '--ipcdisable'],
      ...['--nodiscover', '--maxpeers=0', '--nat=none', '--netrestrict=127.0.0.1/32', `--port=${peers}`],
      ...['--authrpc.addr=127.0.0.1', `--authrpc.port=${engine}`, `--authrpc.jwtsecret=${jwtPath}`],
      ...['--http', '--http.addr=127.0.0.1', `--http.port=${rpc}`, '--http.api=eth,net,web3,debug'],
      '--rollup.disabletxpoolgossip',
    ],
    files,
  )
  const rpcUrl = `http://127.0.0.1:${rpc}`
  await until(`${name} to answer`, 60_000, () => request(rpcUrl, 'eth_chainId', []))
  return { ...running, rpcUrl, engineUrl: `http://127.0.0.1:${engine}` }
}

export type RollupNode = Running & { readonly rpcUrl: string }

/** Starts op-node over an engine, as a follower or as the sequencer. */
export async function startOpNode(
  programs: Programs,
  files: Files,
  options: {
    readonly name: string
    readonly l1Url: string
    readonly engineUrl: string
    readonly jwtPath: string
    readonly isSequencer?: boolean
  },
): Promise<RollupNode> {
  const port = await freePort()
  const running = run(
    options.name,
    programs['op-node'],
    [
      ...['--l1', options.l1Url, '--l1.rpckind', 'standard', '--l1.beacon.ignore'],
      ...['--l1.http-poll-interval', '500ms', '--l1.epoch-poll-interval', '2s'],
      ...['--l2', options.engineUrl, '--l2.jwt-secret', options.jwtPath],
      ...['--rollup.config', files.rollup, '--rollup.l1-chain-config', files.l1],
      ...['--rpc.addr', '127.0.0.1', '--rpc.port', String(port), '--p2p.disable'],
      ...['--syncmode', 'consensus-layer', '--verifier.l1-confs', '0', '--metrics.enabled=false'],
      ...(options.isSequencer === true
        ? ['--sequencer.enabled', '--sequencer.l1-confs', '0', '--rpc.enable-admin']
        : []),
    ],
    files,
  )
  const rpcUrl = `http://127.0.0.1:${port}`
  await until(`${options.name} to answer`, 60_000, () => request(rpcUrl, 'optimism_rollupConfig', []))
  return { ...running, rpcUrl }
}

/** Starts op-batcher with span batches in call data. */
export async function startOpBatcher(
  programs: Programs,
  files: Files,
  options: {
    readonly l1Url: string
    readonly l2Url: string
    readonly rollupUrl: string
    readonly privateKey: string
  },
): Promise<Running> {
  const port = await freePort()
  return run(
    'op-batcher',
    programs['op-batcher'],
    [
      ...['--l1-eth-rpc', options.l1Url, '--l2-eth-rpc', options.l2Url, '--rollup-rpc', options.rollupUrl],
      ...['--private-key', options.privateKey, '--batch-type', '1', '--data-availability-type', 'calldata'],
      ...['--max-channel-duration', '3', '--sub-safety-margin', '4', '--poll-interval', '500ms'],
      ...['--num-confirmations', '1', '--txmgr.receipt-query-interval', '500ms'],
      ...['--throttle.unsafe-da-bytes-lower-threshold', '0'],
      ...['--rpc.addr', '127.0.0.1', '--rpc.port', String(port)],
    ],
    files,
  )
}

/** Asks a JSON-RPC endpoint. */
export async function request<T>(url: string, method: string, params: readonly unknown[]): Promise<T> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: AbortSignal.timeout(10_000),
  })
  const { result, error } = (await response.json()) as { result: T; error?: { message: string } }
  if (error !== undefined) throw new Error(`${method}: ${error.message}`)
  return result
}

/** Waits until `ask` answers neither with an error nor `undefined`. */
export async function until<T>(
  what: string,
  timeoutMs: number,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const startedAt = performance.now()
  let last: unknown
  for (;;) {
    goOn()
    try {
      const answer = await ask()
      if (answer !== undefined) return answer
    } catch (error) {
      last = error
    }
    if (performance.now() - startedAt > timeoutMs) {
      throw new Error(`Expected ${what} within ${timeoutMs / 1_000} s.`, { cause: last })
    }
    await delay(250)
  }
}

type SyncStatus = { readonly safe_l2: { readonly number: number } }
type Output = { readonly outputRoot: string; readonly blockRef: { readonly hash: string } }

/** Anyone who says what the chain is: how far it is safe, and the output at a height. */
export type Teller = {
  readonly name: string
  readonly safe: () => Promise<number>
  readonly outputAt: (number: number) => Promise<{ readonly outputRoot: string; readonly hash: string }>
}

/** Asks a rollup node, whoever wrote it. */
export const tellerAt = (name: string, url: string): Teller => ({
  name,
  safe: async () => (await request<SyncStatus>(url, 'optimism_syncStatus', [])).safe_l2.number,
  async outputAt(number) {
    const at = [`0x${number.toString(16)}`]
    const { outputRoot, blockRef } = await request<Output>(url, 'optimism_outputAtBlock', at)
    return { outputRoot, hash: blockRef.hash }
  },
})

/** Compares block hash and output root at every height. @returns the heights at which they differ. */
export async function differences(left: Teller, right: Teller, to: number): Promise<number[]> {
  const different: number[] = []
  for (let number = 0; number <= to; number++) {
    const [ours, theirs] = await Promise.all([left.outputAt(number), right.outputAt(number)])
    if (ours.outputRoot !== theirs.outputRoot || ours.hash !== theirs.hash) different.push(number)
  }
  return different
}
