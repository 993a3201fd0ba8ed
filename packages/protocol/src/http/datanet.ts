import { z } from 'zod'
import { addressSchema, hashSchema, hexSchema, nameSchema, unixSecondsSchema, weiSchema } from '../Scalars.ts'

// GET /api/datanets, POST /api/datanets, GET /api/datanets/:id, GET /api/datanets/:id/versions
export const datanetSchema = z.object({
  id: z.string(),
  name: nameSchema,
  summary: z.string().max(2_000),
  licence: z.string().max(64),
  owner: addressSchema,
  commons: addressSchema,
  version: z.number().int(),
  recordCount: z.number().int(),
  contributionCount: z.number().int(),
  contributorCount: z.number().int(),
  earnedWei: weiSchema,
  transactionHash: hashSchema,
  createdAt: unixSecondsSchema,
})
export type Datanet = z.infer<typeof datanetSchema>

/** The owner's wallet created it on chain; the server checks the event and that `metadataHash` is this summary's hash. */
export const registerDatanetSchema = z.object({ transactionHash: hashSchema, summary: z.string().max(2_000) })

export const datanetVersionSchema = z.object({
  datanetId: z.string(),
  version: z.number().int(),
  recordsRoot: hashSchema,
  recordCount: z.number().int(),
  transactionHash: hashSchema,
  createdAt: unixSecondsSchema,
})
export type DatanetVersion = z.infer<typeof datanetVersionSchema>

// GET /api/datanets/:id/versions/:version/records: what a version holds, in its order
export const versionRecordSchema = z.object({
  recordId: hashSchema,
  contributionId: hashSchema,
  /** Id of the earliest record that this one nearly repeats; its own when there is none. */
  clusterId: hashSchema,
  text: z.string(),
})
export type VersionRecord = z.infer<typeof versionRecordSchema>

// POST /api/contributions/prepare: records in, what to sign out; nothing is stored
export const prepareContributionSchema = z.object({
  datanetId: z.string().regex(/^\d{1,20}$/),
  licence: z.string().min(1).max(64),
  /** Files are split into records by the rules of their kind; records already split may be sent as they are. */
  files: z
    .array(z.object({ name: z.string().min(1).max(255), text: z.string() }))
    .max(20)
    .optional(),
  records: z.array(z.string()).optional(),
})

export const preparedContributionSchema = z.object({
  contributionId: hashSchema,
  recordsRoot: hashSchema,
  recordCount: z.number().int(),
  contentHash: hashSchema,
  records: z.array(z.string()),
  /** Contributions already holding the same or similar records, with what would happen to these. */
  warnings: z.array(z.string()),
})
export type PreparedContribution = z.infer<typeof preparedContributionSchema>

// POST /api/contributions
export const contributeSchema = prepareContributionSchema.extend({
  title: z.string().min(1).max(200),
  contributor: addressSchema,
  deadline: unixSecondsSchema,
  signature: hexSchema,
})

export const contributionStatusSchema = z.enum(['registered', 'validated', 'versioned'])

export const verdictSchema = z.enum(['pending', 'accepted', 'rejected'])

// GET /api/contributions?datanetId=&contributor=, GET /api/contributions/:id (with records)
export const contributionSchema = z.object({
  id: hashSchema,
  datanetId: z.string(),
  datanetName: nameSchema,
  title: z.string(),
  contributor: addressSchema,
  beneficiary: addressSchema,
  licence: z.string(),
  cid: z.string(),
  recordsRoot: hashSchema,
  recordCount: z.number().int(),
  acceptedCount: z.number().int(),
  status: contributionStatusSchema,
  earnedWei: weiSchema,
  transactionHash: hashSchema,
  createdAt: unixSecondsSchema,
})
export type Contribution = z.infer<typeof contributionSchema>

export const recordSchema = z.object({
  id: hashSchema,
  contributionId: hashSchema,
  index: z.number().int(),
  text: z.string(),
  verdict: verdictSchema,
  /** Why it was rejected, in words; empty when accepted. */
  reason: z.string(),
  duplicateOf: hashSchema.nullable(),
  similarityPpm: z.number().int().nullable(),
  earnedWei: weiSchema,
})
export type RecordDetail = z.infer<typeof recordSchema>

export const contributionDetailSchema = contributionSchema.extend({
  records: z.array(recordSchema),
  /** What the next change of its beneficiary must carry. */
  beneficiaryNonce: z.number().int(),
})
export type ContributionDetail = z.infer<typeof contributionDetailSchema>

// POST /api/contributions/:id/beneficiary
export const changeBeneficiarySchema = z.object({
  to: addressSchema,
  deadline: unixSecondsSchema,
  signature: hexSchema,
})
export type BeneficiaryChange = z.infer<typeof changeBeneficiarySchema>
