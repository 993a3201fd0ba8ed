import type { Hex } from '@openledger/primitives'
import type { Deployment, Http } from '@openledger/protocol'
import { validatorPanelAbi } from '@openledger/protocol/abi/validatorPanel'
import { type ContractFunctionReturnType, type PublicClient, zeroAddress } from 'viem'

type Read<name extends 'caseOf' | 'roundOf'> = ContractFunctionReturnType<
  typeof validatorPanelAbi,
  'view',
  name
>

/** A case before the validators' panel as the chain has it, and what can be done in it at a moment. */
export type CaseOnChain = {
  readonly found: Read<'caseOf'>
  /** The first round's, and the appeal's. */
  readonly rounds: readonly [Read<'roundOf'>, Read<'roundOf'>]
  readonly isAppealed: boolean
  readonly outcome: Http.PanelCase['outcome']
} & Pick<Http.PanelCase, 'stage' | 'until' | 'isDrawable'>

/** What a case is read at. */
export type AtBlock = { readonly number: bigint; readonly timestamp: bigint }

const OUTCOMES = ['open', 'lapsed', 'hung', 'decided'] as const

/**
 * Creates the reading of cases, by number.
 *
 * @returns What gives a case as it stands at a block.
 */
export function createCaseReader({
  publicClient,
  deployment,
}: {
  readonly publicClient: PublicClient
  readonly deployment: Deployment
}): (caseId: bigint, at: AtBlock) => Promise<CaseOnChain> {
  const panel = { address: deployment.l2.validatorPanel, abi: validatorPanelAbi } as const
  return async (caseId, { number, timestamp }) => {
    const [found, stepSeconds, first, second] = await Promise.all([
      publicClient.readContract({ ...panel, functionName: 'caseOf', args: [caseId] }),
      publicClient.readContract({ ...panel, functionName: 'STEP_SECONDS' }),
      publicClient.readContract({ ...panel, functionName: 'roundOf', args: [caseId, 0n] }),
      publicClient.readContract({ ...panel, functionName: 'roundOf', args: [caseId, 1n] }),
    ])
    const isAppealed = found.appellant !== zeroAddress
    const round = isAppealed ? second : first
    const stands = stageOf(found, round, { isAppealed, stepSeconds, nowSeconds: timestamp })
    return {
      found,
      rounds: [first, second],
      isAppealed,
      outcome: OUTCOMES[found.outcome]!,
      ...stands,
      isDrawable: stands.stage === 'draw' && number > round.drawBlock,
    }
  }
}

/** What can be done in a case at a time, and until when. */
function stageOf(
  { outcome, isCarriedOut }: Pick<Read<'caseOf'>, 'outcome' | 'isCarriedOut'>,
  round: {
    readonly judges: readonly Hex[]
    readonly drawUntil: bigint
    readonly commitUntil: bigint
    readonly revealUntil: bigint
  },
  {
    isAppealed,
    stepSeconds,
    nowSeconds,
  }: { readonly isAppealed: boolean; readonly stepSeconds: bigint; readonly nowSeconds: bigint },
): Pick<Http.PanelCase, 'stage' | 'until'> {
  if (OUTCOMES[outcome] === 'decided' && !isCarriedOut) return { stage: 'carryOut', until: null }
  if (OUTCOMES[outcome] !== 'open') return { stage: 'over', until: null }
  const stages = [
    ...(round.judges.length === 0
      ? [['draw', round.drawUntil] as const]
      : [['commit', round.commitUntil] as const, ['reveal', round.revealUntil] as const]),
    ...(round.judges.length === 0 || isAppealed
      ? []
      : [['appeal', round.revealUntil + stepSeconds] as const]),
  ]
  const now = stages.find(([, until]) => nowSeconds <= until)
  return now === undefined ? { stage: 'conclude', until: null } : { stage: now[0], until: Number(now[1]) }
}
