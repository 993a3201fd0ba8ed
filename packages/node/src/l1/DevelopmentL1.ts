import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { BaseError } from '@openledger/primitives'
import { DevelopmentKeys } from '@openledger/protocol'
import type { Hex, PublicClient } from 'viem'
import { z } from 'zod'
import * as DurableFile from '../node/DurableFile.ts'
import { type Logger, silentLogger } from '../node/Logger.ts'
import { freePort, isRunning, spawnAnvil } from './Anvil.ts'
import { createL1Client, type L1 } from './L1.ts'

export type DevelopmentL1Options = {
  /** Holds the chain's state, the process id and the log. */
  readonly directory: string
  /** 0 takes the port of the last run in this directory, or any free one. */
  readonly port?: number
  readonly chainId?: number
  readonly blockTimeSeconds?: number
  /** How many keys of the development phrase start with 10,000 ETH. */
  readonly accounts?: number
  readonly logger?: Logger
}

export type DevelopmentL1 = L1 & {
  readonly pid: number
  readonly genesisHash: Hex
  /** True when the chain was already running and was taken over as it was. */
  readonly adopted: boolean
}

/** A start takes well under a second; loading a long chain takes several. */
const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 10_000
/** Dumping may take at most one part in this many of the time: a long chain is dumped less often. */
const DUMP_DUTY = 20
/** States of more blocks than this would take more memory than the chain itself, and nobody asks for them. */
const STATES_KEPT = 16

const recordSchema = z.object({
  port: z.number().int(),
  chainId: z.number().int(),
  /** Absent until the chain answered for the first time. */
  genesis: z
    .object({ hash: z.string().transform((value) => value as Hex), timestamp: z.number().int() })
    .optional(),
})
type ChainRecord = z.infer<typeof recordSchema>

/**
 * Runs anvil as the development L1, so that the chain survives the server, and the server the chain.
 *
 * anvil runs in a process group of its own: a killed server leaves it running, and the next start in the same directory
 * takes it over. It makes no block by itself: this supervisor asks for each one and then writes the whole chain to disk,
 * so a dump never meets a half-made block. `durableBlockNumber` is the last block in a dump that is on disk.
 * If anvil dies, it is started again from the last dump.
 *
 * @throws {L1PortTakenError} when something else listens on the port.
 * @throws {L1StartError} when anvil does not come up.
 */
