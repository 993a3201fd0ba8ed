import { type Address, encodeFunctionData, type Hex, type LocalAccount, parseAbi } from 'viem'
import { collectBonds } from '../challenger/createChallenger.ts'
import { isSettled, type OutputOracle, openOutputOracle } from '../challenger/OutputOracle.ts'
import type { ChainEngine } from '../engine/Engine.ts'
import type { L1 } from '../l1/L1.ts'
import { createL1Sender, type L1Call } from '../l1/L1Sender.ts'
import type { Logger } from '../node/Logger.ts'
import { createLoop, type Loop } from '../node/Loop.ts'

const oracleAbi = parseAbi([
  'function nextBlockNumber() view returns (uint256)',
  'function SUBMISSION_INTERVAL() view returns (uint256)',
  'function proposeL2Output(bytes32 outputRoot, uint256 l2BlockNumber, bytes32 l1BlockHash, uint256 l1BlockNumber) payable',
])

const PROPOSE_GAS = 300_000n
/** After a pause many outputs are due; so many go into one round, well within one L1 block. */
const OUTPUTS_PER_ROUND_MAX = 64
const INTERVAL_MS = 500
/** The oracle is asked anew after so many rounds with nothing to propose: a challenge may have taken outputs back. */
const RECHECK_ROUNDS = 4
/** Bonds are asked for again after so many rounds. */
const COLLECT_ROUNDS = 20

export type ProposerOptions = {
  readonly engine: ChainEngine
  readonly l1: L1
  readonly outputOracle: Address
  readonly account: LocalAccount
  /** Answers false challenges, up to this bond for one block; without it nothing is proposed against an answer. */
  readonly defence?: { readonly portal: Address; readonly bondMaxWei: bigint }
  readonly logger: Logger
}

/**
 * Proposes the output root of every due block to the L2OutputOracle.
 *
 * A block is due when its number is a multiple of the oracle's interval and it is safe, that is, derived back from L1.
 * The oracle says which block is next, so a restart neither repeats nor skips one.
 *
 * @see OP specs, proposals, "Proposing L2 Output Commitments".
 */
export function createProposer(options: ProposerOptions): Loop {
  const { engine, l1, outputOracle, account, defence, logger } = options
  const { client } = l1
  let oracle: OutputOracle | undefined
  let rounds = 0
  const read = (functionName: 'nextBlockNumber' | 'SUBMISSION_INTERVAL'): Promise<bigint> =>
    client.readContract({ address: outputOracle, abi: oracleAbi, functionName })
  let intervalBlocks: bigint | undefined

  /** What must be sent before a block that was challenged can be proposed and stay. */
  async function answerTo(number: bigint, outputRoot: Hex): Promise<L1Call | 'too dear' | undefined> {
    if (defence === undefined) return undefined
    oracle ??= await openOutputOracle(l1, defence.portal)
    const game = await oracle.game(number)
    if (game.bondWei === 0n || isSettled(game) || game.answer === outputRoot) return undefined
    const bondWei = await oracle.requiredBond(number)
    const fields = { l2Block: number.toString(), answer: game.answer, bondWei: bondWei.toString() }
    if (bondWei > defence.bondMaxWei) {
      logger.error(
        fields,
        'a challenge stands that takes a higher bond to answer than this proposer may give: raise its limit',
      )
      return 'too dear'
    }
    logger.warn(fields, 'an output was challenged falsely; answering it')
    return oracle.overbid(number, outputRoot, bondWei)
  }

  /** The block that the oracle takes next, as it said last. */
  let next: bigint | undefined
  let idleRounds = 0

  async function round(signal: AbortSignal): Promise<void> {
    if (next !== undefined && engine.safe().number < next && ++idleRounds % RECHECK_ROUNDS !== 0) return
    intervalBlocks ??= await read('SUBMISSION_INTERVAL')
    const sender = createL1Sender({ l1, account, signal, logger })
    await sender.drain()
    const [first, latest] = await Promise.all([read('nextBlockNumber'), client.getBlock()])
    next = first
    const calls: L1Call[] = []
    const safe = engine.safe().number
    for (
      let number = first;
      number <= safe && calls.length < OUTPUTS_PER_ROUND_MAX;
      number += intervalBlocks
    ) {
      const block = engine.block(number)
      // the oracle takes no block from its future
      if (block === undefined || block.timestamp >= latest.timestamp) break
      const { outputRoot } = engine.outputRoot(number)
      const answer = await answerTo(number, outputRoot)
      if (answer === 'too dear') break
      if (answer !== undefined) calls.push(answer)
      calls.push({
        to: outputOracle,
        data: encodeFunctionData({
          abi: oracleAbi,
          functionName: 'proposeL2Output',
          // the oracle refuses the proposal on a chain without this block
          args: [outputRoot, number, latest.hash, latest.number],
        }),
        gas: PROPOSE_GAS,
      })
    }
    if (oracle !== undefined && rounds++ % COLLECT_ROUNDS === 0) {
      await collectBonds({ l1, oracle, account, signal, logger })
    }
    if (calls.length === 0) return
    next = undefined
    const receipts = await sender.send(calls)
    const refused = receipts.filter(({ status }) => status !== 'success').length
    const fields = { firstBlock: first.toString(), outputs: calls.length, refused }
    if (refused > 0) logger.warn(fields, 'the output oracle refused proposals')
    else logger.debug(fields, 'outputs proposed')
  }

  return createLoop({ name: 'proposer', intervalMs: INTERVAL_MS, logger, round })
}
