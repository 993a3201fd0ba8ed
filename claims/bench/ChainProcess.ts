import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEmbeddedEngine } from '@openledger/node/engine/EmbeddedEngine'
import type { Genesis } from '@openledger/node/engine/Engine'
import { silentLogger } from '@openledger/node/node/Logger'
import { createRpcServer } from '@openledger/node/rpc/createRpcServer'
import { createRpcThread } from '@openledger/node/rpc/createRpcThread'
import { attributesAt, BLOCK_TRANSACTIONS, genesisOf, type LoadKind, loadOf } from './ChainLoad.ts'
import { deriveInto, tellChain } from './ChainSync.ts'

/**
 * One chain in a process of its own, so that memory and time are its own: `serve ACCOUNTS` answers JSON-RPC until it is
 * killed; `build KIND ACCOUNTS COUNT`, `import ...` and `sync KIND BLOCKS TRANSACTIONS_EACH` measure without a network and
 * print what they found.
 */
const [mode, ...words] = process.argv.slice(2)
const POOL_LIMITS = {
  transactionsMax: 100_000,
  perSenderMax: 10_000,
  transactionBytesMax: 131_072,
  lifetimeMs: 3_600_000,
}
const SYNC_ACCOUNTS = 10_000
const directories: string[] = []
const print = (value: unknown): void => console.log(JSON.stringify(value))
/** Seconds of processor time so far: of all threads, and of this one, which is the one that builds blocks. */
type CpuTimes = { readonly process: number; readonly thread: number }
const cpuNow = (): CpuTimes => {
  const seconds = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1e6
  return { process: seconds(process.cpuUsage()), thread: seconds(process.threadCpuUsage()) }
}
const megabytes = (): number => Math.round(process.memoryUsage().rss / 2 ** 20)
process.on('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

async function open(accounts: number, known?: Genesis) {
  const directory = mkdtempSync(join(tmpdir(), 'openledger-bench-'))
  directories.push(directory)
  const genesis = known ?? (await genesisOf(accounts))
  const options = { directory, genesis, poolLimits: POOL_LIMITS, buildTimeMaxMs: 60_000 }
  return { options, engine: await createEmbeddedEngine(options) }
}

async function serve(accounts: number): Promise<void> {
  const { engine, options } = await open(accounts)
  const { directory, genesis } = options
  const server = await createRpcThread({
    engine,
    directory,
    genesis,
    port: 0,
    readThreads: 1,
    logger: silentLogger,
  })
  // blocks are asked for where the sequencer would have them made
  const control = await createRpcServer({
    port: 0,
    logger: silentLogger,
    methods: {
      evm_mine: async () => {
        const { number } = await engine.build(attributesAt(engine.head().timestamp + 1n))
        return `0x${number.toString(16)}`
      },
      bench_memory: () => megabytes(),
    },
  })
  print({ url: server.url, controlUrl: control.url })
  process.on('SIGTERM', () => process.exit(0))
}

/** What the sequencer does: transactions become durable blocks while the next ones arrive and wait in the pool. */
async function build(kind: LoadKind, accounts: number, count: number): Promise<void> {
  const { engine, options } = await open(accounts)
  const raws = await loadOf(kind, count, accounts)
  const atRest = megabytes()
  const cpu = cpuNow()
  const started = performance.now()
  let gas = 0n
  const arrive = (at: number): Promise<unknown> =>
    Promise.all(raws.slice(at, at + BLOCK_TRANSACTIONS).map((raw) => engine.submit(raw)))
  let arriving = arrive(0)
  for (let at = BLOCK_TRANSACTIONS; at <= raws.length; at += BLOCK_TRANSACTIONS) {
    await arriving
    arriving = arrive(at)
    gas += (await engine.build(attributesAt(engine.head().timestamp + 1n))).gasUsed
  }
  const left = engine.pending().transactions().length
  if (left > 0) throw new Error(`expected every transaction in a block, ${left} wait in the pool`)
  const atWork = megabytes()
  const found = figures(count, gas, started, cpu)
  // a restart, with what the blocks left on disk
  const { hash } = engine.head()
  await engine.close()
  const begun = process.threadCpuUsage()
  const again = await createEmbeddedEngine(options)
  const { user, system } = process.threadCpuUsage(begun)
  if (again.head().hash !== hash) throw new Error(`expected the head ${hash}, got ${again.head().hash}`)
  print({ ...found, atRest, megabytes: atWork, reopenSeconds: (user + system) / 1e6 })
  await again.close()
  process.exit(0)
}

/** What a replica does: blocks arrive whole and are executed again. */
async function importBlocks(kind: LoadKind, accounts: number, count: number): Promise<void> {
  const { engine } = await open(accounts)
  const raws = await loadOf(kind, count, accounts)
  const cpu = cpuNow()
  const started = performance.now()
  let gas = 0n
  for (let at = 0; at < raws.length; at += BLOCK_TRANSACTIONS) {
    const transactions = raws.slice(at, at + BLOCK_TRANSACTIONS)
    const attributes = {
      ...attributesAt(engine.head().timestamp + 1n),
      transactions,
      noTxPool: true,
    }
    gas += (await engine.build(attributes)).gasUsed
  }
  print(figures(count, gas, started, cpu))
  await engine.close()
  process.exit(0)
}

/** What a verifier does: an empty engine, and an L1 that tells everything. The L1 is in memory and costs nothing. */
async function sync(kind: LoadKind, blocks: number, perBlock: number): Promise<void> {
  const raws = await loadOf(kind, blocks * perBlock, SYNC_ACCOUNTS)
  const { engine: sequencer, options } = await open(SYNC_ACCOUNTS)
  const told = await tellChain(
    sequencer,
    Array.from({ length: blocks }, (_, i) => raws.slice(i * perBlock, (i + 1) * perBlock)),
  )
  await sequencer.close()
  const { engine } = await open(SYNC_ACCOUNTS, options.genesis)
  const cpu = cpuNow()
  const started = performance.now()
  await deriveInto(engine, told)
  print(figures(blocks, told.gas, started, cpu))
  await engine.close()
  process.exit(0)
}

function figures(count: number, gas: bigint, started: number, cpu: CpuTimes) {
  const seconds = (performance.now() - started) / 1000
  const now = cpuNow()
  return {
    perSecond: count / seconds,
    megagas: Number(gas) / 1e6 / seconds,
    seconds,
    cpuSeconds: now.process - cpu.process,
    threadSeconds: now.thread - cpu.thread,
    megabytes: megabytes(),
  }
}

const [first, second, third] = words
if (mode === 'serve') await serve(Number(first))
else if (mode === 'build') await build(first as LoadKind, Number(second), Number(third))
else if (mode === 'import') await importBlocks(first as LoadKind, Number(second), Number(third))
else if (mode === 'sync') await sync(first as LoadKind, Number(second), Number(third))
