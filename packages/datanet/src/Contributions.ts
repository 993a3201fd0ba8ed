import { BaseError, type Clock, type Hex } from '@openledger/primitives'
import {
  Contribution,
  type Deployment,
  type Http,
  SignedRequest,
  TransactionRevertedError,
  TypedData,
} from '@openledger/protocol'
import { type Blobs, cidFromDigest, type Database, digestOf, eq, schema } from '@openledger/store'
import { hashTypedData, isAddressEqual, type PublicClient, recoverAddress } from 'viem'
import type { z } from 'zod'
import { splitIntoRecords } from './Records.ts'
import type { Registry } from './Registry.ts'

const { contributions, datanets, records } = schema

export type PrepareInput = z.output<typeof Http.prepareContributionSchema>
export type ContributeInput = z.output<typeof Http.contributeSchema>

/** From records to an entry on chain. */
export type Contributions = {
  /** Splits and hashes what would be contributed; nothing is stored. */
  readonly hash: (
    input: PrepareInput,
  ) => Promise<Contribution.Contribution & { readonly records: readonly string[] }>
  /** Keeps a signed contribution and has it registered on chain. @returns Its id. */
  readonly receive: (input: ContributeInput) => Promise<Hex>
  /** Finishes a registration that was interrupted; does nothing when it is finished. */
  readonly register: (id: Hex) => Promise<void>
}

/** Chains that a wallet may have been on by mistake, to say which instead of only that it was the wrong one. */
const FAMILIAR_CHAIN_IDS = [1, 10, 137, 8453, 31_337, 42_161, 11_155_111]

/** Creates the way in for contributions. */
export function createContributions({
  database,
  blobs,
  registry,
  publicClient,
  deployment,
  clock,
}: {
  readonly database: Database
  readonly blobs: Blobs
  readonly registry: Registry
  readonly publicClient: PublicClient
  readonly deployment: Deployment
  readonly clock: Clock
}): Contributions {
  const inFlight = new Map<Hex, Promise<void>>()

  const hash: Contributions['hash'] = async ({ datanetId, files = [], records: ready = [] }) => {
    const [datanet] = await database.orm
      .select()
      .from(datanets)
      .where(eq(datanets.id, BigInt(datanetId)))
    if (datanet === undefined) throw new DatanetNotFoundError(datanetId)
    const texts = [...files.flatMap(splitIntoRecords), ...ready]
    return { ...Contribution.fromRecords(texts), records: texts }
  }

  const verify = async (input: ContributeInput, content: Contribution.Contribution): Promise<void> => {
    const { contributor: account, deadline, signature } = input
    const digestOn = (chainId: number): Hex =>
      hashTypedData({
        domain: TypedData.contractDomain('OpenLedger Datanets', chainId, deployment.l2.datanets),
        types: TypedData.contribution,
        primaryType: 'Contribution',
        message: {
          datanetId: BigInt(input.datanetId),
          recordsRoot: content.recordsRoot,
          recordCount: content.recordCount,
          contentHash: content.contentHash,
          licence: input.licence,
          contributor: account,
          deadline: BigInt(deadline),
        },
      })
    try {
      const digest = digestOn(deployment.l2ChainId)
      await SignedRequest.verifySignature(publicClient, { account, digest, signature })
    } catch (error) {
      for (const chainId of [deployment.l1ChainId, ...FAMILIAR_CHAIN_IDS]) {
        const signer = await recoverAddress({ hash: digestOn(chainId), signature }).catch(() => undefined)
        if (signer !== undefined && isAddressEqual(signer, account)) {
          throw new WrongChainError(chainId, deployment.l2ChainId)
        }
      }
      throw error
    }
  }

  const remove = (id: Hex): Promise<void> =>
    database.transaction(async (orm) => {
      await orm.delete(records).where(eq(records.contributionId, id))
      await orm.delete(contributions).where(eq(contributions.id, id))
    })

  /** Gives the transaction that registered the row's records for its contributor, sending it if there is none yet. */
  const putOnChain = async (row: typeof contributions.$inferSelect): Promise<Hex> => {
    const id = row.id as Hex
    const registered = async (): Promise<Hex | undefined> => {
      const onChain = await registry.contribution(id)
      if (onChain === undefined) return undefined
      if (onChain.contributor !== row.contributor) throw new AlreadyContributedError(id, onChain.contributor)
      return registry.registeredBy(id)
    }
    const before = await registered()
    if (before !== undefined) return before
    const nowSeconds = clock.nowMs() / 1_000
    if (row.deadline < nowSeconds) throw new ContributionExpiredError(row.deadline, nowSeconds)
    try {
      return await registry.contribute(
        {
          datanetId: row.datanetId,
          recordsRoot: row.recordsRoot as Hex,
          recordCount: row.recordCount,
          contentHash: digestOf(row.cid),
          licence: row.licence,
        },
        row.contributor as Hex,
        row.deadline,
        row.signature as Hex,
      )
    } catch (error) {
      // another relay of the same signature, or of the same records by someone else, may have come first
      const after = error instanceof TransactionRevertedError ? await registered() : undefined
      if (after === undefined) throw error
      return after
    }
  }

  const finish = async (id: Hex): Promise<void> => {
    const [row] = await database.orm.select().from(contributions).where(eq(contributions.id, id))
    if (row === undefined || row.status !== 'received') return
    let transactionHash: Hex
    try {
      transactionHash = await putOnChain(row)
    } catch (error) {
      // what the chain will never take must not stay in the way of those who come after it
      if (error instanceof BaseError && error.severity === 'fatal') await remove(id)
      throw error
    }
    await database.orm
      .update(contributions)
      .set({ status: 'registered', transactionHash })
      .where(eq(contributions.id, id))
  }

  const register = (id: Hex): Promise<void> => {
    const turn = inFlight.get(id) ?? finish(id).finally(() => inFlight.delete(id))
    inFlight.set(id, turn)
    return turn
  }

  return {
    hash,
    register,
    async receive(input) {
      const content = await hash(input)
      const nowSeconds = clock.nowMs() / 1_000
      if (input.deadline < nowSeconds) throw new ContributionExpiredError(input.deadline, nowSeconds)
      await verify(input, content)
      const datanetId = BigInt(input.datanetId)
      const id = Contribution.id(datanetId, content.recordsRoot)
      // bytes first: a row must never speak of bytes that are not there
      await blobs.put(content.content)
      await database.transaction(async (orm) => {
        const added = await orm
          .insert(contributions)
          .values({
            id,
            datanetId,
            title: input.title,
            contributor: input.contributor,
            beneficiary: input.contributor,
            licence: input.licence,
            cid: cidFromDigest(content.contentHash),
            recordsRoot: content.recordsRoot,
            recordCount: content.recordCount,
            status: 'received',
            signature: input.signature,
            deadline: input.deadline,
          })
          .onConflictDoNothing()
          .returning({ id: contributions.id })
        if (added.length === 0) {
          const [first] = await orm.select().from(contributions).where(eq(contributions.id, id))
          if (first!.status === 'withdrawing' || first!.status === 'withdrawn')
            throw new ContributionWithdrawnError(id)
          // a caller whose connection broke asks again
          if (first!.contributor === input.contributor) return
          throw new AlreadyContributedError(id, first!.contributor as Hex)
        }
        const rows = content.records.map((text, index) => ({
          contributionId: id,
          index,
          id: content.recordIds[index]!,
          text,
        }))
        for (let start = 0; start < rows.length; start += INSERT_ROWS_MAX) {
          await orm.insert(records).values(rows.slice(start, start + INSERT_ROWS_MAX))
        }
      })
      await register(id)
      return id
    },
  }
}

