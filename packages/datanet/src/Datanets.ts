import { BaseError, CanonicalJson, type Clock, type Hex } from '@openledger/primitives'
import { Contribution, type Deployment, type Http, type Sender } from '@openledger/protocol'
import { type Blobs, type Database, type Jobs, schema } from '@openledger/store'
import type { PublicClient } from 'viem'
import { createAnswerMemory, type GivenAnswer } from './AnswerMemory.ts'
import { createContributionEvents } from './ContributionEvents.ts'
import {
  type ContributeInput,
  ContributionWithdrawnError,
  createContributions,
  type PrepareInput,
} from './Contributions.ts'
import { createJudgements, type Judgements } from './Judgements.ts'
import { createPanelCases, type PanelCases } from './PanelCases.ts'
import { createQueries, type Queries } from './Queries.ts'
import { createReading, ReadForbiddenError, type Reading, type ReadRequest } from './Reading.ts'
import { createRegistry } from './Registry.ts'
import { createValidation, type Verdict } from './Validation.ts'

/** Datanets: who contributed what, what of it was accepted and why, and the versions that models are trained on. */
export type Datanets = Queries &
  Reading & {
    /**
     * A contribution with its texts, for who signed for it.
     * @throws {ContributionNotFoundError} {ContributionWithdrawnError} {ReadForbiddenError} and the errors of `readerOf`.
     */
    readonly read: (id: Hex, request: ReadRequest) => Promise<Http.ContributionDetail>
    /**
     * Lists a Datanet that its owner's wallet created on chain; a second time changes nothing.
     * @throws {NotADatanetError} when the transaction created none. @throws {SummaryMismatchError}
     */
    readonly register: (input: { transactionHash: Hex; summary: string }) => Promise<Http.Datanet>
    /** Splits and hashes records and says what would become of them; nothing is stored. */
    readonly prepare: (input: PrepareInput) => Promise<Http.PreparedContribution>
    /**
     * Takes a signed contribution: keeps its bytes, registers it on chain for the contributor, and has it validated.
     * @throws {DatanetNotFoundError} @throws {ContributionExpiredError} @throws {WrongChainError}
     * @throws {SignatureInvalidError} @throws {AlreadyContributedError} and the errors of splitting and hashing; nothing
     *   has changed then.
     */
    readonly contribute: (input: ContributeInput) => Promise<Http.Contribution>
    /** Learns from the chain whose rewards were handed on to whom and what was withdrawn, up to its newest block. */
    readonly followContributions: () => Promise<void>
    /** Writes down what a named validator decided, for the validator's wallet to record on chain; see `Judgements`. */
    readonly writeJudgement: Judgements['write']
    /** Cases about a contribution before the validators' panel. @throws {ContributionNotFoundError} */
    readonly panelCases: PanelCases['casesOf']
    /** Cases that an account was drawn for as a judge. */
    readonly panelDuties: PanelCases['dutiesOf']
    /** Whether and how a Datanet's verdicts can be disputed. @throws {DatanetNotFoundError} */
    readonly panelOf: (datanetId: string) => Promise<Http.DatanetPanel>
    /**
     * Hands a contribution's future rewards to whom the one that receives them now has signed for.
     * @throws {TransactionRevertedError} when the signature is not theirs, is used or is too late; nothing has changed.
     */
    readonly changeBeneficiary: (id: Hex, change: Http.BeneficiaryChange) => Promise<Http.ContributionDetail>
    /**
     * Takes a contribution back with its contributor's signature: no version from now on holds it, and where none did its
     * texts are deleted.
     * @throws {ContributionNotFoundError} {TransactionRevertedError} when the signature is not theirs or it is back already.
     */
    readonly withdraw: (id: Hex, signed: Http.ContributionWithdrawal) => Promise<Http.ContributionDetail>
    /**
     * What a Datanet's licence costs, until when a holder has one, and what it earned by licences.
     * @throws {DatanetNotFoundError}
     */
    readonly licence: (datanetId: string, holder?: Hex) => Promise<Http.DatanetLicence>
    /**
     * Has the operator send what an account earned by licences; the money can only go to the account.
     * @throws {TransactionRevertedError} when it is owed nothing.
     */
    readonly claimLicenceFees: (account: Hex) => Promise<Http.ClaimedLicenceFees>
    /** Remembers what a model answered: whoever contributes it afterwards contributes nothing new. */
    readonly rememberAnswer: (answer: GivenAnswer) => Promise<void>
    /** Takes validation jobs in this process, beginning with what a process before it left undone. */
    readonly work: () => Promise<void>
  }

