import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RollupConfig } from '@openledger/node'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'
import { opNodeOverGeth, opNodeOverOurs, ourVerifier } from './Followers.ts'
import { type HostileBatcher, startHostileBatcher } from './HostileBatcher.ts'
import {
  describeProgram,
  differences,
  findPrograms,
  nothingRun,
  PROGRAMS,
  type Teller,
  until,
} from './OpStack.ts'
import {
  load,
  type Sequenced,
  sequenceAlone,
  sequenceForOpBatcher,
  sequenceOverGeth,
  sequenceOverOurEngine,
  sequenceWithoutUs,
} from './Profiles.ts'
import { vectorsFolder } from './Vectors.ts'

type Row = {
  readonly chain: string
  readonly follower: string
  readonly blocks: number
  readonly transactions: number
  readonly different: readonly number[]
}

const says =
  'Real op-node, op-geth and op-batcher and ours are exchangeable: whoever sequences, every follower derives the same block hashes and output roots from L1.'
const GOAL_PERCENT = 100
/** Chains in which somebody else does a part of the work. */
const OTHERS = [
  { word: 'geth', name: 'our node over op-geth', begin: sequenceOverGeth },
  { word: 'batcher', name: 'our node with op-batcher', begin: sequenceForOpBatcher },
  { word: 'engine', name: 'op-node over our engine, op-batcher', begin: sequenceOverOurEngine },
  { word: 'wholesale', name: 'op-node, op-geth, op-batcher', begin: sequenceWithoutUs },
] as const

/** Chains that go over a fork while they run; op-geth ended before Karst. */
const FORKS = [
  {
    word: 'jovian',
    name: 'all ours, from Isthmus to Jovian',
    times: () => ({ jovianTime: fromNow(FORK_SECONDS) }),
  },
  {
    word: 'karst',
    name: 'all ours, from Isthmus to Jovian and Karst',
    times: () => ({ jovianTime: fromNow(FORK_SECONDS), karstTime: fromNow(FORK_SECONDS + 15) }),
  },
] as const
/** Longer than a first start takes to its first block, and shorter than the chain is followed for. */
const FORK_SECONDS = 40
const FORK_BLOCKS = 80

/** A first start that takes too long would have the fork at genesis, and show nothing. */
function assertCrossed({ files }: Sequenced): void {
  const {
    genesis,
    jovian_time,
    karst_time = jovian_time,
  } = JSON.parse(readFileSync(files.rollup, 'utf8')) as RollupConfig
  const last = genesis.l2_time + FORK_BLOCKS
  if (jovian_time === undefined || jovian_time <= genesis.l2_time || karst_time! >= last) {
    throw new Error(
      `Expected forks between ${genesis.l2_time} and ${last}, got ${jovian_time}, ${karst_time}.`,
    )
  }
}

const fromNow = (seconds: number): number => Math.floor(Date.now() / 1_000) + seconds

/** Runs one chain, its followers, and compares. */
async function profile(
  name: string,
  blocks: number,
  { say }: ClaimOptions,
  begin: (stack: AsyncDisposableStack, folder: string) => Promise<Sequenced>,
  followers: (stack: AsyncDisposableStack, folder: string, chain: Sequenced) => Promise<readonly Teller[]>,
): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'openledger-interop-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const startedAt = performance.now()
  const chain = await begin(stack, folder)
  say(`${name}: runs after ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`)
  const tellers = await followers(stack, folder, chain)
  const transactions = await load(chain, blocks)
  const rows: Row[] = []
  for (const follower of [...tellers]) {
    const reached = await until(`${follower.name} to derive block ${blocks}`, 180_000, async () => {
      const safe = Math.min(await follower.safe(), await chain.teller.safe())
      return safe >= blocks ? safe : undefined
    })
    const different = await differences(chain.teller, follower, reached)
    rows.push({ chain: name, follower: follower.name, blocks: reached + 1, transactions, different })
    say(`${name}: ${follower.name} derived blocks 0 to ${reached}, ${different.length} different`)
  }
  return rows
}

