import type { Hex } from '@openledger/primitives'
import { type Deployment, type Http, PanelRecords, type Sender } from '@openledger/protocol'
import { validatorPanelAbi } from '@openledger/protocol/abi/validatorPanel'
import type { PublicClient } from 'viem'
import type { Datanets } from './Datanets.ts'
import { createCaseReader } from './PanelStage.ts'
import { ContributionNotFoundError } from './Queries.ts'

/** What anyone may do to carry a case forward, whoever its parties are. */
export type PanelStep = Extract<Http.PanelCase['stage'], 'draw' | 'conclude' | 'carryOut'>

export type PanelKeeperStatus = {
  /** Cases that are not over, among those that are carried forward here. */
  readonly openCount: number
  /** Of them those whose next step the chain refuses; a draw for which too few judges are there is one. */
  readonly refusedCount: number
  /** Steps that this process took. */
  readonly steps: Readonly<Record<PanelStep, number>>
}

/** Carries cases before the validators' panel forward, so that none waits for its parties to do it. */
export type PanelKeeper = {
  /** Takes every step that can be taken now, and gives how many it took; what is refused goes to `onError`. */
  readonly proceed: () => Promise<number>
  /** Does so every `intervalMs`. */
  readonly start: () => void
  readonly status: () => PanelKeeperStatus
  /** Waits for the steps in hand and stops. */
  readonly close: () => Promise<void>
}

export type PanelKeeperOptions = {
  /** Disputes for less are left to others: whoever pays a wei must not make the operator pay gas. */
  readonly feeMinWei?: bigint
  readonly intervalMs?: number
  readonly onStep?: (caseId: number, step: PanelStep) => void
  /** Told once of each reason why a case cannot go on. */
  readonly onError?: (error: unknown, caseId: number) => void
}

/**
 * Creates the keeper. All that it knows it asks of the chain: killed at any moment, it goes on where the chain stands, and
 * where somebody else took a step first there is nothing left to do.
 *
 * The hash that draws is known for 256 blocks. A keeper that was away for longer has a new block named, and draws by that.
 */
export function createPanelKeeper(
  deps: {
    readonly publicClient: PublicClient
    readonly deployment: Deployment
    /** Pays for the steps. */
    readonly sender: Sender
    readonly datanets: Pick<Datanets, 'contribution' | 'followContributions'>
  },
  options: PanelKeeperOptions = {},
): PanelKeeper {
  const { publicClient, deployment, sender, datanets } = deps
  const { feeMinWei = 0n, intervalMs = 4_000, onStep = () => {}, onError = () => {} } = options
  const panel = { address: deployment.l2.validatorPanel, abi: validatorPanelAbi } as const
  const readCase = createCaseReader({ publicClient, deployment })
  /** Nothing will ever be done here about these; a process that starts learns it anew. */
  const over = new Set<bigint>()
  const refusals = new Map<bigint, string>()
  const steps = { draw: 0, conclude: 0, carryOut: 0 }
  let openCount = 0
  let timer: NodeJS.Timeout | undefined
  let isRunning = false
  let last: Promise<unknown> = Promise.resolve()

  /** What can be done in a case at the newest block. */
  const dueIn = async (caseId: bigint) => {
    const newest = await publicClient.getBlock({ blockTag: 'latest' })
    const { found, stage, isDrawable } = await readCase(caseId, newest)
    const isStep = (stage === 'draw' && isDrawable) || stage === 'conclude' || stage === 'carryOut'
    return {
      isOver: over.has(caseId) || stage === 'over' || found.feeWei < feeMinWei,
      step: isStep ? stage : undefined,
      contributionId: found.contributionId,
    }
  }

  /** A contribution with the verdict that stands; nothing where another server has its records, or it was taken back. */
  const recordsOf = async (id: Hex): Promise<Http.ContributionDetail | undefined> => {
    await datanets.followContributions()
    try {
      const detail = await datanets.contribution(id)
      return detail.status === 'withdrawing' || detail.status === 'withdrawn' ? undefined : detail
    } catch (error) {
      if (error instanceof ContributionNotFoundError) return undefined
      throw error
    }
  }

  /** @returns False when it can never be taken here. */
  const take = async (caseId: bigint, step: PanelStep, contributionId: Hex): Promise<boolean> => {
    if (step !== 'carryOut') {
      await sender.send({ ...panel, functionName: step, args: [caseId] })
      return true
    }
    const detail = await recordsOf(contributionId)
    if (detail === undefined) return false
    const args = PanelRecords.carryOutArguments(Number(caseId), detail)
    await sender.send({ ...panel, functionName: step, args })
    await datanets.followContributions()
    return true
  }

  /** Takes a case's steps until there is none left to take now. */
  const proceedWith = async (caseId: bigint): Promise<number> => {
    for (let count = 0; ; ) {
      const { isOver, step, contributionId } = await dueIn(caseId)
      if (isOver) over.add(caseId)
      if (isOver || step === undefined) {
        refusals.delete(caseId)
        return count
      }
      try {
        if (!(await take(caseId, step, contributionId))) {
          over.add(caseId)
          continue
        }
      } catch (error) {
        if ((await dueIn(caseId)).step === step) throw error
        // somebody else was faster
        continue
      }
      count++
      steps[step]++
      onStep(Number(caseId), step)
    }
  }

  const proceed = async (): Promise<number> => {
    const caseCount = await publicClient.readContract({ ...panel, functionName: 'caseCount' })
    let count = 0
    for (let caseId = 1n; caseId <= caseCount; caseId++) {
      if (over.has(caseId)) continue
      try {
        count += await proceedWith(caseId)
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        if (refusals.get(caseId) !== reason) onError(error, Number(caseId))
        refusals.set(caseId, reason)
      }
    }
    openCount = Number(caseCount) - over.size
    return count
  }

  const oneAtATime = (): Promise<number> => {
    const turn = last.then(proceed)
    last = turn.catch(() => {})
    return turn
  }

  const schedule = (delayMs: number): void => {
    if (!isRunning) return
    timer = setTimeout(() => {
      oneAtATime()
        .catch((error: unknown) => onError(error, 0))
        .finally(() => schedule(intervalMs))
    }, delayMs)
  }

  return {
    proceed: oneAtATime,
    start() {
      isRunning = true
      schedule(0)
    },
    status: () => ({ openCount, refusedCount: refusals.size, steps: { ...steps } }),
    async close() {
      isRunning = false
      clearTimeout(timer)
      await last
    },
  }
}
