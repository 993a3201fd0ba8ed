import { BaseError, type Clock, type Hex } from '@openledger/primitives'
import { type Deployment, type Http, SignedRequest } from '@openledger/protocol'
import type { PublicClient } from 'viem'
import type { z } from 'zod'
import type { PanelCases } from './PanelCases.ts'
import type { Registry } from './Registry.ts'

/** A wallet's request to read the records of one Datanet; good for any number of reads until its deadline. */
export type ReadRequest = z.output<typeof Http.readRecordsSchema>

/** Who asks, and whether all of a Datanet's texts are open to them or only what they contributed themselves. */
export type Reader = { readonly account: Hex; readonly datanetId: bigint; readonly readsAll: boolean }

/** Who may read texts whose licence does not let anyone have them. */
export type Reading = {
  /** Whether an account is the Datanet's owner, one of its validators, a judge drawn for it, or holds its licence now. */
  readonly mayReadAll: (account: Hex, datanetId: bigint) => Promise<boolean>
  /**
   * Finds out who signed a request and what it opens.
   * @throws {ReadElsewhereError} when it was signed for another Datanet. @throws {RequestExpiredError}
   *   {RequestDeadlineError} {SignatureInvalidError}
   */
  readonly readerOf: (request: ReadRequest, datanetId: bigint) => Promise<Reader>
}

/** Creates what decides who reads; owners, validators and licences are asked of the chain each time. */
export function createReading({
  registry,
  panelCases,
  publicClient,
  deployment,
  clock,
}: {
  readonly registry: Registry
  readonly panelCases: Pick<PanelCases, 'readingUntil'>
  readonly publicClient: PublicClient
  readonly deployment: Deployment
  readonly clock: Clock
}): Reading {
  const nowSeconds = (): number => Math.floor(clock.nowMs() / 1_000)
  const mayReadAll: Reading['mayReadAll'] = async (account, datanetId) =>
    (await registry.ownerOf(datanetId)) === account ||
    (await registry.isValidator(datanetId, account)) ||
    (await panelCases.readingUntil(datanetId, account)) >= BigInt(nowSeconds()) ||
    (await registry.licenceUntil(datanetId, account)) >= BigInt(nowSeconds())
  return {
    mayReadAll,
    async readerOf(request, datanetId) {
      if (request.payload.datanetId !== datanetId.toString()) {
        throw new ReadElsewhereError(datanetId, request.payload.datanetId)
      }
      await SignedRequest.verifyRequest('readRecords', request, {
        client: publicClient,
        chainId: deployment.l2ChainId,
        nowSeconds: nowSeconds(),
      })
      const { account } = request
      return { account, datanetId, readsAll: await mayReadAll(account, datanetId) }
    },
  }
}

/** Says whether a reader may have the text of a contribution that is not open. */
export const mayRead = (reader: Reader | undefined, contributor: string): boolean =>
  reader !== undefined && (reader.readsAll || reader.account === contributor)

export class ReadElsewhereError extends BaseError {
  constructor(datanetId: bigint, signedFor: string) {
    super({
      code: 'request.other_datanet',
      message: `Expected a request to read Datanet ${datanetId}, but it was signed for Datanet ${signedFor}. Sign one with {"datanetId":"${datanetId}"}.`,
      context: { datanetId: datanetId.toString(), signedFor },
    })
  }
}

export class ReadForbiddenError extends BaseError {
  constructor(datanetId: bigint, account: Hex) {
    super({
      code: 'datanet.read_forbidden',
      message: `Expected a contributor of these texts, or the owner, a validator or a licence holder of Datanet ${datanetId}, got ${account}. Buy a licence (openledger buy-licence ${datanetId}), or ask the Datanet's owner for one.`,
      context: { datanetId: datanetId.toString(), account },
    })
  }
}
