import type { Hex } from '@openledger/primitives'
import type { Deployment, Sender } from '@openledger/protocol'
import { datanetsAbi } from '@openledger/protocol/abi/datanets'
import { and, type Database, eq, inArray, schema } from '@openledger/store'
import type { PublicClient } from 'viem'
import type { Judgements } from './Judgements.ts'
import type { PanelCases } from './PanelCases.ts'

const { contributions, facts } = schema

export type ContributionEvents = {
  /**
   * Brings the tables up to the newest block: who is paid, what was withdrawn, what people judged; costs one question when
   * there is none.
   * @returns Whether verdicts changed.
   */
  readonly follow: () => Promise<boolean>
}

const CURSOR = 'datanet.contribution_events'
const BLOCKS_PER_QUERY = 5_000n

/** Creates what keeps up with what people do with their contributions on chain, where nobody tells the server. */
export function createContributionEvents(deps: {
  readonly database: Database
  readonly publicClient: PublicClient
  readonly deployment: Deployment
  readonly judgements: Pick<Judgements, 'adopt' | 'adoptPanel'>
  readonly panelCases: Pick<PanelCases, 'carriedOutIn'>
  /** Whose verdicts are in the tables before they are on chain. */
  readonly validator: Pick<Sender, 'account'>
}): ContributionEvents {
  const { database, publicClient, deployment, judgements, panelCases, validator } = deps
  let last: Promise<unknown> = Promise.resolve()

  const nextBlock = async (): Promise<bigint> => {
    const [row] = await database.orm.select().from(facts).where(eq(facts.key, CURSOR))
    return row === undefined ? BigInt(deployment.l2StartBlock) : BigInt(row.value as number)
  }

  const readOn = async (): Promise<boolean> => {
    let isJudged = false
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
          } else if (event.eventName === 'VerdictRecorded') {
            const { validator: by } = event.args
            if (by.toLowerCase() === validator.account.toLowerCase()) continue
            const ofPanel =
              by.toLowerCase() === deployment.l2.validatorPanel
                ? await panelCases.carriedOutIn(event.transactionHash, event.args.contributionId)
                : undefined
            const isAdopted = ofPanel
              ? await judgements.adoptPanel(orm, event.args, ofPanel)
              : await judgements.adopt(orm, event.args)
            isJudged = isAdopted || isJudged
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
    return isJudged
  }

  return {
    follow() {
      const turn = last.then(readOn)
      last = turn.catch(() => {})
      return turn
    },
  }
}
