import type { Hex } from '@openledger/primitives'
import { z } from 'zod'
import { addressSchema, hashSchema, nameSchema, unixSecondsSchema, weiSchema } from '../Scalars.ts'
import { signedSchema } from './request.ts'
import { agreementSchema } from './training.ts'

// GET /api/models, GET /api/models/:name
export const modelSchema = z.object({
  id: z.string(),
  name: nameSchema,
  owner: addressSchema,
  trainingRunId: z.string(),
  adapterHash: hashSchema,
  adapterCid: z.string(),
  datanets: z.array(z.object({ datanetId: z.string(), version: z.number().int() })),
  inputPriceWei: weiSchema,
  outputPriceWei: weiSchema,
  influenceBps: z.number().int(),
  spansBps: z.number().int(),
  /** Mean loss on records that neither taught nor chose the adapter, in nats. */
  testLoss: z.number(),
  baseTestLoss: z.number(),
  /** Null where it was not measured; the chain then says 0. */
  agreement: agreementSchema.nullable(),
  answerCount: z.number().int(),
  earnedWei: weiSchema,
  stakedWei: weiSchema,
  /** Its owner took it out of service for good. */
  isRetired: z.boolean(),
  transactionHash: hashSchema,
  createdAt: unixSecondsSchema,
})
export type Model = z.infer<typeof modelSchema>

// GET /api/pins: adapters that stay in memory because their owner paid for it
export const pinSchema = z.object({
  modelName: nameSchema,
  untilSeconds: unixSecondsSchema,
  sizeBytes: z.number().int(),
  receiptSequence: z.number().int(),
})
export type Pin = z.infer<typeof pinSchema>
export const pinsSchema = z.object({
  /** Of a MiB for an hour. */
  priceWei: weiSchema,
  pins: z.array(pinSchema),
})
export type Pins = z.infer<typeof pinsSchema>

// GET /api/models/:name/attribution; the files by CID at /api/models/:name/files/:cid
export const modelAttributionSchema = z.object({
  modelId: z.string(),
  baseHash: hashSchema,
  adapterHash: hashSchema,
  adapterCid: z.string(),
  recordsCid: z.string(),
  influenceCid: z.string(),
  spansCid: z.string(),
  attributionRoot: hashSchema,
  policy: z.object({ influenceBps: z.number().int(), spansBps: z.number().int() }),
  commons: addressSchema,
  licences: z.array(z.string()),
  /** Whether the licences let anyone have the files. */
  isOpen: z.boolean(),
})

// GET /api/receipts/:sequence/spans
const provedBytesSchema = z
  .string()
  .regex(/^0x(?:[0-9a-f]{2})*$/, 'expected 0x and whole bytes in lower-case hexadecimal')
  .transform((value) => value as Hex)
const openedRangeSchema = z.object({ leaves: provedBytesSchema, siblings: provedBytesSchema })
export const shownSpansSchema = z.object({
  influenceRoot: hashSchema,
  spansRoot: hashSchema,
  /** SHA-256 of the record table. */
  tableHash: hashSchema,
  /** Leaf of the span index's header and the roots of its sections but the last. */
  parts: provedBytesSchema,
  /** The last section, which commits to the index place by place. */
  commitment: provedBytesSchema,
  /** For each span that is paid. */
  spans: z.array(z.object({ order: openedRangeSchema, text: z.array(openedRangeSchema) })),
  documents: z.array(z.object({ number: z.number().int(), leaf: z.string(), siblings: provedBytesSchema })),
})
export type ShownSpans = z.infer<typeof shownSpansSchema>

// GET /api/models/:name/exports/:format, POST /api/models/exports (signed)
export const exportFormatSchema = z.enum(['peft', 'merged', 'gguf', 'onnx'])
export type ExportFormat = z.infer<typeof exportFormatSchema>

export const exportModelSchema = signedSchema(z.object({ name: nameSchema, format: exportFormatSchema }))