async function run(options: ClaimOptions): Promise<Finding> {
  const programs = findPrograms(PROGRAMS)
  if ('absent' in programs) {
    return {
      figure: 0,
      unit: '% of blocks equal',
      goal: GOAL_PERCENT,
      sense: 'at least',
      ...nothingRun(programs),
    }
  }
  const versions = PROGRAMS.map((name) => describeProgram(name, programs[name]))
  for (const version of versions) options.say(version)
  const { isQuick, words } = options
  const [long, short] = isQuick ? [30, 20] : [90, 45]
  /** Parts that are named run alone; a quick run has time for the first. */
  const isWanted = (word: string): boolean => (words.length > 0 ? words.includes(word) : !isQuick)
  const rows: Row[] = []
  if (words.length === 0 || words.includes('alone')) {
    const alone = await profile('all ours', long, options, sequenceAlone, async (stack, folder, chain) => [
      await opNodeOverGeth(stack, folder, chain, programs),
      await opNodeOverOurs(stack, folder, chain, programs),
    ])
    rows.push(...alone)
  }
  let hostile: HostileBatcher | undefined
  if (isWanted('hostile')) {
    const attacked = await profile(
      'all ours, and somebody hostile with the batcher’s key',
      short,
      options,
      async (stack, folder) => {
        const chain = await sequenceAlone(stack, folder)
        hostile = await startHostileBatcher(chain)
        stack.use(hostile)
        return { ...chain, mayGoBack: true }
      },
      async (stack, folder, chain) => [
        await opNodeOverGeth(stack, folder, chain, programs),
        await ourVerifier(stack, folder, chain),
      ],
    )
    rows.push(...attacked)
  }
  for (const fork of FORKS) {
    if (!isWanted(fork.word)) continue
    const upgradesDirectory = vectorsFolder('upgrades')
    const forked = await profile(
      fork.name,
      FORK_BLOCKS,
      options,
      async (stack, folder) => {
        const chain = await sequenceAlone(stack, folder, {
          forks: fork.times(),
          ...(upgradesDirectory === undefined ? {} : { upgradesDirectory }),
        })
        assertCrossed(chain)
        return chain
      },
      async (stack, folder, chain) => [
        ...(fork.word === 'jovian' ? [await opNodeOverGeth(stack, folder, chain, programs)] : []),
        await opNodeOverOurs(stack, folder, chain, programs),
        await ourVerifier(stack, folder, chain, upgradesDirectory),
      ],
    )
    rows.push(...forked)
  }
  for (const { word, name, begin } of OTHERS) {
    // the follower executes with the other program than the sequencer
    const follow = word === 'engine' || word === 'batcher' ? opNodeOverGeth : opNodeOverOurs
    if (!isWanted(word)) continue
    const others = await profile(
      name,
      short,
      options,
      (stack, folder) => begin(stack, folder, programs),
      async (stack, folder, chain) => [
        await follow(stack, folder, chain, programs),
        await ourVerifier(stack, folder, chain),
      ],
    )
    rows.push(...others)
  }
  const compared = rows.reduce((sum, { blocks }) => sum + blocks, 0)
  const different = rows.reduce((sum, row) => sum + row.different.length, 0)
  return {
    figure: compared === 0 ? 0 : (100 * (compared - different)) / compared,
    unit: '% of blocks equal',
    goal: GOAL_PERCENT,
    sense: 'at least',
    failures: rows.flatMap(({ chain, follower, different: at }) =>
      at.length === 0 ? [] : [`${chain}, ${follower}: first at block ${at[0]}`],
    ),
    report: `${table([
      ['sequenced by', 'derived from L1 by', 'blocks compared', 'transactions sent', 'different'],
      ...rows.map((row) => [row.chain, row.follower, row.blocks, row.transactions, row.different.length]),
    ])}\n\nBlock hash and output root are compared at every height. ${describeAttack(hostile)}${versions.join('; ')}.`,
  }
}

const describeAttack = (hostile: HostileBatcher | undefined): string =>
  hostile === undefined
    ? ''
    : `Hostile L1 transactions beside the real batcher's, by what was wrong with them: ${Object.entries(
        hostile.sent(),
      )
        .map(([what, count]) => `${what} ${count}`)
        .join(', ')}.\n\n`

export const claim: Claim = { says, run }
