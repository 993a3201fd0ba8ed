import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { createVerifierNode, rollupConfigSchema, type VerifierNode } from '@openledger/node'
import { freePort } from '@openledger/node/l1/Anvil'
import type { Deployment } from '@openledger/protocol'
import { createPublicClient, type Hex, http, type PublicClient } from 'viem'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'
import type { FastTime } from './FastClock.ts'
import { type FastL1, startFastL1 } from './FastL1.ts'
import { startLoad } from './MixedLoad.ts'

const QUICK_BLOCKS = 100
const FULL_BLOCKS = 2_000
/** Less than what is final, or nothing could be put right again. */
const REORG_DEPTH_MAX = 12
/** How much faster than the day L1 and L2 go. */
const RATE = 24
/** Between two disturbances. */
const PAUSES_MS = [4_000, 10_000] as const
const SETTLE_TIMEOUT_MS = 120_000
const STALL_MS = 180_000

type Sequencer = {
  readonly url: string
  readonly client: PublicClient
  readonly deployment: () => Deployment
  readonly start: () => Promise<void>
  readonly stop: (signal: 'SIGKILL' | 'SIGTERM') => Promise<void>
}

async function createSequencer(directory: string, l1: FastL1, time: FastTime): Promise<Sequencer> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  let child: ChildProcess | undefined
  let deployment: Deployment | undefined
  return {
    url,
    client: createPublicClient({ transport: http(url, { retryCount: 5, retryDelay: 500 }), cacheTime: 0 }),
    deployment: () => deployment!,
    async start() {
      const program = join(import.meta.dirname, 'SequencerProcess.ts')
      const started = spawn(
        process.execPath,
        [program, directory, l1.url, String(port), JSON.stringify(time)],
        {
          stdio: ['ignore', 'pipe', process.env['OPENLEDGER_SOAK_LOG'] === undefined ? 'ignore' : 'inherit'],
        },
      )
      child = started
      for await (const line of createInterface({ input: started.stdout! })) {
        deployment = (JSON.parse(line) as { deployment: Deployment }).deployment
        return
      }
      throw new Error('Expected the sequencer to start; its process ended.')
    },
    async stop(signal) {
      const stopped = child
      if (stopped === undefined || stopped.exitCode !== null) return
      const ended = new Promise((resolve) => stopped.once('exit', resolve))
      stopped.kill(signal)
      await ended
    },
  }
}

type Disturbance = { readonly name: string; readonly run: () => Promise<void> }

/** Runs the load and disturbs it until the chain has so many blocks. */
async function disturb(
  l1: FastL1,
  sequencer: Sequencer,
  goal: number,
  say: ClaimOptions['say'],
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  const restart = (signal: 'SIGKILL' | 'SIGTERM') => async (): Promise<void> => {
    await sequencer.stop(signal)
    await delay(randomInt(500))
    await sequencer.start()
  }
  const disturbances: readonly Disturbance[] = [
    { name: 'L1 reorganisations', run: () => l1.reorganise(randomInt(1, REORG_DEPTH_MAX + 1)) },
    { name: 'L1 reorganisations', run: () => l1.reorganise(randomInt(1, 4)) },
    { name: 'kill -9 of sequencer and batcher', run: restart('SIGKILL') },
    { name: 'restarts of sequencer and batcher', run: restart('SIGTERM') },
  ]
  let movedAt = Date.now()
  let highest = 0n
  for (let round = 0; ; round++) {
    await delay(randomInt(...PAUSES_MS))
    const { number } = await sequencer.client.getBlock({ blockTag: 'latest' })
    if (number >= BigInt(goal)) return counts
    if (number > highest) movedAt = Date.now()
    highest = number > highest ? number : highest
    if (Date.now() - movedAt > STALL_MS)
      throw new Error(`The L2 stands at block ${highest} since three minutes.`)
    const disturbance = disturbances[round < disturbances.length ? round : randomInt(disturbances.length)]!
    await disturbance.run()
    counts.set(disturbance.name, (counts.get(disturbance.name) ?? 0) + 1)
    say(`block ${number}: ${disturbance.name}`)
  }
}

