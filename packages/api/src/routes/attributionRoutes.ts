import type { ModelFactory } from '@openledger/modelfactory'
import type { OpenLora } from '@openledger/openlora'
import { BaseError, type Hex } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import type { Settlement } from '@openledger/settlement'
import type { Blobs, Database } from '@openledger/store'
import { z } from 'zod'
import { FilesForbiddenError, findLicensed } from './ModelLicences.ts'
import type { Routes } from './Routes.ts'
import { sequenceParams } from './requestParts.ts'

export type AttributionRouteDependencies = {
  readonly database: Database
  readonly blobs: Blobs
  readonly settlement: Pick<Settlement, 'contract' | 'receipts'>
  readonly modelFactory: Pick<ModelFactory, 'serving' | 'file'>
  readonly serving: Pick<OpenLora, 'showSpans'>
}

/**
 * Adds what an auditor needs to recompute an answer's attribution on another machine: the evidence of each receipt, proofs of
 * its spans, and a model's adapter and indexes where the licence of what it was trained on allows it.
 */
export function addAttributionRoutes(routes: Routes, deps: AttributionRouteDependencies): void {
  const { database, blobs, settlement, modelFactory, serving } = deps
  const tag = 'Attribution'
  const nameParams = z.object({ name: z.string().max(80) })

  const find = (name: string) => findLicensed({ database, modelFactory }, name)

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
        licences: [...licences],
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
      return bytesOf((await evidenceOf(params.sequence)).evidence)
    },
  )
  routes.get(
    '/api/receipts/:sequence/spans',
    {
      tag,
      summary:
        'Proof of what a receipt’s spans are paid by, from parts of the committed index that hold none of its words.',
      params: sequenceParams,
      response: Http.shownSpansSchema,
    },
    async ({ params }) => {
      const { receipt, evidence } = await evidenceOf(params.sequence)
      const { model } = await find(receipt.modelName)
      const { recordsCid, influenceCid, spansCid, attributionRoot } = model
      const index = { recordsCid, influenceCid, spansCid, attributionRoot: attributionRoot as Hex }
      return serving.showSpans(index, evidence)
    },
  )

  async function evidenceOf(sequence: number) {
    const receipt = await settlement.receipts.require(sequence)
    const { evidenceCid } = receipt.attribution
    if (evidenceCid === undefined) throw new EvidenceNotFoundError(sequence)
    return { receipt, evidence: await blobs.get(evidenceCid) }
  }
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

export class EvidenceNotFoundError extends BaseError {
  constructor(sequence: number) {
    super({
      code: 'receipt.evidence_not_found',
      message: `Expected a receipt with evidence, but receipt ${sequence} names none.`,
      context: { sequence },
    })
  }
}