export async function createDevelopmentL1(options: DevelopmentL1Options): Promise<DevelopmentL1> {
  const { directory, chainId = 31_337, blockTimeSeconds = 2, logger = silentLogger } = options
  const accounts = options.accounts ?? DevelopmentKeys.ACCOUNT_COUNT
  mkdirSync(directory, { recursive: true })
  const paths = {
    record: join(directory, 'l1.json'),
    pid: join(directory, 'l1.pid'),
    state: join(directory, 'l1-state.json.gz'),
    loaded: join(directory, 'l1-state.loaded.json'),
    log: join(directory, 'l1.log'),
  }
  const stored = DurableFile.readJson(paths.record)
  const previous = stored === undefined ? undefined : recordSchema.parse(stored)
  if (previous !== undefined && previous.chainId !== chainId) {
    throw new L1DirectoryMismatchError(directory, chainId, previous.chainId)
  }
  const port = options.port || previous?.port || (await freePort())
  const rpcUrl = `http://127.0.0.1:${port}`
  const client = createL1Client(rpcUrl)

  const record = (content: ChainRecord): void => DurableFile.writeJson(paths.record, content)
  const running = await findRunning({ pidPath: paths.pid, previous, port, client })
  const adopted = running !== undefined
  let pid = running ?? (await start())
  const { hash: genesisHash, timestamp } = await client.getBlock({ blockNumber: 0n })
  record({ port, chainId, genesis: { hash: genesisHash, timestamp: Number(timestamp) } })
  logger.info({ pid, port, adopted, genesisHash }, 'development L1 runs')

  let durable = 0n
  let dumpMs = 0
  let dumpedAt = 0
  let stopping = false
  let wake: () => void = () => {}
  // mining, dumping and restarting never overlap: each waits for the one before
  let queue: Promise<unknown> = Promise.resolve()
  const exclusively = <T>(work: () => Promise<T>): Promise<T> => {
    const result = queue.then(work)
    queue = result.catch(() => {})
    return result
  }

  async function start(): Promise<number> {
    if (await answers(client)) throw new L1PortTakenError(port)
    rmSync(paths.pid, { force: true })
    const dumped = DurableFile.read(paths.state)
    const known = DurableFile.readJson(paths.record)
    const genesis = known === undefined ? undefined : recordSchema.parse(known).genesis
    // a chain that was never dumped begins anew
    record({ port, chainId, ...(dumped === undefined || genesis === undefined ? {} : { genesis }) })
    if (dumped !== undefined) {
      DurableFile.write(paths.loaded, withOneGenesis(await promisify(gunzip)(dumped), genesis?.timestamp))
    }
    spawnAnvil({
      pidPath: paths.pid,
      logPath: paths.log,
      args: [
        ['--quiet', '--host', '127.0.0.1', '--port', String(port), '--chain-id', String(chainId)],
        ['--accounts', String(accounts), '--mnemonic', DevelopmentKeys.MNEMONIC],
        ['--no-mining', '--hardfork', 'prague', '--slots-in-an-epoch', '1'],
        ['--prune-history', String(STATES_KEPT), '--no-request-size-limit'],
        dumped === undefined ? [] : ['--load-state', paths.loaded],
      ].flat(),
    })
    const deadline = performance.now() + START_TIMEOUT_MS
    while (performance.now() < deadline) {
      await delay(50)
      const child = readPid(paths.pid)
      if (child !== undefined && !isRunning(child)) break
      if (child !== undefined && (await answers(client))) {
        rmSync(paths.loaded, { force: true })
        const found = (await client.getBlock({ blockNumber: 0n })).hash
        if (dumped !== undefined && genesis !== undefined && found !== genesis.hash) {
          throw new L1StateMismatchError(paths.state, genesis.hash, found)
        }
        return child
      }
    }
    throw new L1StartError(paths.log)
  }

  async function dump(): Promise<void> {
    const startedAt = performance.now()
    const number = await client.getBlockNumber({ cacheTime: 0 })
    const response = await fetch(rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"jsonrpc":"2.0","id":1,"method":"anvil_dumpState","params":[]}',
    })
    const answer = (await response.json()) as { readonly result?: string; readonly error?: unknown }
    if (answer.result === undefined) throw new L1DumpError(answer.error)
    DurableFile.write(paths.state, Buffer.from(answer.result.slice(2), 'hex'))
    durable = number
    dumpedAt = performance.now()
    dumpMs = dumpedAt - startedAt
  }

  const mineOne = async (): Promise<void> => {
    await client.request({ method: 'evm_mine', params: [] } as never)
  }

  async function tick(): Promise<void> {
    if (!isRunning(pid)) {
      logger.warn({ pid, durable: durable.toString() }, 'development L1 died; starting it from the last dump')
      pid = await start()
    }
    await mineOne()
    if (performance.now() - dumpedAt >= DUMP_DUTY * dumpMs) await dump()
  }

  async function run(): Promise<void> {
    let next = performance.now()
    while (!stopping) {
      next = Math.max(next + 1000 * blockTimeSeconds, performance.now())
      await new Promise<void>((resolve) => {
        wake = resolve
        setTimeout(resolve, Math.max(0, next - performance.now()))
      })
      if (stopping) return
      try {
        await exclusively(tick)
      } catch (error) {
        logger.warn({ reason: String(error) }, 'development L1 did not make a block')
      }
    }
  }

  let closed: Promise<void> | undefined
  async function stop(): Promise<void> {
    stopping = true
    wake()
    await loop
    await exclusively(async () => {
      if (isRunning(pid)) await dump()
      await terminate(pid)
      rmSync(paths.pid, { force: true })
    })
    logger.info({ pid, durable: durable.toString() }, 'development L1 stopped')
  }

  await exclusively(dump)
  const loop = run()
  const close = (): Promise<void> => {
    closed ??= stop()
    return closed
  }
  return {
    rpcUrl,
    chainId,
    client,
    get pid() {
      return pid
    },
    genesisHash,
    adopted,
    durableBlockNumber: async () => durable,
    nextBlock: () =>
      exclusively(async () => {
        await mineOne()
        await dump()
      }),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/**
 * Stops the development L1 that a killed server left behind in `directory`, losing what was not yet on disk.
 * @returns whether one was running.
 */
export async function stopDevelopmentL1(directory: string): Promise<boolean> {
  const pidPath = join(directory, 'l1.pid')
  const pid = readPid(pidPath)
  const stored = DurableFile.readJson(join(directory, 'l1.json'))
  if (pid === undefined || stored === undefined || !isRunning(pid)) return false
  const { port, chainId } = recordSchema.parse(stored)
  const client = createL1Client(`http://127.0.0.1:${port}`)
  if ((await client.getChainId().catch(() => undefined)) !== chainId) return false
  await terminate(pid)
  rmSync(pidPath, { force: true })
  return true
}

/**
 * Makes every block 0 in a dump the recorded one. anvil makes a genesis at every start and keeps it beside the one that
 * it loads, so that the next dump has two, and the next load takes either.
 *
 * Works on the bytes, because the dump of a chain of a week is longer than a string may be.
 */
function withOneGenesis(state: Buffer, timestamp: number | undefined): Buffer {
  const found: { readonly start: number; readonly end: number; readonly isRecorded: boolean }[] = []
  for (let at = state.indexOf(GENESIS_NUMBER); at >= 0; at = state.indexOf(GENESIS_NUMBER, at + 1)) {
    const start = state.lastIndexOf(BLOCK_START, at)
    // the dump's head may be block 0 too, and is not in a block
    if (start < 0) continue
    const end = endOfObject(state, start)
    const { header } = JSON.parse(state.subarray(start, end).toString('utf8')) as {
      readonly header: { readonly timestamp: string }
    }
    found.push({ start, end, isRecorded: Number(header.timestamp) === timestamp })
  }
  const recorded = found.find(({ isRecorded }) => isRecorded)
  if (recorded === undefined || found.length === 1) return state
  const genesis = state.subarray(recorded.start, recorded.end)
  const parts: Buffer[] = []
  let from = 0
  for (const { start, end } of found) {
    parts.push(state.subarray(from, start), genesis)
    from = end
  }
  return Buffer.concat([...parts, state.subarray(from)])
}

const BLOCK_START = '{"header":'
const GENESIS_NUMBER = '"number":"0x0","gasLimit"'
const [OPEN_BRACE, CLOSE_BRACE] = Buffer.from('{}') as unknown as readonly [number, number]

/** The index after the object that begins at `start`; no string of a dump holds a brace. */
function endOfObject(bytes: Buffer, start: number): number {
  let depth = 0
  for (let at = start; at < bytes.length; at++) {
    if (bytes[at] === OPEN_BRACE) depth++
    else if (bytes[at] === CLOSE_BRACE && --depth === 0) return at + 1
  }
  return bytes.length
}

async function findRunning({
  pidPath,
  previous,
  port,
  client,
}: {
  readonly pidPath: string
  readonly previous: ChainRecord | undefined
  readonly port: number
  readonly client: PublicClient
}): Promise<number | undefined> {
  const pid = readPid(pidPath)
  if (previous === undefined || pid === undefined || !isRunning(pid)) return undefined
  if (previous.port !== port) {
    throw new L1StillRunningError(pid, previous.port, port)
  }
  // a server killed while anvil was starting leaves one that does not answer yet
  const deadline = performance.now() + START_TIMEOUT_MS
  while (performance.now() < deadline && isRunning(pid)) {
    try {
      const genesis = await client.getBlock({ blockNumber: 0n })
      if (previous.genesis === undefined || genesis.hash === previous.genesis.hash) return pid
      throw new L1PortTakenError(port)
    } catch (error) {
      if (error instanceof L1PortTakenError) throw error
      await delay(100)
    }
  }
  return undefined
}

function readPid(path: string): number | undefined {
  const bytes = DurableFile.read(path)
  const pid = bytes === undefined ? Number.NaN : Number.parseInt(Buffer.from(bytes).toString('utf8'), 10)
  return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined
}

const answers = (client: PublicClient): Promise<boolean> =>
  client.request({ method: 'eth_chainId' }, { retryCount: 0 }).then(
    () => true,
    () => false,
  )

async function terminate(pid: number): Promise<void> {
  const deadline = performance.now() + STOP_TIMEOUT_MS
  if (isRunning(pid)) process.kill(pid, 'SIGTERM')
  while (isRunning(pid)) {
    if (performance.now() > deadline) process.kill(pid, 'SIGKILL')
    await delay(20)
  }
}

export class L1PortTakenError extends BaseError {
  constructor(port: number) {
    super({
      code: 'l1.port_taken',
      message: `Expected port ${port} to be free or to hold the development L1 of this directory, found another server: stop it or choose another port.`,
      context: { port },
    })
  }
}

export class L1StillRunningError extends BaseError {
  constructor(pid: number, runningPort: number, port: number) {
    super({
      code: 'l1.still_running',
      message: `Expected to start the development L1 on port ${port}, but this directory's L1 (process ${pid}) still runs on port ${runningPort}: use that port, or stop it first.`,
      context: { pid, runningPort, port },
    })
  }
}

export class L1DirectoryMismatchError extends BaseError {
  constructor(directory: string, expected: number, actual: number) {
    super({
      code: 'l1.directory_mismatch',
      message: `Expected a development L1 with chain id ${expected}, but the directory holds chain ${actual}: use another directory.`,
      context: { directory, expected, actual },
    })
  }
}

export class L1StateMismatchError extends BaseError {
  constructor(statePath: string, expected: string, actual: string) {
    super({
      code: 'l1.state_mismatch',
      message: `Expected the dump ${statePath} to hold the chain with genesis ${expected}, it holds ${actual}: restore the directory from a backup, or use another.`,
      context: { statePath, expected, actual },
    })
  }
}

export class L1StartError extends BaseError {
  constructor(logPath: string) {
    super({
      code: 'l1.start_failed',
      message: `Expected anvil to answer within ${START_TIMEOUT_MS / 1000} s, it did not: see ${logPath}.`,
      context: { logPath },
    })
  }
}

export class L1DumpError extends BaseError {
  constructor(answer: unknown) {
    super({
      code: 'l1.dump_failed',
      message:
        'Expected the state of the development L1, got an error: its blocks since the last dump are not safe yet.',
      context: { answer: JSON.stringify(answer ?? null).slice(0, 300) },
      severity: 'retry',
    })
  }
}