const hashAt = async (client: PublicClient, blockNumber: bigint): Promise<Hex> =>
  (await client.getBlock({ blockNumber })).hash

/** Counts from block 0 on how many blocks are the sequencer's. */
async function compare(verifier: VerifierNode, sequencer: Sequencer, to: bigint): Promise<number> {
  for (let number = 0n; number <= to; number++) {
    if (verifier.engine.block(number)?.hash !== (await hashAt(sequencer.client, number)))
      return Number(number)
  }
  return Number(to) + 1
}

async function reach(verifier: VerifierNode, target: bigint, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (verifier.engine.safe().number < target && Date.now() < deadline) await delay(100)
}

async function run({ isQuick, say }: ClaimOptions): Promise<Finding> {
  const goal = isQuick ? QUICK_BLOCKS : FULL_BLOCKS
  const directory = mkdtempSync(join(tmpdir(), 'openledger-soak-verifier-'))
  const within = (name: string): string => join(directory, name)
  mkdirSync(within('l1'))
  const startedMs = Date.now()
  const time: FastTime = { startedMs, genesisSeconds: Math.floor(startedMs / 1_000), rate: RATE }
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(directory, { recursive: true, force: true }))
  // whoever ends the soak ends what it started
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void stack.disposeAsync().finally(() => process.exit(1)))
  }
  const l1 = await startFastL1(within('l1'), time)
  stack.use(l1)
  const sequencer = await createSequencer(within('sequencer'), l1, time)
  stack.defer(() => sequencer.stop('SIGKILL'))
  await sequencer.start()
  say('the sequencer runs; L1 and clock at twenty-four times the speed of the day')
  const startVerifier = (name: string): Promise<VerifierNode> =>
    createVerifierNode({
      directory: within(name),
      l1: { rpcUrl: l1.url },
      genesis: JSON.parse(readFileSync(within('sequencer/genesis.json'), 'utf8')),
      rollupConfig: rollupConfigSchema.parse(
        JSON.parse(readFileSync(within('sequencer/rollup.json'), 'utf8')),
      ),
    })
  const live = await startVerifier('live')
  stack.use(live)
  const load = startLoad(l1.url, sequencer.url, sequencer.deployment())
  let counts: ReadonlyMap<string, number>
  try {
    counts = await disturb(l1, sequencer, goal, say)
  } finally {
    await load.stop()
  }
  const target = (await sequencer.client.getBlock({ blockTag: 'latest' })).number
  say(`block ${target}: waiting until L1 tells it`)
  await reach(live, target, SETTLE_TIMEOUT_MS)

  const syncedFrom = performance.now()
  const fresh = await startVerifier('fresh')
  stack.use(fresh)
  await reach(fresh, target, SETTLE_TIMEOUT_MS)
  const syncSeconds = (performance.now() - syncedFrom) / 1_000
  const [freshEqual, liveEqual] = [
    await compare(fresh, sequencer, target),
    await compare(live, sequencer, target),
  ]
  const failures = [
    ...(freshEqual <= target ? [`the empty verifier differs at block ${freshEqual}`] : []),
    ...(liveEqual <= target ? [`the verifier that ran along differs at block ${liveEqual}`] : []),
    ...Object.values(fresh.problems()),
    ...Object.values(live.problems()),
  ]
  return {
    figure: Math.min(freshEqual, liveEqual),
    unit: 'blocks equal',
    goal,
    sense: 'at least',
    failures,
    report: table([
      ['what', 'count'],
      ['L2 blocks', Number(target) + 1],
      ['equal, verifier started empty at the end', freshEqual],
      ['equal, verifier that ran along', liveEqual],
      ['L2 blocks a second, from an empty folder', (Number(target) / syncSeconds).toFixed(0)],
      ...[...counts],
      ...Object.entries(load.counts()),
    ]),
  }
}

export const claim: Claim = {
  says: 'A verifier started empty, given only L1, has the sequencer’s hash at every height, after reorganisations of L1, kills and restarts under mixed load.',
  run,
}
