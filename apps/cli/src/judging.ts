import { BaseError, type Hex } from '@openledger/primitives'
import { FeeSplit, type Http } from '@openledger/protocol'
import { datanetsAbi } from '@openledger/protocol/abi/datanets'
import { feePolicyAbi } from '@openledger/protocol/abi/feePolicy'
import { Credits, payOut, sharesOf } from '@openledger/settlement'
import { type AuditedFrom, computeReceipt } from './auditing.ts'
import type { Connection } from './Connection.ts'

/** What a juror found: who earns what of an answer, and the root that is voted on. */
export type Judgement = {
  readonly root: Hex
  readonly shares: readonly Credits.Credit[]
  /** What of the receipt does not follow; nothing when it pays whom it should. */
  readonly difference: string | undefined
}

/**
 * Recomputes an answer and gives the whole shares root that it should have: the receipt's own where it follows, else that
 * of what was computed here.
 *
 * @throws {OtherAnswerError} when the kept question and answer are not the receipt's.
 */
export async function judge(
  connection: Connection,
  receipt: Http.SignedReceipt,
  from: AuditedFrom & { readonly answerPath: string },
): Promise<Judgement> {
  const { verdict } = await computeReceipt(connection, receipt, from)
  if (verdict.status === 'same') {
    return { root: receipt.sharesRoot, shares: merged(sharesOf(receipt.attribution)), difference: undefined }
  }
  const { computed, line } = verdict
  if (computed === undefined) throw new OtherAnswerError(receipt.sequence, line)
  const beneficiaries = await Promise.all(
    computed.shares.map(({ contributionId }) => beneficiaryOf(connection, receipt, contributionId)),
  )
  const split = await connection.l2.readContract({
    address: connection.network.deployment.l2.feePolicy,
    abi: feePolicyAbi,
    functionName: 'splitOf',
    args: [receipt.splitVersion],
  })
  const { contributorsWei } = FeeSplit.split(BigInt(receipt.feeWei), split)
  // where nobody stakes, the stakers' part joins the contributors'
  const joinedWei = BigInt(receipt.contributorsWei) - contributorsWei
  const { payouts, sharesRoot } = payOut(computed, contributorsWei, joinedWei, beneficiaries)
  return {
    root: sharesRoot,
    shares: merged(payouts.map(({ beneficiary, amountWei }) => ({ account: beneficiary as Hex, amountWei }))),
    difference: line,
  }
}

/** One share for each account, accounts ascending. */
const merged = (shares: readonly Credits.Credit[]): Credits.Credit[] =>
  Credits.merge(shares).sort((a, b) => (a.account < b.account ? -1 : 1))

/** Who earned for a contribution when the receipt was made, as the chain tells it: the receipt is what is in doubt. */
async function beneficiaryOf(
  { l2, network: { deployment } }: Connection,
  { timestamp }: Http.SignedReceipt,
  contributionId: Hex,
): Promise<Hex> {
  const datanets = { address: deployment.l2.datanets, abi: datanetsAbi } as const
  const changes = await l2.getContractEvents({
    ...datanets,
    eventName: 'BeneficiaryChanged',
    args: { contributionId },
    fromBlock: BigInt(deployment.l2StartBlock),
    strict: true,
  })
  for (const { args, blockNumber } of changes) {
    const changedAt = (await l2.getBlock({ blockNumber })).timestamp
    if (changedAt > timestamp) return args.from.toLowerCase() as Hex
  }
  const present = await l2.readContract({
    ...datanets,
    functionName: 'beneficiaryOf',
    args: [contributionId],
  })
  return present.toLowerCase() as Hex
}

export class OtherAnswerError extends BaseError {
  constructor(sequence: number, line: string) {
    super({
      code: 'cli.other_answer',
      message: `Expected the question and answer of receipt ${sequence}, but their ${line} is another's. Ask the payer for what \`ask --save\` kept of this very answer.`,
      context: { sequence, line },
    })
  }
}
