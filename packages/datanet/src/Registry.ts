import type { Hex } from '@openledger/primitives'
import { Abi, type Deployment, type Http, type Sender } from '@openledger/protocol'
import { type PublicClient, parseEventLogs } from 'viem'

/** What the chain knows about a contribution. */
export type ChainContribution = {
  readonly contributor: Hex
  readonly beneficiary: Hex
  readonly contentHash: Hex
  readonly verdictCount: number
  readonly acceptedCount: number
  readonly acceptedRoot: Hex
}

export type ChainDatanet = {
  readonly id: bigint
  readonly name: string
  readonly owner: Hex
  readonly commons: Hex
  readonly licence: string
  readonly metadataHash: Hex
}

export type ChainVersion = { readonly version: number; readonly transactionHash: Hex }

export type ContributionInput = {
  readonly datanetId: bigint
  readonly recordsRoot: Hex
  readonly recordCount: number
  readonly contentHash: Hex
  readonly licence: string
}

/** The contract `Datanets`: its reads, and the calls that the server relays or makes as validator. */
export type Registry = {
  /** Datanet that a transaction created, or nothing when it created none. */
  readonly createdBy: (transactionHash: Hex) => Promise<ChainDatanet | undefined>
  readonly contribution: (id: Hex) => Promise<ChainContribution | undefined>
  readonly ownerOf: (datanetId: bigint) => Promise<Hex>
  /** Whether nothing is accepted but by the Datanet's panel. */
  readonly isPanelOnly: (datanetId: bigint) => Promise<boolean>
  readonly isValidator: (datanetId: bigint, account: Hex) => Promise<boolean>
  /** The number that the next change of a contribution's beneficiary must carry. */
  readonly beneficiaryNonce: (contributionId: Hex) => Promise<bigint>
  /** Relays the signature of who is paid now. @throws {TransactionRevertedError} when it is not theirs. */
  readonly changeBeneficiary: (contributionId: Hex, change: Http.BeneficiaryChange) => Promise<void>
  /** What is sold of a Datanet's licence, and the last second of a holder's; 0 without one. */
  readonly licenceTerms: (datanetId: bigint) => Promise<Http.DatanetLicence['terms']>
  readonly licenceUntil: (datanetId: bigint, holder: Hex) => Promise<bigint>
  /** What an account may claim of licences' fees, with what these contributions have earned. */
  readonly licenceFeesOwed: (account: Hex, contributionIds: readonly Hex[]) => Promise<bigint>
  /** Relays the claim of an account's fees. @throws {TransactionRevertedError} when it is owed nothing. */
  readonly claimLicenceFees: (account: Hex, contributionIds: readonly Hex[]) => Promise<Hex>
  /** Relays a contributor's withdrawal. @throws {TransactionRevertedError} when the signature is not theirs. */
  readonly withdraw: (contributionId: Hex, signed: Http.ContributionWithdrawal) => Promise<void>
  /** Transaction that registered a contribution. */
  readonly registeredBy: (id: Hex) => Promise<Hex>
  readonly contribute: (
    input: ContributionInput,
    contributor: Hex,
    deadline: number,
    signature: Hex,
  ) => Promise<Hex>
  readonly recordVerdict: (id: Hex, root: Hex, acceptedCount: number, reasonsHash: Hex) => Promise<void>
  readonly versionCount: (datanetId: bigint) => Promise<number>
  /** Version above `parentVersion` with exactly these records, when it was already published. */
  readonly findVersion: (
    datanetId: bigint,
    parentVersion: number,
    recordsRoot: Hex,
    manifestHash: Hex,
  ) => Promise<ChainVersion | undefined>
  readonly publishVersion: (version: {
    readonly datanetId: bigint
    readonly recordsRoot: Hex
    readonly recordCount: number
    readonly parentVersion: number
    readonly manifestHash: Hex
  }) => Promise<ChainVersion>
}

/**
 * Creates the access to one deployment's registry.
 * @param relayer - Pays for contributions, which their contributors signed. @param validator - Speaks for itself.
 */
