import type { Clock, Hex } from '@openledger/primitives'
import {
  Abi,
  type Deployment,
  type Sender,
  SignedRequest,
  TransactionUnconfirmedError,
  TypedData,
} from '@openledger/protocol'
import { hashTypedData, type PublicClient } from 'viem'
import type { Accounts } from './Accounts.ts'

/** A payer's signature over prepaid money that it wants back (EIP-712 `Refund`). */
export type RefundRequest = {
  readonly account: Hex
  readonly amountWei: bigint
  /** Any that the account did not use before. */
  readonly nonce: Hex
  /** Unix seconds. */
  readonly deadline: number
  readonly signature: Hex
}

export type Refunds = {
  /**
   * Pays prepaid money back at once, at the operator's cost of gas. What running answers hold, and what is charged but not
   * settled, stays; answers go on.
   * @returns The L2 transaction that paid it.
   * @throws {RequestExpiredError} | {SignatureInvalidError}
   * @throws {InsufficientBalanceError} when that much cannot be spent now.
   * @throws {TransactionRevertedError} when the chain refuses it, as for a nonce that was used.
   * @throws {TransactionUnconfirmedError} when it may still be paid; the money stays set aside meanwhile.
   */
  readonly pay: (request: RefundRequest) => Promise<Hex>
}

/** Creates the paying back of prepaid money. */
export function createRefunds(deps: {
  readonly accounts: Pick<Accounts, 'holdBack' | 'release'>
  readonly publicClient: PublicClient
  readonly sender: Sender
  readonly deployment: Deployment
  readonly clock: Clock
}): Refunds {
  const { accounts, publicClient, sender, deployment, clock } = deps
  const { settlement } = deployment.l2
  const domain = TypedData.contractDomain('OpenLedger Settlement', deployment.l2ChainId, settlement)

  return {
    async pay({ account, amountWei, nonce, deadline, signature }) {
      const nowSeconds = Math.floor(clock.nowMs() / 1000)
      if (deadline < nowSeconds) throw new SignedRequest.RequestExpiredError(deadline, nowSeconds)
      const digest = hashTypedData({
        domain,
        types: TypedData.refund,
        primaryType: 'Refund',
        message: { account, amount: amountWei, nonce, deadline: BigInt(deadline) },
      })
      // before anything is set aside, so that nobody can tie up another's money
      await SignedRequest.verifySignature(publicClient, { account, digest, signature })
      const hold = await accounts.holdBack({ account, amountWei })
      try {
        const { transactionHash } = await sender.send({
          address: settlement,
          abi: Abi.settlementAbi,
          functionName: 'refund',
          args: [account, amountWei, nonce, BigInt(deadline), signature],
        })
        await accounts.release(hold.id)
        return transactionHash
      } catch (error) {
        // what may still leave must not pay for an answer
        if (!(error instanceof TransactionUnconfirmedError)) await accounts.release(hold.id)
        throw error
      }
    },
  }
}
