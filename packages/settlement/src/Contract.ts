import type { Hex } from '@openledger/primitives'
import { Abi, type Deployment, type FeeSplit } from '@openledger/protocol'
import type { PublicClient } from 'viem'
import * as ChallengeWindow from './ChallengeWindow.ts'

/** What the chain says about one account's prepaid money. */
export type ChainPrepaid = {
  readonly prepaidWei: bigint
  /** Last receipt that is in `prepaidWei`; what came after it is still to be subtracted. */
  readonly lastSequence: number
}

/** Where the settlement contract stands. */
export type ChainState = {
  readonly lastSequence: number
  readonly batchCount: number
  readonly accountCount: number
  readonly ledgerSumWei: bigint
}

/** A batch that the court disputes or struck, and the last ledger that has what it credited. */
export type Contest = {
  readonly batch: number
  /** Infinity while disputed: all later ledgers have it. */
  readonly until: number
  /** Whether its root does not follow: ledgers built on it prove nothing. */
  readonly isVoid: boolean
}

/** What decides how an answer's fee is divided, read at one moment. */
export type AnswerTerms = {
  /** Time of the chain's newest block in Unix seconds: what `Settlement` judges a receipt by. */
  readonly timestamp: number
  readonly splitVersion: number
  readonly split: FeeSplit.FeeSplit
  readonly isRetired: boolean
  /** State of the stake behind the model that the answer belongs to, and whether anything is staked in it. */
  readonly stakeVersion: number
  readonly hasStakers: boolean
  /** Who earns for each contribution, in the order asked. */
  readonly beneficiaries: readonly Hex[]
}

/** What the chain says of a model that is to be served. */
export type ModelTerms = {
  /** Wei per prompt token and per answer token, as the owner last set them. */
  readonly inputPriceWei: bigint
  readonly outputPriceWei: bigint
  readonly isRetired: boolean
  /** Root of the index that answers are attributed with. */
  readonly attributionRoot: Hex
  /** Receives what no record explains: the commons of the first Datanet. */
  readonly commons: Hex
}

/** The reads of `Settlement`, `FeePolicy`, `Models`, `Staking` and `Datanets` that money depends on. */
export type Contract = {
  readonly state: () => Promise<ChainState>
  readonly prepaid: (account: Hex) => Promise<ChainPrepaid>
  /** Like `prepaid`, with what the account set aside for withdrawal but cannot take within the next seconds. */
  readonly coverage: (account: Hex) => Promise<ChainPrepaid>
  readonly claimedWei: (account: Hex) => Promise<bigint>
  /** The batch whose ledger the next credits build on; 0 for none. */
  readonly ledgerBatch: (blockNumber?: bigint) => Promise<number>
  /** Segments that were posted ahead of the batch that credits them. */
  readonly postedCount: () => Promise<number>
  readonly contests: () => Promise<Contest[]>
  /** Who may settle. */
  readonly operator: () => Promise<Hex>
  /** Fees that may pass in a challenge window; 0 while the operator is suspended or has no bond. */
  readonly coveredWei: () => Promise<bigint>
  readonly currentSplit: () => Promise<{ version: number; split: FeeSplit.FeeSplit }>
  /** How long batches can be challenged before their ledgers pay. */
  readonly challengeWindow: () => Promise<ChallengeWindow.ChallengeWindow>
  /** Time of the newest block. */
  readonly nowSeconds: () => Promise<number>
  readonly modelTerms: (modelId: bigint) => Promise<ModelTerms>
  readonly answerTerms: (modelId: bigint, contributionIds: readonly Hex[]) => Promise<AnswerTerms>
}

/** A batch is on chain within this time; money that can leave sooner does not cover a receipt. */
const SETTLING_SECONDS = 6n

/** What the contract calls no end. */
const OPEN_END = 2n ** 64n - 1n

/** Reads which batches are disputed or were struck. */
export async function readContests(publicClient: PublicClient, address: Hex): Promise<Contest[]> {
  const [numbers, untils, areVoid] = await publicClient.readContract({
    address,
    abi: Abi.settlementAbi,
    functionName: 'contests',
  })
  return numbers.map((batch, i) => ({
    batch: Number(batch),
    until: untils[i] === OPEN_END ? Number.POSITIVE_INFINITY : Number(untils[i]),
    isVoid: areVoid[i]!,
  }))
}

