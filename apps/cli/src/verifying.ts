import { Bytes, CanonicalJson, type Hex, MerkleSum, Share } from '@openledger/primitives'
import { Attribution, FeeSplit, type Http, Receipt, SignedRequest, TypedData } from '@openledger/protocol'
import { feePolicyAbi } from '@openledger/protocol/abi/feePolicy'
import { settlementAbi } from '@openledger/protocol/abi/settlement'
import { stakingAbi } from '@openledger/protocol/abi/staking'
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

  const receipt = Receipt.ofShown(claimed)
  check('the hash is the hash of its fields', Receipt.hash(receipt), claimed.hash)

  const domain = TypedData.contractDomain(
    'OpenLedger Settlement',
    deployment.l2ChainId,
    deployment.l2.settlement,
  )
  const settlement = { address: deployment.l2.settlement, abi: settlementAbi } as const
  const settler =
    claimed.settlementTransaction === null
      ? undefined
      : await checkInclusion(connection, claimed, receipt, check)
  // operators change; who settled it stands for it
  const operator = settler ?? (await l2.readContract({ ...settlement, functionName: 'operator' }))
  const signer = await recoverAddress({ hash: Receipt.digest(receipt, domain), signature: claimed.signature })
  check('the serving node that the contract names signed it', operator, signer)

  if (claimed.countersignature !== undefined) {
    const { payer: account, countersignature: signature } = claimed
    const isPayers = await SignedRequest.verifySignature(l2, {
      account,
      digest: Receipt.digest(receipt, domain),
      signature,
    }).then(
      () => true,
      () => false,
    )
    check('the payer signed it too', true, isPayers)
  }

  check(
    'the attribution is the one that was signed',
    CanonicalJson.hash(claimed.attribution),
    claimed.attributionHash,
  )
  checkMerge(claimed, check)
  checkPin(claimed, check)
  checkShares(claimed, await checkSplit(connection, claimed, check), check)

  return lines
}

/** Checks that the batch which the chain has over this sequence holds this very receipt. @returns Who settled it. */
async function checkInclusion(
  { client, l2, network: { deployment } }: Connection,
  { signature }: Http.SignedReceipt,
  receipt: Receipt.Receipt,
  check: Check,
): Promise<Hex | undefined> {
  const proof = await client.inclusion(Number(receipt.sequence))
  const [settled] = await l2.getContractEvents({
    address: deployment.l2.settlement,
    abi: settlementAbi,
    eventName: 'BatchSettled',
    args: { batch: BigInt(proof.batch) },
    fromBlock: BigInt(deployment.l2StartBlock),
    strict: true,
  })
  const first = settled?.args.firstSequence ?? 0n
  const isThere =
    settled !== undefined &&
    first + BigInt(proof.index) === receipt.sequence &&
    MerkleSum.verify(
      { hash: Bytes.fromHex(settled.args.receiptsRoot), sum: BigInt(proof.feesWei) },
      Receipt.leaf(receipt, signature),
      proof.index,
      proof.siblings.map(({ hash, sum }) => ({ hash: Bytes.fromHex(hash), sum: BigInt(sum) })),
    )
  check('the chain settled this very receipt', true, isThere)
  return settled && (await l2.getTransaction({ hash: settled.transactionHash })).from
}

type Check = (claim: string, expected: unknown, got: unknown) => void

/** Checks the fee of an adapter that is kept in memory. */
function checkPin({ attribution: { pin }, feeWei }: Http.SignedReceipt, check: Check) {
  if (pin === undefined) return
  check('the fee is that of so many bytes for so long', Attribution.pinFeeWei(pin), feeWei)
}

/** Checks the part of the tokens that a model is paid for where several answered together. */
function checkMerge(
  { attribution: { merge }, modelId, inputTokens, outputTokens }: Http.SignedReceipt,
  check: Check,
) {
  if (merge === undefined) return
  const { models, index } = merge
  check(
    'it is of the model that it names among those that answered together',
    models[index]?.modelId,
    modelId,
  )
  const { weightPpm = 0 } = models[index] ?? {}
  const partOf = (tokens: number): number => Attribution.mergedTokens(tokens, weightPpm)
  check(
    'the model is paid for its weight’s part of the answer’s tokens',
    `${partOf(merge.inputTokens)} and ${partOf(merge.outputTokens)}`,
    `${inputTokens} and ${outputTokens}`,
  )
}

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
  // the stake when the answer was made decides, whatever stands behind the model now
  const [stakedWei, from, until] = await l2.readContract({
    address: network.deployment.l2.staking,
    abi: stakingAbi,
    functionName: 'stakeAt',
    args: [BigInt(claimed.modelId), claimed.stakeVersion],
  })
  const isInForce = from <= claimed.timestamp && (until === 0n || until >= claimed.timestamp)
  check(`version ${claimed.stakeVersion} of the stake was in force`, true, isInForce)
  const joinedWei = stakedWei === 0n ? stakersWei : 0n
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
  const earned = new Map<Hex, bigint>()
  const pay = (to: Hex, wei: bigint) => {
    if (wei > 0n) earned.set(to, (earned.get(to) ?? 0n) + wei)
  }
  for (const [i, share] of shares.entries()) pay(share.beneficiary, amounts[i]!)
  pay(commons.beneficiary, amounts.at(-1)! + joinedWei)
  check(
    'the shares root is over exactly these payouts',
    Receipt.sharesRoot([...earned].map(([account, amountWei]) => ({ account, amountWei }))),
    sharesRoot,
  )
}