/** PostgreSQL takes 65,535 parameters a statement. */
const INSERT_ROWS_MAX = 5_000

export class DatanetNotFoundError extends BaseError {
  constructor(datanetId: string) {
    super({
      code: 'datanet.not_found',
      message: `Expected the id of a Datanet, got ${datanetId}, which there is not. Choose one from the list.`,
      context: { datanetId },
    })
  }
}

export class ContributionExpiredError extends BaseError {
  constructor(deadline: number, nowSeconds: number) {
    super({
      code: 'contribution.expired',
      message: `Expected a signature whose deadline is still to come, but it ran out ${Math.ceil(nowSeconds - deadline)} s ago. Sign it again.`,
      context: { deadline, nowSeconds: Math.floor(nowSeconds) },
    })
  }
}

export class WrongChainError extends BaseError {
  constructor(signedChainId: number, chainId: number) {
    super({
      code: 'contribution.wrong_chain',
      message: `Expected a signature for chain ${chainId}, but it was made for chain ${signedChainId}. Switch the wallet to chain ${chainId} and sign again.`,
      context: { signedChainId, chainId },
    })
  }
}

export class AlreadyContributedError extends BaseError {
  constructor(contributionId: Hex, contributor: Hex) {
    super({
      code: 'contribution.exists',
      message: `Expected records that this Datanet has not got, but ${contributor} contributed exactly these before. The first contributor is the one who is paid for them.`,
      context: { contributionId, contributor },
    })
  }
}

export class ContributionWithdrawnError extends BaseError {
  constructor(contributionId: Hex) {
    super({
      code: 'contribution.withdrawn',
      message:
        'Expected a contribution that stands, but its contributor took it back for good: nobody is shown its texts, and exactly these records are not taken by this Datanet again.',
      context: { contributionId },
    })
  }
}
