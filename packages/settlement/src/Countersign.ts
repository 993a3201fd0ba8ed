import type { Hex } from '@openledger/primitives'
import { type Deployment, type Http, Receipt, SignedRequest, TypedData } from '@openledger/protocol'
import { type Database, eq, schema } from '@openledger/store'
import type { PublicClient } from 'viem'
import type { Receipts } from './Receipts.ts'

const { receipts } = schema

/**
 * Keeps a payer's signature beside the serving node's: who countersigned cannot say later that the answer was never asked
 * for. A receipt counts without it, because whoever never signed could otherwise keep contributors from being paid.
 *
 * @param signature - Over the digest that the node signed, by the payer's key or, for a wallet, as ERC-1271 says.
 * @returns The receipt with both signatures.
 * @throws {ReceiptNotFoundError} | {SignatureInvalidError}; nothing has changed then.
 */
export type Countersign = (sequence: number, signature: Hex) => Promise<Http.SignedReceipt>

/** Creates what takes payers' signatures under their receipts. */
export function createCountersign(deps: {
  readonly database: Database
  readonly publicClient: PublicClient
  readonly deployment: Deployment
  readonly receipts: Pick<Receipts, 'require'>
}): Countersign {
  const { database, publicClient, deployment } = deps
  const domain = TypedData.contractDomain(
    'OpenLedger Settlement',
    deployment.l2ChainId,
    deployment.l2.settlement,
  )
  return async (sequence, signature) => {
    const shown = await deps.receipts.require(sequence)
    await SignedRequest.verifySignature(publicClient, {
      account: shown.payer,
      digest: Receipt.digest(Receipt.ofShown(shown), domain),
      signature,
    })
    await database.orm
      .update(receipts)
      .set({ countersignature: signature })
      .where(eq(receipts.sequence, sequence))
    return deps.receipts.require(sequence)
  }
}
