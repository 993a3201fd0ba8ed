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
import { mountSmallDisk, type SmallDisk } from './SmallDisk.ts'

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
/** Of each disk that is filled; a chain of the full size takes a quarter of it. */
const DISK_MIB = 192
const DISK_TIMEOUT_MS = 60_000

type Sequencer = {
  readonly url: string
  readonly client: PublicClient
  readonly deployment: () => Deployment
  /** What it said last that does not work, by service. */
  readonly problems: () => Readonly<Record<string, string>>
  readonly start: () => Promise<void>
  readonly stop: (signal: 'SIGKILL' | 'SIGTERM') => Promise<void>
}

async function createSequencer(directory: string, l1: FastL1, time: FastTime): Promise<Sequencer> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  let child: ChildProcess | undefined
  let deployment: Deployment | undefined
  let problems: Readonly<Record<string, string>> = {}
  return {
    url,
    client: createPublicClient({ transport: http(url, { retryCount: 5, retryDelay: 500 }), cacheTime: 0 }),
    deployment: () => deployment!,
    problems: () => problems,
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
      await new Promise<void>((resolve, reject) => {
        started.once('exit', () => reject(new Error('Expected the sequencer to start; its process ended.')))
        createInterface({ input: started.stdout! }).on('line', (line) => {
          const said = JSON.parse(line) as {
            readonly deployment?: Deployment
            readonly problems?: Readonly<Record<string, string>>
          }
          if (said.problems !== undefined) problems = said.problems
          if (said.deployment === undefined) return
          deployment = said.deployment
          resolve()
        })
      })
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

type Disturbance = {
  readonly name: string
  /** Whether L1 itself takes something back, so that safe blocks may go. */
  readonly changesL1?: true
  readonly run: () => Promise<void>
}

type Disturbed = {
  readonly counts: ReadonlyMap<string, number>
  /** Blocks that were called final, and safe without a reorganisation of L1 after, and are not there any more. */
  readonly lost: readonly string[]
}

type Marked = { readonly number: bigint; readonly hash: Hex }

/** Runs the load and disturbs it until the chain has so many blocks. */
async function disturb(
  sequencer: Sequencer,
  disturbances: readonly Disturbance[],
  goal: number,
  say: ClaimOptions['say'],
): Promise<Disturbed> {
  const counts = new Map<string, number>()
  const lost: string[] = []
  const finals: Marked[] = []
  const at = async (blockTag: 'safe' | 'finalized'): Promise<Marked> => {
    const { number, hash } = await sequencer.client.getBlock({ blockTag })
    return { number, hash }
  }
  const check = async (what: string, { number, hash }: Marked): Promise<void> => {
    const found = await hashAt(sequencer.client, number).catch(() => 'nothing')
    if (found !== hash) lost.push(`${what} block ${number} was ${hash}, is ${found}`)
  }
  let movedAt = Date.now()
  let highest = 0n
  for (let round = 0; ; round++) {
    await delay(randomInt(...PAUSES_MS))
    const { number } = await sequencer.client.getBlock({ blockTag: 'latest' })
    if (number >= BigInt(goal) && round >= disturbances.length) break
    if (number > highest) movedAt = Date.now()
    highest = number > highest ? number : highest
    if (Date.now() - movedAt > STALL_MS)
      throw new Error(`The L2 stands at block ${highest} since three minutes.`)
    const disturbance = disturbances[round < disturbances.length ? round : randomInt(disturbances.length)]!
    const safe = await at('safe')
    finals.push(await at('finalized'))
    await disturbance.run()
    if (disturbance.changesL1 !== true) await check('safe', safe)
    counts.set(disturbance.name, (counts.get(disturbance.name) ?? 0) + 1)
    say(`block ${number}: ${disturbance.name}`)
  }
  for (const final of finals) await check('final', final)
  return { counts, lost }
}

/** What befalls L1, sequencer and verifiers; each once in this order, then at random. */
function disturbancesOf(l1: FastL1, sequencer: Sequencer, disks: Disks | undefined): readonly Disturbance[] {
  const restart = (signal: 'SIGKILL' | 'SIGTERM') => async (): Promise<void> => {
    await sequencer.stop(signal)
    await delay(randomInt(500))
    await sequencer.start()
  }
  const reorganise = (most: number): Disturbance => ({
    name: 'L1 reorganisations',
    changesL1: true,
    run: () => l1.reorganise(randomInt(1, most + 1)),
  })
  return [
    reorganise(REORG_DEPTH_MAX),
    { name: 'kill -9 of sequencer and batcher', run: restart('SIGKILL') },
    ...(disks === undefined
      ? []
      : [
          { name: 'full disk under sequencer and batcher', run: disks.fillSequencer },
          { name: 'full disk under the sequencer, kill -9 meanwhile', run: disks.fillAndKill },
          { name: 'full disk under the verifier', run: disks.fillVerifier },
        ]),
    reorganise(3),
    { name: 'restarts of sequencer and batcher', run: restart('SIGTERM') },
  ]
}

type Disks = Readonly<Record<'fillSequencer' | 'fillAndKill' | 'fillVerifier', () => Promise<void>>>

/** Fills a disk, waits until the node on it says so, and until it goes on once there is room. */
function fillDisks(
  sequencer: Sequencer,
  sequencerDisk: SmallDisk,
  verifier: () => VerifierNode,
  verifierDisk: SmallDisk,
): Disks {
  const isSaid = (problems: Readonly<Record<string, string>>): boolean =>
    Object.values(problems).some((problem) => problem.includes('disk is full'))
  const fill = async (
    disk: SmallDisk,
    problems: () => Readonly<Record<string, string>>,
    head: () => Promise<bigint>,
    meanwhile: () => Promise<void> = async () => {},
  ): Promise<void> => {
    disk.fill()
    try {
      await within(DISK_TIMEOUT_MS, 'to say that its disk is full', async () => isSaid(problems()))
      // it must still answer
      await head()
      await meanwhile()
    } finally {
      disk.free()
    }
    const before = await head().catch(() => undefined)
    if (before === undefined) await sequencer.start()
    const from = before ?? (await head())
    await within(DISK_TIMEOUT_MS, 'to go on once there is room', async () => {
      return (await head()) > from && !isSaid(problems())
    })
  }
  const sequencerHead = async (): Promise<bigint> =>
    (await sequencer.client.getBlock({ blockTag: 'latest' })).number
  return {
    fillSequencer: () => fill(sequencerDisk, sequencer.problems, sequencerHead),
    fillAndKill: () =>
      fill(sequencerDisk, sequencer.problems, sequencerHead, () => sequencer.stop('SIGKILL')),
    fillVerifier: () =>
      fill(
        verifierDisk,
        () => verifier().problems(),
        async () => verifier().engine.head().number,
      ),
  }
}

async function within(timeoutMs: number, what: string, done: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(`Expected the node ${what} within ${timeoutMs / 1_000} s.`)
    await delay(100)
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
  const inside = (name: string): string => join(directory, name)
  mkdirSync(inside('l1'))
  const startedMs = Date.now()
  const time: FastTime = { startedMs, genesisSeconds: Math.floor(startedMs / 1_000), rate: RATE }
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(directory, { recursive: true, force: true }))
  // whoever ends the soak ends what it started
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void stack.disposeAsync().finally(() => process.exit(1)))
  }
  const disk = (name: string): SmallDisk | undefined => {
    const mounted = mountSmallDisk(inside(name), DISK_MIB)
    if (mounted !== undefined) stack.use(mounted)
    return mounted
  }
  const [sequencerDisk, verifierDisk] = [disk('sequencer'), disk('live')]
  const l1 = await startFastL1(inside('l1'), time)
  stack.use(l1)
  const sequencer = await createSequencer(inside('sequencer'), l1, time)
  stack.defer(() => sequencer.stop('SIGKILL'))
  await sequencer.start()
  say('the sequencer runs; L1 and clock at twenty-four times the speed of the day')
  const startVerifier = (name: string): Promise<VerifierNode> =>
    createVerifierNode({
      directory: inside(name),
      l1: { rpcUrl: l1.url },
      genesis: JSON.parse(readFileSync(inside('sequencer/genesis.json'), 'utf8')),
      rollupConfig: rollupConfigSchema.parse(
        JSON.parse(readFileSync(inside('sequencer/rollup.json'), 'utf8')),
      ),
    })
  const live = await startVerifier('live')
  stack.use(live)
  const load = startLoad(l1.url, sequencer.url, sequencer.deployment())
  const disks = sequencerDisk && verifierDisk && fillDisks(sequencer, sequencerDisk, () => live, verifierDisk)
  let disturbed: Disturbed
  try {
    disturbed = await disturb(sequencer, disturbancesOf(l1, sequencer, disks), goal, say)
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
    ...(disks === undefined ? ['no disk was filled: mounting one takes rights that are not there'] : []),
    ...disturbed.lost,
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
      ...[...disturbed.counts],
      ['safe or final blocks lost', disturbed.lost.length],
      ...Object.entries(load.counts()),
    ]),
  }
}

export const claim: Claim = {
  says: 'A verifier started empty, given only L1, has the sequencer’s hash at every height, after reorganisations of L1, kills, restarts and full disks under mixed load, and nothing that was safe is lost.',
  run,
}
