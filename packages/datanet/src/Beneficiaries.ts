import type { Hex } from '@openledger/primitives'
import type { Deployment } from '@openledger/protocol'
import { datanetsAbi } from '@openledger/protocol/abi/datanets'
import { type Database, eq, schema } from '@openledger/store'
import type { PublicClient } from 'viem'

const { contributions, facts } = schema

export type Beneficiaries = {
  /** Brings the table's beneficiaries up to the newest block; costs one question when there is none. */
  readonly follow: () => Promise<void>
}

const CURSOR = 'datanet.beneficiaries'
const BLOCKS_PER_QUERY = 5_000n

/** Creates what keeps up with rewards that change hands: contributors do that on chain, where nobody tells the server. */
export function createBeneficiaries(deps: {
  readonly database: Database
  readonly publicClient: PublicClient
  readonly deployment: Deployment
}): Beneficiaries {
  const { database, publicClient, deployment } = deps
  let last: Promise<unknown> = Promise.resolve()

  const nextBlock = async (): Promise<bigint> => {
    const [row] = await database.orm.select().from(facts).where(eq(facts.key, CURSOR))
    return row === undefined ? BigInt(deployment.l2StartBlock) : BigInt(row.value as number)
  }

  const readOn = async (): Promise<void> => {
    const head = await publicClient.getBlockNumber({ cacheTime: 0 })
    for (let from = await nextBlock(); from <= head; from += BLOCKS_PER_QUERY) {
      const end = from + BLOCKS_PER_QUERY - 1n
      const to = end < head ? end : head
      const changes = await publicClient.getContractEvents({
        address: deployment.l2.datanets,
        abi: datanetsAbi,
        eventName: 'BeneficiaryChanged',
        fromBlock: from,
        toBlock: to,
        strict: true,
      })
      await database.transaction(async (orm) => {
        for (const { args } of changes) {
          await orm
            .update(contributions)
            .set({ beneficiary: args.to.toLowerCase() as Hex })
            .where(eq(contributions.id, args.contributionId))
        }
        const value = Number(to) + 1
        await orm
          .insert(facts)
          .values({ key: CURSOR, value })
          .onConflictDoUpdate({ target: facts.key, set: { value } })
      })
    }
  }

  return {
    follow() {
      const turn = last.then(readOn)
      last = turn.catch(() => {})
      return turn
    },
  }
}
