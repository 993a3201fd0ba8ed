import { BaseError } from '@openledger/primitives'
import { outputChallengesAbi } from '@openledger/protocol/abi/index'
import { type Address, encodeFunctionData, getAddress, type Hex, parseAbi, zeroHash } from 'viem'
import type { L1 } from '../l1/L1.ts'
import type { L1Call } from '../l1/L1Sender.ts'

const portalAbi = parseAbi(['function l2Oracle() view returns (address)'])
const oracleAbi = parseAbi([
  'function challenger() view returns (address)',
  'function finalizationPeriodSeconds() view returns (uint256)',
  'function nextOutputIndex() view returns (uint256)',
  'function getL2OutputIndexAfter(uint256 l2BlockNumber) view returns (uint256)',
  'function getL2Output(uint256 index) view returns ((bytes32 outputRoot, uint128 timestamp, uint128 l2BlockNumber))',
])

/** Enough for the first answer and the removal, whose cost does not depend on how many outputs go. */
const CHALLENGE_GAS = 400_000n
const PAY_GAS = 200_000n

/** An output as it stands on L1. */
export type Output = {
  readonly index: bigint
  readonly outputRoot: Hex
  readonly l2BlockNumber: bigint
  /** When it was proposed, in seconds. */
  readonly timestamp: bigint
}

/** What was answered about a block: an answer of zero says that L1 tells no such block. */
export type Game = {
  readonly answer: Hex
  /** Zero: nobody challenged. */
  readonly bondWei: bigint
  /** Zero until an output of the block is final. */
  readonly finalRoot: Hex
}

/** The output oracle and the contract through which its outputs are challenged. */
export type OutputOracle = Awaited<ReturnType<typeof openOutputOracle>>

/**
 * Finds both contracts from the portal, which `rollup.json` names.
 * @throws {ChallengesMissingError} when the oracle's challenger is not `OutputChallenges`.
 */
export async function openOutputOracle(l1: L1, portal: Address) {
  const { client } = l1
  const oracle = await client.readContract({ address: portal, abi: portalAbi, functionName: 'l2Oracle' })
  const challenges = await client.readContract({
    address: oracle,
    abi: oracleAbi,
    functionName: 'challenger',
  })
  const readOracle = { address: oracle, abi: oracleAbi } as const
  const readChallenges = { address: challenges, abi: outputChallengesAbi } as const
  const finalizationSeconds = await client.readContract({
    ...readOracle,
    functionName: 'finalizationPeriodSeconds',
  })
  const judged = await client
    .readContract({ ...readChallenges, functionName: 'ORACLE' })
    .catch(() => undefined)
  if (judged === undefined || getAddress(judged) !== getAddress(oracle)) {
    throw new ChallengesMissingError(oracle, challenges)
  }

  const call = (data: Hex, value: bigint, gas: bigint): L1Call => ({ to: challenges, data, value, gas })
  const output = async (index: bigint): Promise<Output> => ({
    index,
    ...(await client.readContract({ ...readOracle, functionName: 'getL2Output', args: [index] })),
  })
  const isFinal = ({ timestamp }: Output, nowSeconds: bigint): boolean =>
    nowSeconds - timestamp >= finalizationSeconds

  return {
    oracle,
    challenges,
    finalizationSeconds,
    output,
    isFinal,
    count: (): Promise<bigint> => client.readContract({ ...readOracle, functionName: 'nextOutputIndex' }),
    indexAfter: (l2BlockNumber: bigint): Promise<bigint> =>
      client.readContract({ ...readOracle, functionName: 'getL2OutputIndexAfter', args: [l2BlockNumber] }),
    /** The first output that can still be removed, by bisection: outputs are in order of time. */
    async firstOpen(count: bigint, nowSeconds: bigint): Promise<bigint> {
      let [low, high] = [0n, count]
      while (low < high) {
        const middle = (low + high) / 2n
        if (isFinal(await output(middle), nowSeconds)) low = middle + 1n
        else high = middle
      }
      return low
    },
    game: (l2BlockNumber: bigint): Promise<Game> =>
      client.readContract({ ...readChallenges, functionName: 'game', args: [l2BlockNumber] }),
    requiredBond: (l2BlockNumber: bigint): Promise<bigint> =>
      client.readContract({ ...readChallenges, functionName: 'requiredBond', args: [l2BlockNumber] }),
    /** Blocks in whose games the account has a bond, and those for which it was paid. */
    async bondsOf(account: Address): Promise<bigint[]> {
      const range = { address: challenges, fromBlock: 0n, toBlock: 'latest' } as const
      const [answers, payments] = await Promise.all([
        client.getContractEvents({
          ...range,
          abi: outputChallengesAbi,
          eventName: 'OutputAnswered',
          args: { account },
        }),
        client.getContractEvents({
          ...range,
          abi: outputChallengesAbi,
          eventName: 'BondPaid',
          args: { account },
        }),
      ])
      const paid = new Set(payments.map(({ args }) => args.l2BlockNumber))
      return [...new Set(answers.map(({ args }) => args.l2BlockNumber!))].filter((n) => !paid.has(n))
    },
    challenge: ({ index, outputRoot }: Output, answer: Hex, bondWei: bigint): L1Call =>
      call(
        encodeFunctionData({
          abi: outputChallengesAbi,
          functionName: 'challenge',
          args: [index, outputRoot, answer],
        }),
        bondWei,
        CHALLENGE_GAS,
      ),
    overbid: (l2BlockNumber: bigint, answer: Hex, bondWei: bigint): L1Call =>
      call(
        encodeFunctionData({
          abi: outputChallengesAbi,
          functionName: 'overbid',
          args: [l2BlockNumber, answer],
        }),
        bondWei,
        CHALLENGE_GAS,
      ),
    enforce: (index: bigint): L1Call =>
      call(
        encodeFunctionData({ abi: outputChallengesAbi, functionName: 'enforce', args: [index] }),
        0n,
        CHALLENGE_GAS,
      ),
    settle: (index: bigint): L1Call =>
      call(
        encodeFunctionData({ abi: outputChallengesAbi, functionName: 'settle', args: [index] }),
        0n,
        PAY_GAS,
      ),
    pay: (l2BlockNumber: bigint, account: Address): L1Call =>
      call(
        encodeFunctionData({
          abi: outputChallengesAbi,
          functionName: 'pay',
          args: [l2BlockNumber, account],
        }),
        0n,
        PAY_GAS,
      ),
  }
}

export const isSettled = ({ finalRoot }: Game): boolean => finalRoot !== zeroHash

export class ChallengesMissingError extends BaseError {
  constructor(oracle: Address, challenger: Address) {
    super({
      code: 'challenger.contract_missing',
      message: `Expected the challenger of the output oracle ${oracle} to be OutputChallenges, it is ${challenger}, which is not: on this chain only whoever holds that role can remove outputs.`,
      context: { oracle, challenger },
    })
  }
}
