import type { Datanets } from '@openledger/datanet'
import { Http } from '@openledger/protocol'
import { addressSchema, hashSchema } from '@openledger/protocol/Scalars'
import { z } from 'zod'
import type { Routes } from './Routes.ts'
import { idParams } from './requestParts.ts'

/** A contribution's text may take twice its size once JSON has escaped it. */
const CONTRIBUTION_BYTES_MAX = 12 * 1024 * 1024

/** Adds Datanets, their versions and what people contribute to them. */
export function addDatanetRoutes(routes: Routes, { datanets }: { readonly datanets: Datanets }) {
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
