import { Bytes, CanonicalJson, type Hex, MerkleSum, Share } from '@openledger/primitives'
import { FeeSplit, type Http, Receipt, TypedData } from '@openledger/protocol'
import { feePolicyAbi } from '@openledger/protocol/abi/feePolicy'
import { settlementAbi } from '@openledger/protocol/abi/settlement'
import { recoverAddress } from 'viem'
import type { Connection } from './Connection.ts'

/** One claim of a receipt, checked. */
export type Line = { readonly claim: string; readonly holds: boolean; readonly difference: string }

/**
 * Checks everything a receipt says about money and signatures against the chain, trusting the server for nothing but
 * the receipt itself.
 *
 * @returns One line for each claim, in the order in which they build on each other.
 */
export async function verifyReceipt(connection: Connection, claimed: Http.SignedReceipt): Promise<Line[]> {
  const { l2, network } = connection
  const { deployment } = network
  const lines: Line[] = []
  const check = (claim: string, expected: unknown, got: unknown) =>
    lines.push({
      claim,
      holds: String(expected).toLowerCase() === String(got).toLowerCase(),
      difference: `expected ${expected}, the receipt says ${got}`,
    })

  const receipt = receiptOf(claimed)
  check('the hash is the hash of its fields', Receipt.hash(receipt), claimed.hash)

  const domain = TypedData.contractDomain(
    'OpenLedger Settlement',
    deployment.l2ChainId,
    deployment.l2.settlement,
  )
  const settlement = { address: deployment.l2.settlement, abi: settlementAbi } as const
  const operator = await l2.readContract({ ...settlement, functionName: 'operator' })
  const signer = await recoverAddress({ hash: Receipt.digest(receipt, domain), signature: claimed.signature })
  check('the serving node that the contract names signed it', operator, signer)

  check(
    'the attribution is the one that was signed',
    CanonicalJson.hash(claimed.attribution),
    claimed.attributionHash,
  )
  checkShares(claimed, await checkSplit(connection, claimed, check), check)

  const [settled] = await l2.getContractEvents({
    ...settlement,
    eventName: 'ReceiptSettled',
    args: { sequence: receipt.sequence },
    fromBlock: BigInt(deployment.l2StartBlock),
  })
  if (settled === undefined) {
    lines.push({
      claim: 'the chain settled this very receipt',
      holds: claimed.settlementTransaction === null,
      difference: 'the chain has no such receipt, though it is said to be settled',
    })
  } else {
    check('the chain settled this very receipt', settled.args.receiptHash, claimed.hash)
    check('the chain paid contributors what it says', settled.args.contributorsWei, claimed.contributorsWei)
  }
  return lines
}

type Check = (claim: string, expected: unknown, got: unknown) => void

/** Checks the four parts of the fee. @returns What of the stakers' part joined the commons, because nobody stakes. */
async function checkSplit(
  { l2, network }: Connection,
  claimed: Http.SignedReceipt,
  check: Check,
): Promise<bigint> {
  const split = await l2.readContract({
    address: network.deployment.l2.feePolicy,
    abi: feePolicyAbi,
    functionName: 'splitOf',
    args: [claimed.splitVersion],
  })
  const { platformWei, ownerWei, stakersWei, contributorsWei } = FeeSplit.split(BigInt(claimed.feeWei), split)
  const joinedWei = claimed.stakersWei === '0' ? stakersWei : 0n
  const say = (...[platform, owner, stakers, contributors]: (bigint | string)[]) =>
    `platform ${platform} + owner ${owner} + stakers ${stakers} + contributors ${contributors}`
  check(
    `the fee is split by version ${claimed.splitVersion} of the policy`,
    say(platformWei, ownerWei, stakersWei - joinedWei, contributorsWei + joinedWei),
    say(claimed.platformWei, claimed.ownerWei, claimed.stakersWei, claimed.contributorsWei),
  )
  return joinedWei
}

function checkShares(
  { attribution, contributorsWei, sharesRoot }: Http.SignedReceipt,
  joinedWei: bigint,
  check: Check,
): void {
  const { shares, commons } = attribution
  const weights = [...shares.map((share) => BigInt(share.sharePpm)), BigInt(commons.sharePpm)]
  const sumPpm = weights.reduce((sum, weight) => sum + weight, 0n)
  check('shares and commons add up to the whole', Share.SCALE, sumPpm)
  for (const share of shares) {
    const explained = share.reasons.reduce((sum, reason) => sum + reason.sharePpm, 0)
    check(
      `the reasons for ${share.contributionId.slice(0, 10)} add up to its share`,
      share.sharePpm,
      explained,
    )
  }
  if (sumPpm !== Share.SCALE) return
  const amounts = Share.split(BigInt(contributorsWei) - joinedWei, weights)
  const paid = [...shares.map((share) => share.amountWei), commons.amountWei]
  check(
    'every payout is its share of the contributors’ part, to the wei',
    [...amounts.slice(0, -1), amounts.at(-1)! + joinedWei],
    paid,
  )
  const leaves = [
    ...shares.map((share, i) => ({ to: share.beneficiary, wei: amounts[i]! })),
    { to: commons.beneficiary, wei: amounts.at(-1)! },
    // what nobody staked for is the last leaf, on its own
    { to: commons.beneficiary, wei: joinedWei },
  ]
    .filter(({ wei }) => wei > 0n)
    .map(({ to, wei }) => MerkleSum.leaf(Bytes.fromHex(to), wei))
  check(
    'the shares root is over exactly these payouts',
    Bytes.toHex(MerkleSum.build(leaves).root.hash),
    sharesRoot,
  )
}

const receiptOf = (view: Http.SignedReceipt): Receipt.Receipt => ({
  sequence: BigInt(view.sequence),
  previousHash: view.previousHash as Hex,
  payer: view.payer,
  modelId: BigInt(view.modelId),
  promptHash: view.promptHash,
  answerHash: view.answerHash,
  inputTokens: view.inputTokens,
  outputTokens: view.outputTokens,
  feeWei: BigInt(view.feeWei),
  splitVersion: view.splitVersion,
  sharesRoot: view.sharesRoot,
  attributionHash: view.attributionHash,
  inferenceCommitment: view.inferenceCommitment,
  timestamp: BigInt(view.timestamp),
})
