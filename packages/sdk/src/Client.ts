import { Bytes, CanonicalJson, type Hex } from '@openledger/primitives'
import { Http, Receipt, TypedData } from '@openledger/protocol'
import type { LocalAccount } from 'viem'
import type { z } from 'zod'
import { createTransport, query } from './Transport.ts'

/** What signs for a person: a viem local account, or a wallet client with its account bound in. */
export type Signer = {
  readonly address: Hex
  readonly signTypedData: (typedData: {
    domain: TypedData.Domain
    types: Record<string, readonly { name: string; type: string }[]>
    primaryType: string
    message: Record<string, unknown>
  }) => Promise<Hex>
}

/** Gives a local account, such as one from a private key, as what this client signs with. */
export const signerOf = (account: LocalAccount): Signer => ({
  address: account.address.toLowerCase() as Hex,
  signTypedData: (typedData) =>
    account.signTypedData(typedData as Parameters<LocalAccount['signTypedData']>[0]),
})

export type ClientOptions = {
  /** Where the server is, e.g. `http://127.0.0.1:8080`; the empty string means the page's own origin. */
  readonly url: string
  readonly fetch?: typeof fetch
  /** How long a signature stays good. */
  readonly signatureSeconds?: number
  readonly nowMs?: () => number
}

export type Client = ReturnType<typeof createClient>

const DOMAIN_NAMES = {
  datanets: 'OpenLedger Datanets',
  models: 'OpenLedger Models',
  settlement: 'OpenLedger Settlement',
} as const

/**
 * Creates a client of an OpenLedger server: one function for each route of `Http`, for browsers and Node.
 *
 * Answers are checked against the protocol's schemas, so what comes back has the types it says it has.
 *
 * @throws {ProblemError} from every function when the server refuses.
 * @example
 * const client = createClient({ url: 'http://127.0.0.1:8080' })
 * const models = await client.models()
 */
