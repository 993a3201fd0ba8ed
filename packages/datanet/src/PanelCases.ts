import type { Hex } from '@openledger/primitives'
import { type Deployment, type Http, PanelRecords } from '@openledger/protocol'
import { datanetsAbi } from '@openledger/protocol/abi/datanets'
import { validatorPanelAbi } from '@openledger/protocol/abi/validatorPanel'
import { type PublicClient, parseEventLogs } from 'viem'
import { type AtBlock, createCaseReader } from './PanelStage.ts'

/** What the validators' panel decided about a contribution, as one of its transactions recorded it. */
export type PanelVerdict = {
  readonly caseId: number
  /** Whether a record stands accepted now. */
  readonly isAccepted: (index: number) => boolean
  /** Why the panel would not have a record, in a judge's words; undefined where it was not the panel that rejected it. */
  readonly reasonFor: (index: number) => string | undefined
}

/** Cases before the validators' panel, asked of the chain each time. */
export type PanelCases = {
  /** Cases about a contribution, oldest first. */
  readonly casesOf: (contributionId: Hex) => Promise<Http.PanelCase[]>
  /** Cases that an account was drawn for, newest first. */
  readonly dutiesOf: (judge: Hex) => Promise<Http.PanelCase[]>
  readonly termsOf: (datanetId: bigint) => Promise<Http.DatanetPanel>
  /** Last second of an account's right to read a Datanet as a judge who was drawn; 0 without one. */
  readonly readingUntil: (datanetId: bigint, judge: Hex) => Promise<bigint>
  /** What a transaction had recorded of the panel about a contribution; undefined where it was another's verdict. */
  readonly carriedOutIn: (transactionHash: Hex, contributionId: Hex) => Promise<PanelVerdict | undefined>
}

const { PART_SIZE, indexesOf, isIn } = PanelRecords

/** Creates the access to one deployment's panel. */
export function createPanelCases({
  publicClient,
  deployment,
}: {
  readonly publicClient: PublicClient
  readonly deployment: Deployment
}): PanelCases {
  const panel = { address: deployment.l2.validatorPanel, abi: validatorPanelAbi } as const
  const history = { ...panel, fromBlock: BigInt(deployment.l2StartBlock), strict: true } as const
  const readCase = createCaseReader({ publicClient, deployment })

  const read = async (caseId: bigint, at: AtBlock): Promise<Http.PanelCase> => {
    const [{ found, rounds, isAppealed, ...stands }, appealCostWei, events] = await Promise.all([
      readCase(caseId, at),
      publicClient.readContract({ ...panel, functionName: 'appealCostOf', args: [caseId] }),
      publicClient.getContractEvents({ ...history, args: { caseId } }),
    ])
    const votes = await Promise.all(
      rounds.flatMap(({ judges }, round) =>
        judges.map(async (judge): Promise<Http.PanelCase['votes'][number]> => {
          const vote = await publicClient.readContract({
            ...panel,
            functionName: 'voteOf',
            args: [caseId, judge],
          })
          // `caseId` is no part of some events: those of this judge in this case are looked for here
          const own = events.flatMap((event) =>
            'judge' in event.args && event.args.caseId === caseId && event.args.judge === judge
              ? [event]
              : [],
          )
          const sumOf = (name: 'JudgeSlashed' | 'JudgePaid') =>
            own.reduce(
              (sum, event) =>
                event.eventName === name ? sum + (event.args as { amount: bigint }).amount : sum,
              0n,
            )
          const said = own.find(({ eventName }) => eventName === 'VoteRevealed')
          const isCommitted = own.some(({ eventName }) => eventName === 'VoteCommitted')
          return {
            judge: lower(judge),
            round,
            weightWei: vote.weight.toString(),
            state: vote.isRevealed ? 'revealed' : isCommitted ? 'committed' : 'drawn',
            accepted: vote.isRevealed ? indexesOf(vote.accepted, found.part) : null,
            reason: said === undefined ? '' : (said.args as { reason: string }).reason,
            slashedWei: sumOf('JudgeSlashed').toString(),
            paidWei: sumOf('JudgePaid').toString(),
          }
        }),
      ),
    )
    return {
      id: Number(caseId),
      contributionId: found.contributionId,
      disputed: indexesOf(found.disputed, found.part),
      accepted: indexesOf(found.accepted, found.part),
      rejected: indexesOf(found.rejected, found.part),
      requester: lower(found.requester),
      appellant: isAppealed ? lower(found.appellant) : null,
      feeWei: found.feeWei.toString(),
      appealCostWei: appealCostWei.toString(),
      ...stands,
      votes,
    }
  }

  const readAll = async (ids: readonly bigint[]): Promise<Http.PanelCase[]> => {
    const newest = await publicClient.getBlock()
    return Promise.all(ids.map((id) => read(id, newest)))
  }

  return {
    async casesOf(contributionId) {
      const opened = await publicClient.getContractEvents({
        ...history,
        eventName: 'CaseOpened',
        args: { contributionId },
      })
      return readAll(opened.map(({ args }) => args.caseId))
    },
    async dutiesOf(judge) {
      const drawn = await publicClient.getContractEvents({
        ...history,
        eventName: 'JudgeDrawn',
        args: { judge },
      })
      return readAll(drawn.map(({ args }) => args.caseId).toReversed())
    },
    async termsOf(datanetId) {
      const [datanet, terms, stepSeconds] = await Promise.all([
        publicClient.readContract({
          address: deployment.l2.datanets,
          abi: datanetsAbi,
          functionName: 'get',
          args: [datanetId],
        }),
        publicClient.readContract({ ...panel, functionName: 'termsOf', args: [datanetId] }),
        publicClient.readContract({ ...panel, functionName: 'STEP_SECONDS' }),
      ])
      return {
        isUnderPanel: lower(datanet.panel) === panel.address && terms.judges > 0,
        isOnly: datanet.isPanelOnly,
        judges: terms.judges,
        feeWei: terms.feeWei.toString(),
        stepSeconds: Number(stepSeconds),
      }
    },
    readingUntil: (datanetId, judge) =>
      publicClient.readContract({ ...panel, functionName: 'readingUntil', args: [datanetId, judge] }),
    async carriedOutIn(hash, contributionId) {
      const { logs } = await publicClient.getTransactionReceipt({ hash })
      const ours = logs.filter(({ address }) => lower(address) === panel.address)
      const carried = parseEventLogs({
        abi: validatorPanelAbi,
        eventName: 'CaseCarriedOut',
        logs: ours,
      }).findLast(({ args }) => args.contributionId === contributionId)
      if (carried === undefined) return undefined
      const { caseId, accepted } = carried.args
      const [{ part, rejected }, revealed] = await Promise.all([
        publicClient.readContract({ ...panel, functionName: 'caseOf', args: [caseId] }),
        publicClient.getContractEvents({ ...history, eventName: 'VoteRevealed', args: { caseId } }),
      ])
      return {
        caseId: Number(caseId),
        isAccepted: (index) => isIn(accepted[Math.floor(index / PART_SIZE)] ?? 0n, index % PART_SIZE),
        reasonFor(index) {
          const bit = index % PART_SIZE
          if (Math.floor(index / PART_SIZE) !== part || !isIn(rejected, bit)) return undefined
          const said = revealed.find(({ args }) => args.reason !== '' && !isIn(args.accepted, bit))
          return said?.args.reason ?? 'No judge said why.'
        },
      }
    },
  }
}

const lower = (address: string): Hex => address.toLowerCase() as Hex
