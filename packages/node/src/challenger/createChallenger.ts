import { type Address, type Hex, type LocalAccount, zeroHash } from 'viem'
import type { ChainEngine } from '../engine/Engine.ts'
import type { L1 } from '../l1/L1.ts'
import { createL1Sender, type L1Call } from '../l1/L1Sender.ts'
import type { Logger } from '../node/Logger.ts'
import { createLoop, type Loop } from '../node/Loop.ts'
import type { Verifier } from '../verifier/Verifier.ts'
import { isSettled, type Output, type OutputOracle, openOutputOracle } from './OutputOracle.ts'

const INTERVAL_MS = 1_000
/** Bonds are asked for again after so many rounds: nothing hurries there. */
const COLLECT_ROUNDS = 10

export type ChallengerOptions = {
  /** What L1 tells, executed again; its safe block says how far. */
  readonly engine: Pick<ChainEngine, 'safe' | 'outputRoot'>
  readonly verifier: Pick<Verifier, 'isCaughtUp'>
  readonly l1: L1
  readonly portal: Address
  /** Pays bonds and gas; without it wrong outputs are only told. */
  readonly account?: LocalAccount
  /** It goes no higher than this for one block. */
  readonly bondMaxWei: bigint
  readonly logger: Logger
}

/** What the challenger has found. */
export type Challenger = Loop & {
  readonly status: () => {
    /** Outputs compared and found right, of those that can still be removed. */
    readonly right: number
    /** Wrong outputs met since the start, by L2 block and root. */
    readonly wrong: readonly { readonly l2BlockNumber: bigint; readonly outputRoot: Hex }[]
  }
}

/**
 * Compares every output on L1 that is not final with the chain that L1 tells, and removes what differs.
 *
 * An output of a block that L1 does not tell yet is waited for, because it may be published late; it is challenged when two
 * thirds of its time are over.
 *
 * @see IOutputChallenges.sol for the game.
 */
export function createChallenger(options: ChallengerOptions): Challenger {
  const { engine, verifier, l1, account, logger } = options
  let oracle: OutputOracle | undefined
  /** Compared outputs, by index without gaps from `first` on. */
  let first = 0n
  let right: Output[] = []
  const wrong = new Map<string, { readonly l2BlockNumber: bigint; readonly outputRoot: Hex }>()
  let rounds = 0

  /** Forgets what was compared when something before the newest was removed since. */
  async function resume(known: OutputOracle, count: bigint, nowSeconds: bigint): Promise<void> {
    const last = right.at(-1)
    if (last !== undefined && last.index < count) {
      const standing = await known.output(last.index)
      if (standing.outputRoot === last.outputRoot && standing.timestamp === last.timestamp) return
    }
    first = await known.firstOpen(count, nowSeconds)
    right = []
  }

  /** @returns what belongs there, `undefined` while it cannot be said. */
  function answerTo(output: Output, known: OutputOracle, nowSeconds: bigint): Hex | undefined {
    if (output.l2BlockNumber <= engine.safe().number)
      return engine.outputRoot(output.l2BlockNumber).outputRoot
    const isLate = 3n * (nowSeconds - output.timestamp) >= 2n * known.finalizationSeconds
    return verifier.isCaughtUp() && isLate ? zeroHash : undefined
  }

  async function objection(output: Output, answer: Hex, known: OutputOracle): Promise<L1Call | undefined> {
    const game = await known.game(output.l2BlockNumber)
    if (game.bondWei > 0n && game.answer !== output.outputRoot) return known.enforce(output.index)
    const bondWei = await known.requiredBond(output.l2BlockNumber)
    if (bondWei <= options.bondMaxWei) return known.challenge(output, answer, bondWei)
    logger.error(
      { l2Block: output.l2BlockNumber.toString(), bondWei: bondWei.toString() },
      'a wrong output stands that takes a higher bond than this challenger may give: raise its limit',
    )
    return undefined
  }

  async function round(signal: AbortSignal): Promise<void> {
    oracle ??= await openOutputOracle(l1, options.portal)
    const known = oracle
    const [count, { timestamp: nowSeconds }] = await Promise.all([known.count(), l1.client.getBlock()])
    await resume(known, count, nowSeconds)
    for (let index = first + BigInt(right.length); index < count && !signal.aborted; index++) {
      const output = await known.output(index)
      const answer = answerTo(output, known, nowSeconds)
      if (answer === undefined) return
      if (answer === output.outputRoot) {
        right.push(output)
        continue
      }
      const { l2BlockNumber, outputRoot } = output
      const key = `${l2BlockNumber}:${outputRoot}`
      const fields = { l2Block: l2BlockNumber.toString(), outputRoot, answer }
      if (!wrong.has(key)) logger.error(fields, 'an output on L1 is not what L1 tells')
      wrong.set(key, { l2BlockNumber, outputRoot })
      if (account === undefined) return
      const call = await objection(output, answer, known)
      if (call === undefined) return
      const [receipt] = await createL1Sender({ l1, account, signal, logger }).send([call])
      if (receipt!.status === 'success') logger.warn(fields, 'wrong output removed')
      else logger.warn(fields, 'the removal was refused: somebody was faster, or it became final')
      return
    }
    if (account !== undefined && rounds++ % COLLECT_ROUNDS === 0) {
      await collectBonds({ l1, oracle: known, account, signal, logger })
    }
  }

  return {
    ...createLoop({ name: 'challenger', intervalMs: INTERVAL_MS, logger, round }),
    status: () => ({ right: right.length, wrong: [...wrong.values()] }),
  }
}

/** Settles the games in which an account has a bond and that are decided, and takes what it won. */
export async function collectBonds({
  l1,
  oracle,
  account,
  signal,
  logger,
}: {
  readonly l1: L1
  readonly oracle: OutputOracle
  readonly account: LocalAccount
  readonly signal: AbortSignal
  readonly logger: Logger
}): Promise<void> {
  const blocks = await oracle.bondsOf(account.address)
  if (blocks.length === 0) return
  const { timestamp: nowSeconds } = await l1.client.getBlock()
  const count = await oracle.count()
  const calls: L1Call[] = []
  for (const number of blocks) {
    if (isSettled(await oracle.game(number))) {
      const pay = oracle.pay(number, account.address)
      // refused where the bond is lost
      const isDue = await l1.client.call({ account: account.address, to: pay.to, data: pay.data }).then(
        () => true,
        () => false,
      )
      if (isDue) calls.push(pay)
      continue
    }
    const last = count === 0n ? undefined : await oracle.output(count - 1n)
    if (last === undefined || last.l2BlockNumber < number) continue
    const output = await oracle.output(await oracle.indexAfter(number))
    // paid in the next turn
    if (oracle.isFinal(output, nowSeconds)) calls.push(oracle.settle(output.index))
  }
  if (calls.length === 0) return
  const receipts = await createL1Sender({ l1, account, signal, logger }).send(calls)
  const refused = receipts.filter(({ status }) => status !== 'success').length
  logger.info({ calls: calls.length, refused }, 'games of challenged outputs settled or paid')
}
