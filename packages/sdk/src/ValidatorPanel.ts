import { BaseError, type Hex } from '@openledger/primitives'
import { type Deployment, PanelRecords, TypedData } from '@openledger/protocol'
import { validatorPanelAbi } from '@openledger/protocol/abi/validatorPanel'
import {
  concat,
  encodeAbiParameters,
  hexToBigInt,
  keccak256,
  numberToHex,
  type PublicClient,
  stringToHex,
} from 'viem'
import type { Signer } from './Client.ts'

const { PART_SIZE } = PanelRecords

/** Records of one part as the contract takes them: bit `i` of the word is record `256 × part + i`. */
export type Records = { readonly part: number; readonly word: bigint }

/** A vote as a judge commits to it, and what the chain keeps so that the judge finds it again. */
export type SealedVote = { readonly commitment: Hex; readonly sealedVote: Hex }

/** A vote as a judge reveals it. */
export type OpenedVote = { readonly word: bigint; readonly salt: Hex }

/**
 * Writes places of records as the contract takes them.
 * @throws {RecordsApartError} when they lie in several parts, or there are none.
 */
export function recordsOf(indexes: readonly number[]): Records {
  const parts = [...new Set(indexes.map((index) => Math.floor(index / PART_SIZE)))]
  if (parts.length !== 1) throw new RecordsApartError(indexes)
  const bits = [...new Set(indexes)].map((index) => 1n << BigInt(index % PART_SIZE))
  return { part: parts[0]!, word: bits.reduce((word, bit) => word | bit, 0n) }
}

/** Writes those of a case's records that a judge accepts, which may be none. */
export const wordOf = (accepted: readonly number[]): bigint =>
  accepted.length === 0 ? 0n : recordsOf(accepted).word

/**
 * Seals a vote. Nothing has to be kept: its salt is the hash of the judge's signature over the case, which their key gives
 * again, and the vote itself goes to the chain's log under a pad made of that salt.
 *
 * @param accepted - Of the disputed records those that the judge accepts.
 * @throws {UnsteadySignatureError} when the wallet does not sign the same twice the same way.
 */
export async function seal(
  signer: Signer,
  deployment: Deployment,
  caseId: number,
  accepted: readonly number[],
): Promise<SealedVote> {
  const salt = await saltOf(signer, deployment, caseId)
  if ((await saltOf(signer, deployment, caseId)) !== salt) throw new UnsteadySignatureError(signer.address)
  const word = wordOf(accepted)
  return {
    commitment: commitmentOf(signer.address, deployment, caseId, { word, salt }),
    sealedVote: numberToHex(word ^ padOf(salt), { size: 32 }),
  }
}

/**
 * Opens the last vote that a judge committed to in a case, from the chain and their key alone.
 * @throws {VoteNotFoundError} when there is none that this key has sealed.
 */
export async function open(
  publicClient: PublicClient,
  signer: Signer,
  deployment: Deployment,
  caseId: number,
): Promise<OpenedVote> {
  const committed = await publicClient.getContractEvents({
    address: deployment.l2.validatorPanel,
    abi: validatorPanelAbi,
    eventName: 'VoteCommitted',
    args: { caseId: BigInt(caseId), judge: signer.address },
    fromBlock: BigInt(deployment.l2StartBlock),
    strict: true,
  })
  const last = committed.at(-1)
  if (last === undefined) throw new VoteNotFoundError(caseId, signer.address)
  const salt = await saltOf(signer, deployment, caseId)
  const vote = { word: hexToBigInt(last.args.sealedVote) ^ padOf(salt), salt }
  if (commitmentOf(signer.address, deployment, caseId, vote) !== last.args.commitment) {
    throw new VoteNotFoundError(caseId, signer.address)
  }
  return vote
}

/** A place for another judge: a new one, or one that its holder has left long enough ago. */
export async function freePlace(publicClient: PublicClient, { l2 }: Deployment): Promise<bigint> {
  const panel = { address: l2.validatorPanel, abi: validatorPanelAbi } as const
  const [[holders, weights], block, blocks] = await Promise.all([
    publicClient.readContract({ ...panel, functionName: 'places' }),
    publicClient.getBlockNumber({ cacheTime: 0 }),
    publicClient.readContract({ ...panel, functionName: 'PLACE_BLOCKS' }),
  ])
  for (const [place, weight] of weights.entries()) {
    if (weight !== 0n) continue
    const changes = await publicClient.getContractEvents({
      ...panel,
      eventName: 'WeightChanged',
      args: { validator: holders[place]! },
      fromBlock: block > blocks ? block - blocks : 0n,
    })
    if (changes.length === 0) return BigInt(place)
  }
  return BigInt(holders.length)
}

const saltOf = async (signer: Signer, { l2, l2ChainId }: Deployment, caseId: number): Promise<Hex> =>
  keccak256(
    await signer.signTypedData({
      domain: TypedData.contractDomain('OpenLedger ValidatorPanel', l2ChainId, l2.validatorPanel),
      types: TypedData.panelVote,
      primaryType: 'PanelVote',
      message: { caseId: BigInt(caseId) },
    }),
  )

const padOf = (salt: Hex): bigint => hexToBigInt(keccak256(concat([salt, stringToHex('vote')])))

/** As `ValidatorPanel.commitmentOf` has it. */
const commitmentOf = (
  judge: Hex,
  { l2, l2ChainId }: Deployment,
  caseId: number,
  { word, salt }: OpenedVote,
): Hex =>
  keccak256(
    encodeAbiParameters(
      [
        { type: 'uint256' },
        { type: 'address' },
        { type: 'uint256' },
        { type: 'address' },
        { type: 'uint256' },
        { type: 'bytes32' },
      ],
      [BigInt(l2ChainId), l2.validatorPanel, BigInt(caseId), judge, word, salt],
    ),
  )

export class RecordsApartError extends BaseError {
  constructor(indexes: readonly number[]) {
    super({
      code: 'panel.records_apart',
      message: `Expected records of one part of a contribution (0 to ${PART_SIZE - 1}, ${PART_SIZE} to ${2 * PART_SIZE - 1}, ...), got ${indexes.length === 0 ? 'none' : indexes.slice(0, 20).join(', ')}. Dispute each part in a case of its own.`,
      context: { indexes: indexes.slice(0, 20) },
    })
  }
}

export class UnsteadySignatureError extends BaseError {
  constructor(account: Hex) {
    super({
      code: 'panel.unsteady_signature',
      message: `Expected ${account} to sign the same words the same way twice, but it does not: its vote could not be revealed. Judge with a plain key, as openledger does.`,
      context: { account },
    })
  }
}

export class VoteNotFoundError extends BaseError {
  constructor(caseId: number, account: Hex) {
    super({
      code: 'panel.vote_not_found',
      message: `Expected a vote in case ${caseId} that ${account} committed to with openledger commit-verdict, found none. Reveal with the key, and on the network, that committed.`,
      context: { caseId, account },
    })
  }
}
