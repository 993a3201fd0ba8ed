import type { ModelFactory } from '@openledger/modelfactory'
import { BaseError } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import type { Settlement } from '@openledger/settlement'
import { type Blobs, type Database, inArray, schema } from '@openledger/store'
import { z } from 'zod'
import { PublishedModelNotFoundError } from '../completions/Answering.ts'
import type { Routes } from './Routes.ts'
import { sequenceParams } from './requestParts.ts'

const { contributions, datanets } = schema

/** Licences whose terms let anyone have the text that an index is made of. */
const OPEN_LICENCES = new Set(
  [
    'MIT',
    'MIT-0',
    'ISC',
    '0BSD',
    'BSD-2-Clause',
    'BSD-3-Clause',
    'Apache-2.0',
    'Unlicense',
    'CC0-1.0',
  ].concat(['CC-BY-4.0', 'CC-BY-SA-4.0', 'MPL-2.0', 'GPL-2.0-only', 'GPL-3.0-only', 'GPL-3.0-or-later']),
)

export type AttributionRouteDependencies = {
  readonly database: Database
  readonly blobs: Blobs
  readonly settlement: Pick<Settlement, 'contract' | 'receipts'>
  readonly modelFactory: Pick<ModelFactory, 'serving' | 'file'>
}

/**
 * Adds what an auditor needs to recompute an answer's attribution on another machine: the evidence of each receipt, and a
 * model's adapter and indexes where the licence of what it was trained on allows it.
 */
export function addAttributionRoutes(routes: Routes, deps: AttributionRouteDependencies): void {
  const { database, blobs, settlement, modelFactory } = deps
  const tag = 'Attribution'
  const nameParams = z.object({ name: z.string().max(80) })

  const licencesOf = async (datanetIds: readonly bigint[]): Promise<string[]> => {
    const [ofDatanets, ofContributions] = await Promise.all([
      database.orm
        .select({ licence: datanets.licence })
        .from(datanets)
        .where(inArray(datanets.id, [...datanetIds])),
      database.orm
        .selectDistinct({ licence: contributions.licence })
        .from(contributions)
        .where(inArray(contributions.datanetId, [...datanetIds])),
    ])
    return [...new Set([...ofDatanets, ...ofContributions].map(({ licence }) => licence))].sort()
  }
  const find = async (name: string) => {
    const model = await modelFactory.serving(name)
    if (model === undefined) throw new PublishedModelNotFoundError(name)
    const licences = await licencesOf(model.datanetIds)
    return { model, licences, isOpen: licences.every((licence) => OPEN_LICENCES.has(licence)) }
  }

  routes.get(
    '/api/models/:name/attribution',
    {
      tag,
      params: nameParams,
      summary: 'What answers of a model are attributed with, and whether anyone may have it.',
      response: Http.modelAttributionSchema,
    },
    async ({ params }) => {
      const { model, licences, isOpen } = await find(params.name)
      const { commons } = await settlement.contract.modelTerms(model.modelId)
      const { adapterCid, recordsCid, influenceCid, spansCid } = model
      return {
        modelId: model.modelId.toString(),
        baseHash: model.baseHash,
        adapterHash: model.adapterHash,
        adapterCid,
        recordsCid,
        influenceCid,
        spansCid,
        attributionRoot: model.attributionRoot,
        policy: { influenceBps: model.influenceBps, spansBps: model.spansBps },
        commons,
        licences,
        isOpen,
      }
    },
  )
  routes.get(
    '/api/models/:name/files/:cid',
    {
      tag,
      summary: 'The bytes of a model’s adapter, record table or index, by CID, where licences allow it.',
      params: nameParams.extend({ cid: z.string().max(120) }),
      response: z.unknown(),
      responseType: 'application/octet-stream',
    },
    async ({ params }) => {
      const { model, licences, isOpen } = await find(params.name)
      const { adapterCid, recordsCid, influenceCid, spansCid } = model
      if (![adapterCid, recordsCid, influenceCid, spansCid].includes(params.cid)) {
        throw new FileNotFoundError(params.name, params.cid)
      }
      if (!isOpen) throw new FilesForbiddenError(params.name, licences)
      return bytesOf(await modelFactory.file(params.cid))
    },
  )
  routes.get(
    '/api/receipts/:sequence/evidence',
    {
      tag,
      summary: 'What a receipt’s shares follow from in whole numbers; the receipt names its CID.',
      params: sequenceParams,
      response: z.unknown(),
      responseType: 'application/octet-stream',
    },
    async ({ params }) => {
      const { attribution } = await settlement.receipts.require(params.sequence)
      if (attribution.evidenceCid === undefined) throw new EvidenceNotFoundError(params.sequence)
      return bytesOf(await blobs.get(attribution.evidenceCid))
    },
  )
}

/** A CID names the same bytes for ever. */
const bytesOf = (bytes: Uint8Array): Response =>
  new Response(bytes.slice(), {
    headers: {
      'content-type': 'application/octet-stream',
      'cache-control': 'public, max-age=31536000, immutable',
    },
  })

export class FileNotFoundError extends BaseError {
  constructor(name: string, cid: string) {
    super({
      code: 'model.file_not_found',
      message: `Expected the CID of a file of ${name}, got ${cid}. GET /api/models/${name}/attribution lists them.`,
      context: { name, cid },
    })
  }
}

export class FilesForbiddenError extends BaseError {
  constructor(name: string, licences: readonly string[]) {
    super({
      code: 'model.files_forbidden',
      message: `Expected open licences on all that ${name} was trained on, but they are ${licences.join(', ')}. Its indexes hold the text; ask the Datanet's owner.`,
      context: { name, licences: [...licences] },
    })
  }
}

export class EvidenceNotFoundError extends BaseError {
  constructor(sequence: number) {
    super({
      code: 'receipt.evidence_not_found',
      message: `Expected a receipt with evidence, but receipt ${sequence} names none.`,
      context: { sequence },
    })
  }
}