export function createClient({
  url,
  fetch: send = fetch,
  signatureSeconds = 600,
  nowMs = Date.now,
}: ClientOptions) {
  const { call, bytes } = createTransport(url, send)

  const deadline = (): number => Math.floor(nowMs() / 1000) + signatureSeconds

  let networkOnce: Promise<Http.Network> | undefined
  const network = (): Promise<Http.Network> => call(Http.networkSchema, '/api/network')
  /** Addresses and chain ids do not change while a server runs. */
  const deployment = async (): Promise<Http.Network['deployment']> => {
    networkOnce ??= network().catch((error) => {
      networkOnce = undefined
      throw error
    })
    return (await networkOnce).deployment
  }

  /** Signs `payload` as a request to the server. */
  async function signRequest<T extends CanonicalJson.Json>(
    action: TypedData.Action,
    payload: T,
    signer: Signer,
  ) {
    const { l2ChainId } = await deployment()
    const until = deadline()
    const signature = await signer.signTypedData({
      domain: TypedData.serverDomain(l2ChainId),
      types: TypedData.request,
      primaryType: 'Request',
      message: {
        action,
        payloadHash: CanonicalJson.hash(payload),
        account: signer.address,
        deadline: BigInt(until),
      },
    })
    return { payload, account: signer.address, deadline: until, signature }
  }

  /** Signs what a contract checks, for as long as signatures stay good. */
  async function signFor(
    contract: keyof typeof DOMAIN_NAMES,
    types: Readonly<Record<string, readonly { readonly name: string; readonly type: string }[]>>,
    message: Readonly<Record<string, unknown>>,
    signer: Signer,
  ) {
    const { l2ChainId, l2 } = await deployment()
    const until = deadline()
    const signature = await signer.signTypedData({
      domain: TypedData.contractDomain(DOMAIN_NAMES[contract], l2ChainId, l2[contract]),
      types,
      primaryType: Object.keys(types)[0]!,
      message: { ...message, deadline: BigInt(until) },
    })
    return { deadline: until, signature }
  }

  return {
    network,
    seed: () => call(Http.seedSchema, '/api/seed'),

    datanets: () => call(Http.datanetSchema.array(), '/api/datanets'),
    datanet: (id: string) => call(Http.datanetSchema, `/api/datanets/${id}`),
    datanetVersions: (id: string) => call(Http.datanetVersionSchema.array(), `/api/datanets/${id}/versions`),
    registerDatanet: (body: z.input<typeof Http.registerDatanetSchema>) =>
      call(Http.datanetSchema, '/api/datanets', body),

    contributions: (filter: { datanetId?: string; contributor?: string } = {}) =>
      call(Http.contributionSchema.array(), `/api/contributions${query(filter)}`),
    contribution: (id: string) => call(Http.contributionDetailSchema, `/api/contributions/${id}`),
    /**
     * A contribution with its texts, whatever the licence: the contributor, or the Datanet's owner, validators and licence
     * holders sign for it.
     */
    readContribution: async (id: string, signer: Signer) => {
      const { datanetId } = await call(Http.contributionDetailSchema, `/api/contributions/${id}`)
      return call(
        Http.contributionDetailSchema,
        `/api/contributions/${id}/read`,
        await signRequest('readRecords', { datanetId }, signer),
      )
    },
    /** Splits and hashes without storing anything: what the contributor is about to sign. */
    prepareContribution: (body: z.input<typeof Http.prepareContributionSchema>) =>
      call(Http.preparedContributionSchema, '/api/contributions/prepare', body),
    /** Prepares, signs and sends a contribution; resolves when the chain has it. */
    async contribute(
      input: z.input<typeof Http.prepareContributionSchema> & { title: string },
      signer: Signer,
    ): Promise<Http.Contribution> {
      const { title, ...content } = input
      const prepared = await call(Http.preparedContributionSchema, '/api/contributions/prepare', content)
      const signed = await signFor(
        'datanets',
        TypedData.contribution,
        {
          datanetId: BigInt(input.datanetId),
          recordsRoot: prepared.recordsRoot,
          recordCount: prepared.recordCount,
          contentHash: prepared.contentHash,
          licence: input.licence,
          contributor: signer.address,
        },
        signer,
      )
      const body = { ...content, title, contributor: signer.address, ...signed }
      return call(Http.contributionSchema, '/api/contributions', body)
    },

    /** What a version holds; with a signer also the texts that the licence gives to who signs. */
    versionRecords: async (datanetId: string, version: number, signer?: Signer) =>
      call(
        Http.versionRecordSchema.array(),
        `/api/datanets/${datanetId}/versions/${version}/records`,
        signer && (await signRequest('readRecords', { datanetId }, signer)),
      ),
    trainingEstimate: (of: z.input<typeof Http.trainingEstimateQuerySchema>) =>
      call(
        Http.trainingEstimateSchema,
        `/api/training-estimate${query(of as Record<string, string | number>)}`,
      ),
    /** Writes down what a named validator decided; `Datanets.recordVerdict` with what comes back makes it count. */
    writeJudgement: async (
      contributionId: string,
      verdicts: z.input<typeof Http.judgeContributionSchema>['payload']['verdicts'],
      signer: Signer,
    ) =>
      call(
        Http.judgementSchema,
        `/api/contributions/${contributionId}/judgements`,
        await signRequest('judgeContribution', { contributionId, verdicts }, signer),
      ),
    /** Cases about a contribution before the panel of validators, with every vote. */
    panelCases: (contributionId: string) =>
      call(Http.panelCaseSchema.array(), `/api/contributions/${contributionId}/cases`),
    /** Cases that an account was drawn for as a judge, newest first. */
    panelDuties: (judge: string) =>
      call(Http.panelCaseSchema.array(), `/api/panel-duties${query({ judge })}`),
    /** Whether a Datanet's verdicts can be disputed before the panel of validators, and for what. */
    datanetPanel: (datanetId: string) => call(Http.datanetPanelSchema, `/api/datanets/${datanetId}/panel`),
    /** Has the server read now what the chain has of contributions. */
    followContribution: (id: string) =>
      call(Http.contributionDetailSchema, `/api/contributions/${id}/follow`, {}),
    /** What a Datanet's licence costs, and until when a holder has one. */
    datanetLicence: (datanetId: string, holder?: string) =>
      call(Http.datanetLicenceSchema, `/api/datanets/${datanetId}/licence${query({ holder })}`),
    /** Asks the operator to send what an account earned by licences; the money can only go to the account. */
    claimLicenceFees: (account: string) =>
      call(Http.claimedLicenceFeesSchema, '/api/licence-claims', { account }),
    /** Signs that a contribution is taken back, for good; costs no gas. */
    async withdrawContribution(id: string, signer: Signer): Promise<Http.ContributionDetail> {
      const body = await signFor('datanets', TypedData.withdrawal, { contributionId: id }, signer)
      return call(Http.contributionDetailSchema, `/api/contributions/${id}/withdraw`, body)
    },
    /** Signs that a contribution's future rewards go to another address; costs no gas. */
    async changeBeneficiary(id: string, to: Hex, signer: Signer): Promise<Http.ContributionDetail> {
      const { beneficiaryNonce } = await call(Http.contributionDetailSchema, `/api/contributions/${id}`)
      const message = { contributionId: id, to, nonce: BigInt(beneficiaryNonce) }
      const signed = await signFor('datanets', TypedData.beneficiaryChange, message, signer)
      const body = { to: to.toLowerCase(), ...signed }
      return call(Http.contributionDetailSchema, `/api/contributions/${id}/beneficiary`, body)
    },

    trainingRuns: () => call(Http.trainingRunSchema.array(), '/api/training-runs'),
    trainingRun: (id: string) => call(Http.trainingRunSchema, `/api/training-runs/${id}`),
    trainingMetrics: (id: string) => call(Http.metricSchema.array(), `/api/training-runs/${id}/metrics`),
    createTrainingRun: async (
      payload: z.input<typeof Http.createTrainingRunSchema>['payload'],
      signer: Signer,
    ) =>
      call(
        Http.trainingRunSchema,
        '/api/training-runs',
        await signRequest('createTrainingRun', payload, signer),
      ),
    /** Asks for a change of a run that its owner signs. */
    changeTrainingRun: async (verb: 'cancel' | 'pause' | 'resume', id: string, signer: Signer) =>
      call(
        Http.trainingRunSchema,
        `/api/training-runs/${id}/${verb}`,
        await signRequest(`${verb}TrainingRun`, { id }, signer),
      ),
    /** Signs what a trained run would publish and has it published. */
    async publish(runId: string, signer: Signer): Promise<Http.Model> {
      const { modelHash } = await call(Http.publicationSchema, `/api/training-runs/${runId}/publication`)
      const message = { modelHash, owner: signer.address }
      const body = await signFor('models', TypedData.publication, message, signer)
      return call(Http.modelSchema, `/api/training-runs/${runId}/publish`, body)
    },

    models: () => call(Http.modelSchema.array(), '/api/models'),
    model: (name: string) => call(Http.modelSchema, `/api/models/${name}`),
    /** Adapters that are kept in memory because their owner paid for it, and what that costs. */
    pins: () => call(Http.pinsSchema, '/api/pins'),
    /**
     * Keeps a model's adapter in memory for some hours; what is kept already stays for that much longer.
     * @param secret - Of an API key of the model's owner, which pays.
     */
    pin: async (name: string, hours: number, secret: string): Promise<Http.SignedReceipt> =>
      (await call(Http.pinnedSchema, '/v1/load_lora_adapter', { lora_name: name, hours }, secret)).openledger
        .receipt,

    account: (address: string) => call(Http.accountSchema, `/api/accounts/${address}`),
    apiKeys: (address: string) => call(Http.apiKeySchema.array(), `/api/accounts/${address}/api-keys`),
    /** The secret is in this answer and nowhere else. */
    createApiKey: async (payload: z.input<typeof Http.createApiKeySchema>['payload'], signer: Signer) =>
      call(Http.createdApiKeySchema, '/api/api-keys', await signRequest('createApiKey', payload, signer)),
    revokeApiKey: async (id: string, signer: Signer) =>
      call(Http.apiKeySchema, '/api/api-keys/revoke', await signRequest('revokeApiKey', { id }, signer)),

    /**
     * Signs for prepaid OPEN to come back. `refund` has the server pay it out at once; without the server anyone can send
     * it to `Settlement.refund`, which pays after the withdrawal's delay.
     */
    async signRefund(amountWei: bigint, signer: Signer): Promise<z.input<typeof Http.refundSchema>> {
      const nonce = Bytes.toHex(crypto.getRandomValues(new Uint8Array(32)))
      const message = { account: signer.address, amount: amountWei, nonce }
      const signed = await signFor('settlement', TypedData.refund, message, signer)
      return { account: signer.address, amountWei: amountWei.toString(), nonce, ...signed }
    },
    refund: (signed: z.input<typeof Http.refundSchema>) => call(Http.refundedSchema, '/api/refunds', signed),

    receipts: (filter: { payer?: string; model?: string; limit?: number; before?: number } = {}) =>
      call(Http.receiptSchema.array(), `/api/receipts${query(filter)}`),
    receipt: (sequence: number) => call(Http.receiptSchema, `/api/receipts/${sequence}`),
    /** Signs a receipt as its payer, beside the serving node. */
    async countersign(receipt: Http.SignedReceipt, signer: Signer): Promise<Http.SignedReceipt> {
      const { l2ChainId, l2 } = await deployment()
      const signature = await signer.signTypedData({
        domain: TypedData.contractDomain(DOMAIN_NAMES.settlement, l2ChainId, l2.settlement),
        types: TypedData.receipt,
        primaryType: 'Receipt',
        message: Receipt.ofShown(receipt),
      })
      return call(Http.receiptSchema, `/api/receipts/${receipt.sequence}/countersignature`, { signature })
    },
    /** Proof that a settled receipt is in its batch. */
    inclusion: (sequence: number) => call(Http.inclusionSchema, `/api/receipts/${sequence}/inclusion`),
    /** What a receipt's shares follow from; check it against the CID in the receipt. */
    evidence: (sequence: number) => bytes(`/api/receipts/${sequence}/evidence`),
    /** Proof of what a receipt's spans are paid by, without their words. */
    shownSpans: (sequence: number) => call(Http.shownSpansSchema, `/api/receipts/${sequence}/spans`),
    modelAttribution: (name: string) =>
      call(Http.modelAttributionSchema, `/api/models/${encodeURIComponent(name)}/attribution`),
    /** A model's adapter, record table or index; check it against its CID. */
    modelFile: (name: string, cid: string) => bytes(`/api/models/${encodeURIComponent(name)}/files/${cid}`),
    /** The most that a request to `/v1/completions` or `/v1/chat/completions` would cost; its body, in OpenAI's form. */
    quote: (request: { readonly model: string; readonly [field: string]: unknown }) =>
      call(
        Http.quoteSchema,
        `/v1/${'messages' in request ? 'chat/completions' : 'completions'}/quote`,
        request,
      ),
    /**
     * Has a text that was made elsewhere attributed, for the price of an answer of that length.
     * @param secret - Of the API key that pays.
     */
    attribute: async (
      request: { model: string; prompt: string; text: string; passages?: readonly string[] },
      secret: string,
    ): Promise<Http.AnswerExtension> =>
      (await call(Http.textAttributionSchema, '/v1/attributions', request, secret)).openledger,
    /** Answers that a contribution shaped, newest first, with what each paid for it. */
    contributionAnswers: (id: string, page: { limit?: number; before?: number } = {}) =>
      call(Http.paidAnswerSchema.array(), `/api/contributions/${id}/answers${query(page)}`),
    /** The same of a single record. */
    recordAnswers: (id: string, page: { limit?: number; before?: number } = {}) =>
      call(Http.paidAnswerSchema.array(), `/api/records/${id}/answers${query(page)}`),
    /** Batches of receipts, newest first, with where each stands. */
    batches: (filter: { limit?: number; before?: number } = {}) =>
      call(Http.batchSchema.array(), `/api/batches${query(filter)}`),
    /** Tells the shares that a panel found for a receipt; anyone may, their root is on chain. */
    correctShares: (sequence: number, shares: z.input<typeof Http.correctSharesSchema>['shares']) =>
      call(Http.receiptSchema, `/api/receipts/${sequence}/shares`, { shares }),
    /** A model as a zip archive, where its licences are open. */
    modelExport: (name: string, format: Http.ExportFormat) =>
      bytes(`/api/models/${encodeURIComponent(name)}/exports/${format}`),
    /** The same for the model's owner, whatever the licences. */
    ownModelExport: async (name: string, format: Http.ExportFormat, signer: Signer) =>
      bytes('/api/models/exports', await signRequest('exportModel', { name, format }, signer)),
    earnings: (address: string) => call(Http.earningsSchema, `/api/earnings/${address}`),
    claimProof: (address: string) => call(Http.claimProofSchema, `/api/earnings/${address}/proof`),
    /** Asks the operator to send the claim; the money can only go to `account`. */
    claim: (account: string) => call(Http.claimedSchema, '/api/claims', { account }),
    /** The same for up to 200 accounts in one transaction; gives those that were paid. */
    claimMany: (accounts: readonly string[]) =>
      call(Http.claimedSchema.array(), '/api/claims/many', { accounts }),

    blocks: (filter: { before?: number; limit?: number } = {}) =>
      call(Http.blockSchema.array(), `/api/blocks${query(filter)}`),
    block: (number: number | string) => call(Http.blockDetailSchema, `/api/blocks/${number}`),
    transaction: (hash: string) => call(Http.transactionSchema, `/api/transactions/${hash}`),
    agents: () => call(Http.agentSchema.array(), '/api/agents'),
  }
}
