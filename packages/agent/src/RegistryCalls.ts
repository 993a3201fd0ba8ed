import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import { agentReputationAbi } from '@openledger/protocol/abi/agentReputation'
import { agentValidationAbi } from '@openledger/protocol/abi/agentValidation'
import { agentWalletAbi } from '@openledger/protocol/abi/agentWallet'
import { RATING_TAG } from '@openledger/protocol/http/chain'
import { encodeFunctionData } from 'viem'

const SCORE_MAX = 100
const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`

/**
 * Rates an agent from 0 to 100. For anyone but its owner to send.
 * @throws {ScoreError}
 */
export const rate = (agentReputation: Hex, agentId: bigint, score: number) =>
  ({
    address: agentReputation,
    abi: agentReputationAbi,
    functionName: 'giveFeedback',
    args: [agentId, BigInt(checked(score)), 0, RATING_TAG, '', '', '', ZERO_HASH],
  }) as const

/** Names what a validator is asked: the keccak256 of agent, validator and text, so that the same can be asked only once. */
export const requestHashOf = (agentId: bigint, validator: Hex, text: string): Hex =>
  Bytes.toHex(
    Bytes.keccak256(
      Bytes.concat(Bytes.fromUint(agentId, 32), Bytes.fromHex(validator), Bytes.fromUtf8(text)),
    ),
  )

/** Has an agent's wallet ask a validator to check the agent's work. For the wallet's owner to send. @param text - What to check, or where it is. */
export const requestValidation = (
  wallet: Hex,
  agentValidation: Hex,
  agentId: bigint,
  validator: Hex,
  text: string,
) =>
  ({
    address: wallet,
    abi: agentWalletAbi,
    functionName: 'execute',
    args: [
      agentValidation,
      0n,
      encodeFunctionData({
        abi: agentValidationAbi,
        functionName: 'validationRequest',
        args: [validator, agentId, text, requestHashOf(agentId, validator, text)],
      }),
    ],
  }) as const

/**
 * Answers a request from 0 (failed) to 100 (passed). For the validator that was asked to send.
 * @throws {ScoreError}
 */
export const answerValidation = (agentValidation: Hex, requestHash: Hex, score: number) =>
  ({
    address: agentValidation,
    abi: agentValidationAbi,
    functionName: 'validationResponse',
    args: [requestHash, checked(score), '', ZERO_HASH, ''],
  }) as const

function checked(score: number): number {
  if (!Number.isInteger(score) || score < 0 || score > SCORE_MAX) throw new ScoreError(score)
  return score
}

export class ScoreError extends BaseError {
  constructor(score: number) {
    super({
      code: 'agent.score',
      message: `Expected a whole number from 0 to ${SCORE_MAX}, got ${score}. Nothing was sent.`,
      context: { score },
    })
  }
}