/** Creates the reads over one deployment. @param gatherSeconds - How long receipts wait for their batch. */
export function createContract(
  publicClient: PublicClient,
  l2: Deployment['l2'],
  gatherSeconds = 0,
): Contract {
  const settlingSeconds = SETTLING_SECONDS + BigInt(Math.ceil(gatherSeconds))
  const settlement = { address: l2.settlement, abi: Abi.settlementAbi } as const
  const splits = new Map<number, FeeSplit.FeeSplit>()

  /** The newest block, with what was read of it. */
  let newest: Block | undefined
  const newestBlock = async (): Promise<Block> => {
    const { number, hash, timestamp } = await publicClient.getBlock({ blockTag: 'latest' })
    if (newest?.hash !== hash) newest = { number, hash, timestamp, reads: new Map() }
    return newest
  }

  const lastSequence = ({ number: blockNumber, reads }: Block): Promise<number> =>
    once(reads, 'head', async () => {
      const [sequence] = await publicClient.readContract({ ...settlement, functionName: 'head', blockNumber })
      return Number(sequence)
    })
  const prepaidWei = ({ number: blockNumber, reads }: Block, account: Hex): Promise<bigint> =>
    once(reads, `prepaid/${account}`, () =>
      publicClient.readContract({ ...settlement, functionName: 'prepaidOf', args: [account], blockNumber }),
    )
  const withdrawalOf = ({ number: blockNumber, reads }: Block, account: Hex) =>
    once(reads, `withdrawal/${account}`, () =>
      publicClient.readContract({
        ...settlement,
        functionName: 'withdrawalOf',
        args: [account],
        blockNumber,
      }),
    )

  const splitAt = async (blockNumber?: bigint) => {
    const policy = { address: l2.feePolicy, abi: Abi.feePolicyAbi } as const
    const version = await publicClient.readContract({
      ...policy,
      functionName: 'currentVersion',
      ...(blockNumber === undefined ? {} : { blockNumber }),
    })
    let split = splits.get(version)
    if (split === undefined) {
      // a version never changes once it is set
      split = await publicClient.readContract({ ...policy, functionName: 'splitOf', args: [version] })
      splits.set(version, split)
    }
    return { splitVersion: version, split }
  }

  /** What an answer's terms owe to its model alone. */
  const modelAt = ({ number: blockNumber, reads }: Block, modelId: bigint) =>
    once(reads, `model/${modelId}`, async () => {
      const staking = { address: l2.staking, abi: Abi.stakingAbi, args: [modelId], blockNumber } as const
      const [[, retiredAt], split, stakeVersion, stakedWei] = await Promise.all([
        publicClient.readContract({
          address: l2.models,
          abi: Abi.modelsAbi,
          functionName: 'ownerOf',
          args: [modelId],
          blockNumber,
        }),
        splitAt(blockNumber),
        publicClient.readContract({ ...staking, functionName: 'versionOf' }),
        publicClient.readContract({ ...staking, functionName: 'totalStakeOf' }),
      ])
      return { ...split, isRetired: retiredAt !== 0n, stakeVersion, hasStakers: stakedWei > 0n }
    })

  const beneficiariesOf = ({ number: blockNumber, reads }: Block, ids: readonly Hex[]): Promise<Hex[]> => {
    const unknown = [...new Set(ids.filter((id) => !reads.has(`beneficiary/${id}`)))]
    if (unknown.length > 0) {
      // one call for all: each is a request and an execution of its own, and an answer pays dozens
      const asked = publicClient.readContract({
        blockNumber,
        address: l2.datanets,
        abi: Abi.datanetsAbi,
        functionName: 'beneficiariesOf',
        args: [unknown],
      })
      for (const [i, id] of unknown.entries()) {
        void once(reads, `beneficiary/${id}`, async () => (await asked)[i]!.toLowerCase()).catch(() => {})
      }
    }
    return Promise.all(ids.map((id) => reads.get(`beneficiary/${id}`) as Promise<Hex>))
  }

  return {
    async state() {
      const [[sequence, , batchCount, accountCount], [ledgerSumWei]] = await Promise.all([
        publicClient.readContract({ ...settlement, functionName: 'head' }),
        publicClient.readContract({ ...settlement, functionName: 'ledger' }),
      ])
      return {
        lastSequence: Number(sequence),
        batchCount: Number(batchCount),
        accountCount: Number(accountCount),
        ledgerSumWei,
      }
    },
    async prepaid(account) {
      // of one block: a batch in between would count a receipt twice or not at all
      const block = await newestBlock()
      const [wei, sequence] = await Promise.all([prepaidWei(block, account), lastSequence(block)])
      return { prepaidWei: wei, lastSequence: sequence }
    },
    async coverage(account) {
      const block = await newestBlock()
      const [wei, sequence, [setAsideWei, readyAt]] = await Promise.all([
        prepaidWei(block, account),
        lastSequence(block),
        withdrawalOf(block, account),
      ])
      const staysWei = readyAt >= block.timestamp + settlingSeconds ? setAsideWei : 0n
      return { prepaidWei: wei + staysWei, lastSequence: sequence }
    },
    claimedWei: (account) =>
      publicClient.readContract({ ...settlement, functionName: 'claimed', args: [account] }),
    async currentSplit() {
      const { splitVersion, split } = await splitAt()
      return { version: splitVersion, split }
    },
    async ledgerBatch(blockNumber) {
      const at = blockNumber === undefined ? {} : { blockNumber }
      return Number(await publicClient.readContract({ ...settlement, functionName: 'ledgerBatch', ...at }))
    },
    async postedCount() {
      return Number(await publicClient.readContract({ ...settlement, functionName: 'postedCount' }))
    },
    contests: () => readContests(publicClient, l2.settlement),
    async operator() {
      const operator = await publicClient.readContract({ ...settlement, functionName: 'operator' })
      return operator.toLowerCase() as Hex
    },
    async coveredWei() {
      return (await publicClient.readContract({ ...settlement, functionName: 'coverage' }))[0]
    },
    challengeWindow: () => ChallengeWindow.read(publicClient, l2.settlement),
    async nowSeconds() {
      return Number((await publicClient.getBlock({ blockTag: 'latest' })).timestamp)
    },
    async modelTerms(modelId) {
      const { inputPriceWei, outputPriceWei, retiredAt, attributionRoot, datanetIds } =
        await publicClient.readContract({
          address: l2.models,
          abi: Abi.modelsAbi,
          functionName: 'get',
          args: [modelId],
        })
      const commons = await publicClient.readContract({
        address: l2.datanets,
        abi: Abi.datanetsAbi,
        functionName: 'commonsOf',
        args: [datanetIds[0] ?? 0n],
      })
      return {
        inputPriceWei,
        outputPriceWei,
        attributionRoot,
        isRetired: retiredAt !== 0n,
        commons: commons.toLowerCase() as Hex,
      }
    },
    async answerTerms(modelId, contributionIds) {
      // all of one block: what was in force when the answer was made
      const block = await newestBlock()
      const [model, beneficiaries] = await Promise.all([
        modelAt(block, modelId),
        beneficiariesOf(block, contributionIds),
      ])
      return { ...model, timestamp: Number(block.timestamp), beneficiaries }
    },
  }
}

/**
 * One block, and what was read of its state. That cannot change any more, so whatever ends within a block asks once: the
 * chain makes a block a second, and many answers end in each.
 */
type Block = {
  readonly number: bigint
  readonly hash: Hex
  readonly timestamp: bigint
  readonly reads: Map<string, Promise<unknown>>
}

/** Gives what was read under a key, or reads it; what failed is not kept. */
function once<T>(reads: Map<string, Promise<unknown>>, key: string, read: () => Promise<T>): Promise<T> {
  let found = reads.get(key) as Promise<T> | undefined
  if (found === undefined) {
    found = read()
    reads.set(key, found)
    found.catch(() => reads.delete(key))
  }
  return found
}
