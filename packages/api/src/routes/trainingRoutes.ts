import type { ModelFactory } from '@openledger/modelfactory'
import { Http } from '@openledger/protocol'
import { streamSSE } from 'hono/streaming'
import { z } from 'zod'
import type { Routes } from './Routes.ts'
import { idParams, payloadOf } from './requestParts.ts'
import { followRun } from './TrainingEvents.ts'

/** Adds training runs, from an estimate to a published model, and the list of what is published. */
export function addTrainingRoutes(routes: Routes, { modelFactory }: { readonly modelFactory: ModelFactory }) {
  const tag = 'Models'
  routes.get(
    '/api/training-estimate',
    {
      tag,
      summary: 'What a run would do: time, memory, tokens and how the model reads them.',
      query: Http.trainingEstimateQuerySchema,
      response: Http.trainingEstimateSchema,
    },
    ({ query }) => modelFactory.estimate(query),
  )
  routes.post(
    '/api/training-runs',
    {
      tag,
      summary: 'Ask for a fine-tuning run.',
      body: Http.createTrainingRunSchema,
      response: Http.trainingRunSchema,
    },
    ({ body, rawBody }) => modelFactory.request(body, payloadOf(rawBody)),
  )
  routes.get(
    '/api/training-runs',
    { tag, summary: 'Fine-tuning runs, newest first.', response: Http.trainingRunSchema.array() },
    () => modelFactory.runs(),
  )
  routes.get(
    '/api/training-runs/:id',
    { tag, summary: 'One run.', params: idParams, response: Http.trainingRunSchema },
    ({ params }) => modelFactory.run(params.id),
  )
  routes.get(
    '/api/training-runs/:id/metrics',
    { tag, params: idParams, summary: 'Its losses so far.', response: Http.metricSchema.array() },
    ({ params }) => modelFactory.metrics(params.id),
  )
  routes.get(
    '/api/training-runs/:id/events',
    {
      tag,
      params: idParams,
      summary: 'Its losses as they come (server-sent events `metric` and `run`), until it is over.',
      response: z.union([Http.metricSchema, Http.trainingRunSchema]),
      responseType: 'text/event-stream',
    },
    async ({ params, context }) => {
      await modelFactory.run(params.id)
      return streamSSE(context, (stream) => followRun(modelFactory, params.id, stream))
    },
  )
  const summaries = {
    cancel: 'Stop a run; its owner signs.',
    pause: 'Give the place of a run to others and keep where it stands; its owner signs.',
    resume: 'Go on with a run that is paused or failed; its owner signs.',
  }
  for (const verb of ['cancel', 'pause', 'resume'] as const) {
    routes.post(
      `/api/training-runs/:id/${verb}`,
      {
        tag,
        params: idParams,
        summary: summaries[verb],
        body: Http.signedSchema(z.object({ id: z.string().max(80) })),
        response: Http.trainingRunSchema,
      },
      ({ body }) => modelFactory[verb](body),
    )
  }
  routes.get(
    '/api/training-runs/:id/publication',
    {
      tag,
      params: idParams,
      summary: 'What the owner signs to publish a trained run.',
      response: Http.publicationSchema,
    },
    ({ params }) => modelFactory.publication(params.id),
  )
  routes.post(
    '/api/training-runs/:id/publish',
    {
      tag,
      params: idParams,
      summary: 'Publish a trained run on chain and put it into service.',
      body: Http.publishSchema,
      response: Http.modelSchema,
    },
    ({ params, body }) => modelFactory.publish(params.id, body),
  )
  routes.get(
    '/api/models',
    { tag, summary: 'All published models.', response: Http.modelSchema.array() },
    () => modelFactory.models(),
  )
  routes.get(
    '/api/models/:name',
    {
      tag,
      summary: 'One model.',
      params: z.object({ name: z.string().max(80) }),
      response: Http.modelSchema,
    },
    ({ params }) => modelFactory.model(params.name),
  )
}