export function createRegistry({
  publicClient,
  deployment,
  relayer,
  validator,
}: {
  readonly publicClient: PublicClient
  readonly deployment: Deployment
  readonly relayer: Sender
  readonly validator: Sender
}): Registry {
  const registry = { address: deployment.l2.datanets, abi: Abi.datanetsAbi } as const
  const fromBlock = BigInt(deployment.l2StartBlock)

  return {
    async createdBy(hash) {
      const receipt = await publicClient.getTransactionReceipt({ hash }).catch((error: Error) => {
        if (error.name === 'TransactionReceiptNotFoundError') return undefined
        throw error
      })
      const ours = receipt?.logs.filter(({ address }) => address.toLowerCase() === registry.address)
      const [event] = parseEventLogs({ abi: registry.abi, eventName: 'DatanetCreated', logs: ours ?? [] })
      if (event === undefined) return undefined
      const { datanetId: id, name, owner, commons, licence, metadataHash } = event.args
      return { id, name, owner: lower(owner), commons: lower(commons), licence, metadataHash }
    },
    async contribution(id) {
      const found = await publicClient
        .readContract({ ...registry, functionName: 'contributionOf', args: [id] })
        .catch((error: Error) => {
          if (/DatanetsUnknownContribution/.test(error.message)) return undefined
          throw error
        })
      return (
        found && { ...found, contributor: lower(found.contributor), beneficiary: lower(found.beneficiary) }
      )
    },
    ownerOf: async (id) =>
      lower((await publicClient.readContract({ ...registry, functionName: 'get', args: [id] })).owner),
    isPanelOnly: async (id) =>
      (await publicClient.readContract({ ...registry, functionName: 'get', args: [id] })).isPanelOnly,
    isValidator: (id, account) =>
      publicClient.readContract({ ...registry, functionName: 'isValidator', args: [id, account] }),
    beneficiaryNonce: (contributionId) =>
      publicClient.readContract({ ...registry, functionName: 'beneficiaryNonceOf', args: [contributionId] }),
    async changeBeneficiary(contributionId, { to, deadline, signature }) {
      const args = [contributionId, to, BigInt(deadline), signature] as const
      await relayer.send({ ...registry, functionName: 'setBeneficiaryWithSignature', args })
    },
    async licenceTerms(id) {
      const terms = await publicClient.readContract({
        ...registry,
        functionName: 'licenceTermsOf',
        args: [id],
      })
      if (terms.durationSeconds === 0n) return null
      return {
        version: terms.version,
        priceWei: terms.priceWei.toString(),
        durationSeconds: Number(terms.durationSeconds),
        ownerBps: terms.ownerBps,
        termsHash: terms.termsHash,
      }
    },
    licenceUntil: (id, holder) =>
      publicClient.readContract({ ...registry, functionName: 'licenceUntil', args: [id, holder] }),
    licenceFeesOwed: (account, ids) =>
      publicClient.readContract({ ...registry, functionName: 'licenceFeesOwed', args: [account, ids] }),
    async claimLicenceFees(account, ids) {
      const args = [account, ids] as const
      return (await relayer.send({ ...registry, functionName: 'claimLicenceFees', args })).transactionHash
    },
    async withdraw(contributionId, { deadline, signature }) {
      const args = [contributionId, BigInt(deadline), signature] as const
      await relayer.send({ ...registry, functionName: 'withdrawContribution', args })
    },
    async registeredBy(contributionId) {
      const [event] = await publicClient.getContractEvents({
        ...registry,
        eventName: 'Contributed',
        args: { contributionId },
        fromBlock,
      })
      return event!.transactionHash
    },
    async contribute(input, contributor, deadline, signature) {
      const args = [input, contributor, BigInt(deadline), signature] as const
      return (await relayer.send({ ...registry, functionName: 'contribute', args })).transactionHash
    },
    async recordVerdict(...args) {
      await validator.send({ ...registry, functionName: 'recordVerdict', args })
    },
    versionCount: (id) =>
      publicClient.readContract({ ...registry, functionName: 'versionCountOf', args: [id] }),
    async findVersion(datanetId, parentVersion, recordsRoot, manifestHash) {
      const events = await publicClient.getContractEvents({
        ...registry,
        eventName: 'VersionPublished',
        args: { datanetId },
        fromBlock,
        strict: true,
      })
      const event = events.find(
        ({ args }) =>
          args.version > parentVersion &&
          args.recordsRoot === recordsRoot &&
          args.manifestHash === manifestHash,
      )
      return event && { version: event.args.version, transactionHash: event.transactionHash }
    },
    async publishVersion({ datanetId, recordsRoot, recordCount, parentVersion, manifestHash }) {
      const { logs, transactionHash } = await validator.send({
        ...registry,
        functionName: 'publishVersion',
        args: [datanetId, recordsRoot, recordCount, parentVersion, manifestHash],
      })
      const [event] = parseEventLogs({ abi: registry.abi, eventName: 'VersionPublished', logs })
      return { version: event!.args.version, transactionHash }
    },
  }
}

const lower = (address: Hex): Hex => address.toLowerCase() as Hex