export type DatanetsDependencies = {
  readonly database: Database
  readonly blobs: Blobs
  readonly jobs: Jobs
  readonly publicClient: PublicClient
  readonly deployment: Deployment
  /** Pays for registering contributions. */
  readonly relayer: Sender
  /** Must be named a validator of a Datanet by its owner. */
  readonly validator: Sender
  readonly clock: Clock
  /** Keeps what answers said unreadable in the database; servers that share one share it. */
  readonly answerKey: Uint8Array
}

const VALIDATION_QUEUE = 'datanet.validation'
/** Lines of warnings before it becomes a number. */
const WARNING_COUNT_MAX = 12

/** Creates the service. */
export function createDatanets(dependencies: DatanetsDependencies): Datanets {
  const { database, jobs } = dependencies
  const registry = createRegistry(dependencies)
  const queries = createQueries(database, registry)
  const panelCases = createPanelCases(dependencies)
  const judgements = createJudgements({ ...dependencies, registry })
  const events = createContributionEvents({ ...dependencies, judgements, panelCases })
  const reading = createReading({ ...dependencies, registry, panelCases })
  const contributions = createContributions({ ...dependencies, registry })
  const follow = async (): Promise<boolean> => {
    const isJudged = await events.follow()
    if (isJudged) validation.forget()
    return isJudged
  }
  const answers = createAnswerMemory(database, { key: dependencies.answerKey })
  const validation = createValidation({
    ...dependencies,
    registry,
    answers,
    register: contributions.register,
    follow,
  })
  // one at a time everywhere, so that of two who say the same the first is judged first
  const requestValidation = () => jobs.enqueue(VALIDATION_QUEUE, {}, { singletonKey: 'all' })

  return {
    ...queries,
    ...reading,
    async read(id, request) {
      const { datanetId, status } = await queries.contribution(id)
      if (status === 'withdrawing' || status === 'withdrawn') throw new ContributionWithdrawnError(id)
      const reader = await reading.readerOf(request, BigInt(datanetId))
      const detail = await queries.contribution(id, reader)
      if (detail.access !== null) throw new ReadForbiddenError(reader.datanetId, reader.account)
      return detail
    },
    async followContributions() {
      // a new version is the validation's to publish
      if (await follow()) await requestValidation()
    },
    writeJudgement: judgements.write,
    async panelCases(id) {
      await queries.contribution(id)
      return panelCases.casesOf(id)
    },
    panelDuties: panelCases.dutiesOf,
    async panelOf(datanetId) {
      return panelCases.termsOf(BigInt((await queries.datanet(datanetId)).id))
    },
    rememberAnswer: answers.remember,
    async register({ transactionHash, summary }) {
      const created = await registry.createdBy(transactionHash)
      if (created === undefined) throw new NotADatanetError(transactionHash)
      if (created.metadataHash !== CanonicalJson.hash({ summary }))
        throw new SummaryMismatchError(created.name)
      const { id, name, licence, owner, commons } = created
      await database.orm
        .insert(schema.datanets)
        .values({ id, name, summary, licence, owner, commons, transactionHash })
        .onConflictDoNothing({ target: schema.datanets.id })
      return queries.datanet(id.toString())
    },
    async prepare(input) {
      const { contributionId, ...hashed } = await contributions.hash(input).then((content) => ({
        ...content,
        contributionId: Contribution.id(BigInt(input.datanetId), content.recordsRoot),
      }))
      const texts = hashed.records.map((text, i) => ({ id: hashed.recordIds[i]!, text }))
      return {
        contributionId,
        recordsRoot: hashed.recordsRoot,
        recordCount: hashed.recordCount,
        contentHash: hashed.contentHash,
        records: [...hashed.records],
        warnings: toWarnings(await validation.judge(contributionId, texts)),
      }
    },
    async contribute(input) {
      let id: Hex
      try {
        id = await contributions.receive(input)
      } catch (error) {
        // kept, but the chain has not answered: the job goes on asking
        if (!(error instanceof BaseError) || error.severity !== 'fatal') await requestValidation()
        throw error
      }
      await requestValidation()
      const {
        records: _,
        beneficiaryNonce: __,
        access: ___,
        ...contribution
      } = await queries.contribution(id)
      return contribution
    },
    async changeBeneficiary(id, change) {
      await queries.contribution(id)
      await registry.changeBeneficiary(id, change)
      return queries.contribution(id)
    },
    async withdraw(id, signed) {
      await queries.contribution(id)
      await registry.withdraw(id, signed)
      await follow()
      await requestValidation()
      return queries.contribution(id)
    },
    async licence(datanetId, holder) {
      const { id } = await queries.datanet(datanetId)
      const terms = await registry.licenceTerms(BigInt(id))
      if (holder === undefined) return { terms, until: null, owedWei: '0' }
      await follow()
      const [until, owed] = await Promise.all([
        registry.licenceUntil(BigInt(id), holder),
        registry.licenceFeesOwed(holder, await queries.paidTo(holder)),
      ])
      const isHeld = until >= BigInt(Math.floor(dependencies.clock.nowMs() / 1_000))
      return { terms, until: isHeld ? Number(until) : null, owedWei: owed.toString() }
    },
    async claimLicenceFees(account) {
      await follow()
      const ids = await queries.paidTo(account)
      const owed = await registry.licenceFeesOwed(account, ids)
      const transactionHash = await registry.claimLicenceFees(account, ids)
      return { transactionHash, amountWei: owed.toString() }
    },
    async work() {
      await jobs.work(VALIDATION_QUEUE, (_payload, { signal }) => validation.run(signal))
      await requestValidation()
    },
  }
}

