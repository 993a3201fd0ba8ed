import { type Address, encodeFunctionData, type LocalAccount, parseAbi } from 'viem'
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

export type ProposerOptions = {
  readonly engine: ChainEngine
  readonly l1: L1
  readonly outputOracle: Address
  readonly account: LocalAccount
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
export function createProposer({ engine, l1, outputOracle, account, logger }: ProposerOptions): Loop {
  const { client } = l1
  const read = (functionName: 'nextBlockNumber' | 'SUBMISSION_INTERVAL'): Promise<bigint> =>
    client.readContract({ address: outputOracle, abi: oracleAbi, functionName })
  let intervalBlocks: bigint | undefined

  async function round(signal: AbortSignal): Promise<void> {
    intervalBlocks ??= await read('SUBMISSION_INTERVAL')
    const sender = createL1Sender({ l1, account, signal, logger })
    await sender.drain()
    const [first, latest] = await Promise.all([read('nextBlockNumber'), client.getBlock()])
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
    if (calls.length === 0) return
    const receipts = await sender.send(calls)
    const refused = receipts.filter(({ status }) => status !== 'success').length
    const fields = { firstBlock: first.toString(), outputs: calls.length, refused }
    if (refused > 0) logger.warn(fields, 'the output oracle refused proposals')
    else logger.info(fields, 'outputs proposed')
  }

  return createLoop({ name: 'proposer', intervalMs: INTERVAL_MS, logger, round })
}
