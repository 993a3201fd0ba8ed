import type { Hex } from '@openledger/primitives'
import type { Deployment } from '@openledger/protocol'
import { datanetsAbi } from '@openledger/protocol/abi/datanets'
import { and, type Database, eq, inArray, schema } from '@openledger/store'
import type { PublicClient } from 'viem'

const { contributions, facts } = schema

export type ContributionEvents = {
  /** Brings the table up to the newest block: who is paid, and what was withdrawn; costs one question when there is none. */
  readonly follow: () => Promise<void>
}

const CURSOR = 'datanet.contribution_events'
const BLOCKS_PER_QUERY = 5_000n

/** Creates what keeps up with what people do with their contributions on chain, where nobody tells the server. */
export function createContributionEvents(deps: {
  readonly database: Database
  readonly publicClient: PublicClient
  readonly deployment: Deployment
}): ContributionEvents {
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
      const events = await publicClient.getContractEvents({
        address: deployment.l2.datanets,
        abi: datanetsAbi,
        fromBlock: from,
        toBlock: to,
        strict: true,
      })
      await database.transaction(async (orm) => {
        for (const event of events) {
          if (event.eventName === 'BeneficiaryChanged') {
            const { contributionId, to: beneficiary } = event.args
            await orm
              .update(contributions)
              .set({ beneficiary: beneficiary.toLowerCase() as Hex })
              .where(eq(contributions.id, contributionId))
          } else if (event.eventName === 'ContributionWithdrawn') {
            // what is left of it is the validation's to take away, which alone publishes versions
            await orm
              .update(contributions)
              .set({ status: 'withdrawing' })
              .where(
                and(
                  eq(contributions.id, event.args.contributionId),
                  inArray(contributions.status, ['received', 'registered', 'validated', 'versioned']),
                ),
              )
          }
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