function toWarnings(verdicts: readonly Verdict[]): string[] {
  const rejected = verdicts.filter(({ verdict }) => verdict === 'rejected')
  const lines = rejected
    .slice(0, WARNING_COUNT_MAX)
    .map(({ index, reason }) => `Record ${index} would be rejected. ${reason}`)
  const rest = rejected.length - lines.length
  const echoing = verdicts
    .filter(({ verdict, echoes }) => verdict === 'accepted' && echoes.length > 0)
    .map(({ index }) => index)
  return [
    ...lines,
    ...(rest > 0 ? [`${rest} more of ${verdicts.length} records would be rejected.`] : []),
    ...(echoing.length > 0
      ? [
          `Passages that models here have answered before would be neither learned nor paid in records ${echoing.join(', ')}.`,
        ]
      : []),
  ]
}

export class NotADatanetError extends BaseError {
  constructor(transactionHash: Hex) {
    super({
      code: 'datanet.not_created',
      message: `Expected a transaction on this chain that created a Datanet, got ${transactionHash}. Wait until it is in a block, or send the one that called createDatanet.`,
      context: { transactionHash },
    })
  }
}

export class SummaryMismatchError extends BaseError {
  constructor(name: string) {
    super({
      code: 'datanet.summary_mismatch',
      message: `Expected the summary whose hash the owner put on chain for "${name}", got another text. Send exactly the text that was hashed.`,
      context: { name },
    })
  }
}
