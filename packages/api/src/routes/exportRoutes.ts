import type { ModelFactory } from '@openledger/modelfactory'
import { Http } from '@openledger/protocol'
import type { Database } from '@openledger/store'
import { z } from 'zod'
import { FilesForbiddenError, findLicensed } from './ModelLicences.ts'
import type { Routes } from './Routes.ts'

export type ExportRouteDependencies = {
  readonly database: Database
  readonly modelFactory: Pick<ModelFactory, 'serving' | 'exportModel' | 'exportOwn'>
}

/** Adds downloads of whole models: for anyone where the licences are open, otherwise for the model's owner. */
export function addExportRoutes(routes: Routes, deps: ExportRouteDependencies): void {
  const { modelFactory } = deps
  const tag = 'Models'
  routes.get(
    '/api/models/:name/exports/:format',
    {
      tag,
      summary:
        'A model as a zip archive for PEFT, transformers (merged), llama.cpp (gguf) or ONNX runtimes, where licences allow it.',
      params: z.object({ name: z.string().max(80), format: Http.exportFormatSchema }),
      response: z.unknown(),
      responseType: 'application/zip',
    },
    async ({ params: { name, format } }) => {
      const { licences, isOpen } = await findLicensed(deps, name)
      if (!isOpen) throw new FilesForbiddenError(name, licences)
      return archiveOf(name, format, await modelFactory.exportModel(name, format))
    },
  )
  routes.post(
    '/api/models/exports',
    {
      tag,
      summary: 'The same, whatever the licences; the model’s owner signs.',
      body: Http.exportModelSchema,
      response: z.unknown(),
      responseType: 'application/zip',
    },
    async ({ body }) => {
      const { name, format } = body.payload
      return archiveOf(name, format, await modelFactory.exportOwn(body))
    },
  )
}

const archiveOf = (name: string, format: string, bytes: Uint8Array<ArrayBuffer>): Response =>
  new Response(bytes, {
    headers: {
      'content-type': 'application/zip',
      'content-disposition': `attachment; filename="${name}-${format}.zip"`,
    },
  })
