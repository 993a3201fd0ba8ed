import { type Datanets, mayRead, type Reader } from '@openledger/datanet'
import type { ModelFactory, VersionRecord } from '@openledger/modelfactory'
import { Http } from '@openledger/protocol'
import { addressSchema, hashSchema } from '@openledger/protocol/Scalars'
import { z } from 'zod'
import type { Routes } from './Routes.ts'
import { idParams } from './requestParts.ts'

/** A contribution's text may take twice its size once JSON has escaped it. */
const CONTRIBUTION_BYTES_MAX = 12 * 1024 * 1024

/**
 * Adds Datanets, their versions and what people contribute to them. Texts whose licence is not open are given to those who
 * sign for them, everyone else sees hashes, lengths and verdicts.
 */
export function addDatanetRoutes(
  routes: Routes,
  {
    datanets,
    modelFactory,
  }: { readonly datanets: Datanets; readonly modelFactory: Pick<ModelFactory, 'records'> },
) {
  const tag = 'Datanets'
  routes.get('/api/datanets', { tag, summary: 'All Datanets.', response: Http.datanetSchema.array() }, () =>
    datanets.datanets(),
  )
  routes.post(
    '/api/datanets',
    {
      tag,
      summary: 'List a Datanet that a wallet created on chain.',
      body: Http.registerDatanetSchema,
      response: Http.datanetSchema,
    },
    ({ body }) => datanets.register(body),
  )
  routes.get(
    '/api/datanets/:id',
    { tag, summary: 'One Datanet.', params: idParams, response: Http.datanetSchema },
    ({ params }) => datanets.datanet(params.id),
  )
  routes.get(
    '/api/datanets/:id/versions',
    {
      tag,
      summary: 'Its versions.',
      params: idParams,
      response: Http.datanetVersionSchema.array(),
    },
    ({ params }) => datanets.versions(params.id),
  )
  routes.get(
    '/api/datanets/:id/licence',
    {
      tag,
      summary: 'What a licence costs, until when a holder has one, and what the holder earned by licences.',
      params: idParams,
      query: z.object({ holder: addressSchema.optional() }),
      response: Http.datanetLicenceSchema,
    },
    ({ params, query }) => datanets.licence(params.id, query.holder),
  )
  routes.get(
    '/api/datanets/:id/panel',
    {
      tag,
      summary: 'Whether its verdicts can be disputed before the panel of validators, and for what.',
      params: idParams,
      response: Http.datanetPanelSchema,
    },
    ({ params }) => datanets.panelOf(params.id),
  )
  routes.get(
    '/api/panel-duties',
    {
      tag,
      summary: 'Cases that an account was drawn for as a judge, newest first.',
      query: z.object({ judge: addressSchema }),
      response: Http.panelCaseSchema.array(),
    },
    ({ query }) => datanets.panelDuties(query.judge),
  )
  routes.post(
    '/api/licence-claims',
    {
      tag,
      summary:
        'Have the operator send what an account earned by licences; the money can only go to the account.',
      body: Http.claimLicenceFeesSchema,
      response: Http.claimedLicenceFeesSchema,
    },
    ({ body }) => datanets.claimLicenceFees(body.account),
  )
  const versionParams = z.object({
    id: z.string().regex(/^\d{1,20}$/),
    version: z.coerce.number().int().positive(),
  })
  routes.get(
    '/api/datanets/:id/versions/:version/records',
    {
      tag,
      summary: 'What a version holds, in its order: what a model is trained on.',
      params: versionParams,
      response: Http.versionRecordSchema.array(),
    },
    async ({ params: { id, version } }) =>
      (await modelFactory.records({ datanetId: id, version })).map((record) => shown(record, undefined)),
  )
  routes.post(
    '/api/datanets/:id/versions/:version/records',
    {
      tag,
      summary: 'The same with the texts that the licence gives to who signed.',
      params: versionParams,
      body: Http.readRecordsSchema,
      response: Http.versionRecordSchema.array(),
    },
    async ({ params: { id, version }, body }) => {
      const reader = await datanets.readerOf(body, BigInt(id))
      return (await modelFactory.records({ datanetId: id, version })).map((record) => shown(record, reader))
    },
  )
  routes.post(
    '/api/contributions/prepare',
    {
      tag,
      summary: 'Split and hash records and say what would become of them; nothing is stored.',
      body: Http.prepareContributionSchema,
      bodyBytesMax: CONTRIBUTION_BYTES_MAX,
      response: Http.preparedContributionSchema,
    },
    ({ body }) => datanets.prepare(body),
  )
  routes.post(
    '/api/contributions',
    {
      tag,
      summary: 'Contribute records under a signature; answers when the chain has them.',
      body: Http.contributeSchema,
      bodyBytesMax: CONTRIBUTION_BYTES_MAX,
      response: Http.contributionSchema,
    },
    ({ body }) => datanets.contribute(body),
  )
  routes.get(
    '/api/contributions',
    {
      tag,
      summary: 'Contributions, newest first.',
      query: z.object({ datanetId: z.string().max(20).optional(), contributor: addressSchema.optional() }),
      response: Http.contributionSchema.array(),
    },
    ({ query }) => datanets.contributions(query),
  )
  routes.get(
    '/api/contributions/:id',
    {
      tag,
      summary: 'One contribution with its records.',
      params: z.object({ id: hashSchema }),
      response: Http.contributionDetailSchema,
    },
    ({ params }) => datanets.contribution(params.id),
  )
  routes.post(
    '/api/contributions/:id/read',
    {
      tag,
      summary: 'One contribution with its texts, for who signed and may read them.',
      params: z.object({ id: hashSchema }),
      body: Http.readRecordsSchema,
      response: Http.contributionDetailSchema,
    },
    ({ params, body }) => datanets.read(params.id, body),
  )
  routes.post(
    '/api/contributions/:id/judgements',
    {
      tag,
      summary: 'Write a validator’s verdict down, for the validator’s wallet to record on chain.',
      params: z.object({ id: hashSchema }),
      body: Http.judgeContributionSchema,
      response: Http.judgementSchema,
    },
    ({ params, body }) => datanets.writeJudgement(params.id, body),
  )
  routes.get(
    '/api/contributions/:id/cases',
    {
      tag,
      summary: 'Cases about it before the panel of validators, with every vote.',
      params: z.object({ id: hashSchema }),
      response: Http.panelCaseSchema.array(),
    },
    ({ params }) => datanets.panelCases(params.id),
  )
  routes.post(
    '/api/contributions/:id/follow',
    {
      tag,
      summary: 'Have the server read now what the chain has of contributions, verdicts by others among it.',
      params: z.object({ id: hashSchema }),
      response: Http.contributionDetailSchema,
    },
    async ({ params }) => {
      await datanets.followContributions()
      return datanets.contribution(params.id)
    },
  )
  routes.post(
    '/api/contributions/:id/withdraw',
    {
      tag,
      summary: 'Take a contribution back, signed by its contributor; no version from now on holds it.',
      params: z.object({ id: hashSchema }),
      body: Http.withdrawContributionSchema,
      response: Http.contributionDetailSchema,
    },
    ({ params, body }) => datanets.withdraw(params.id, body),
  )
  routes.post(
    '/api/contributions/:id/beneficiary',
    {
      tag,
      summary: 'Hand its future rewards to another address, signed by who receives them now.',
      params: z.object({ id: hashSchema }),
      body: Http.changeBeneficiarySchema,
      response: Http.contributionDetailSchema,
    },
    ({ params, body }) => datanets.changeBeneficiary(params.id, body),
  )
}

const shown = (
  { recordId, contributionId, clusterId, text, echoes = [], isOpen, contributor }: VersionRecord,
  reader: Reader | undefined,
): Http.VersionRecord => {
  const isShown = isOpen || mayRead(reader, contributor)
  return {
    recordId,
    contributionId,
    clusterId,
    text: isShown ? text : null,
    characterCount: text.length,
    echoes: isShown ? echoes : [],
  }
}
