import { z } from 'zod'
import { addressSchema, hashSchema, hexSchema, nameSchema, unixSecondsSchema, weiSchema } from '../Scalars.ts'
import { signedSchema } from './request.ts'

// GET /api/datanets, POST /api/datanets, GET /api/datanets/:id, GET /api/datanets/:id/versions
export const datanetSchema = z.object({
  id: z.string(),
  name: nameSchema,
  summary: z.string().max(2_000),
  licence: z.string().max(64),
  /** Whether that lets anyone have the texts. */
  isOpen: z.boolean(),
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

/**
 * A request to read the records of a Datanet whose licence is not open (signed, action `readRecords`). It changes nothing, so
 * it is good for any number of reads until its deadline.
 */
export const readRecordsSchema = signedSchema(z.object({ datanetId: z.string().regex(/^\d{1,20}$/) }))

/** A record's text, or null where its licence does not let the asker have it; its length either way; what does not count of it. */
const textFields = {
  text: z.string().nullable(),
  characterCount: z.number().int(),
  /**
   * Ranges `[start, end)` of characters of its plain text that repeat what models had answered before it came: they are
   * neither learned nor paid. None where the text is null.
   */
  echoes: z.array(z.tuple([z.number().int(), z.number().int()]).readonly()).readonly(),
}

// GET /api/datanets/:id/versions/:version/records: what a version holds, in its order; POST: the same, signed
export const versionRecordSchema = z.object({
  recordId: hashSchema,
  contributionId: hashSchema,
  /** Id of the earliest record that this one nearly repeats; its own when there is none. */
  clusterId: hashSchema,
  ...textFields,
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

export const contributionStatusSchema = z.enum([
  'registered',
  'validated',
  'versioned',
  // taken back on chain; the next version is without it
  'withdrawing',
  'withdrawn',
])

export const verdictSchema = z.enum(['pending', 'accepted', 'rejected', 'withdrawn'])

// GET /api/contributions?datanetId=&contributor=, GET /api/contributions/:id (with records), POST /api/contributions/:id/read (signed)
export const contributionSchema = z.object({
  id: hashSchema,
  datanetId: z.string(),
  datanetName: nameSchema,
  title: z.string(),
  contributor: addressSchema,
  beneficiary: addressSchema,
  licence: z.string(),
  /** Whether its licence and its Datanet's let anyone have the texts. */
  isOpen: z.boolean(),
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
  ...textFields,
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
  /** Who may read the texts that are not shown, and how; null when all are. */
  access: z.string().nullable(),
})
export type ContributionDetail = z.infer<typeof contributionDetailSchema>

// POST /api/contributions/:id/beneficiary
export const changeBeneficiarySchema = z.object({
  to: addressSchema,
  deadline: unixSecondsSchema,
  signature: hexSchema,
})
export type BeneficiaryChange = z.infer<typeof changeBeneficiarySchema>

// POST /api/contributions/:id/withdraw
export const withdrawContributionSchema = z.object({ deadline: unixSecondsSchema, signature: hexSchema })
export type ContributionWithdrawal = z.infer<typeof withdrawContributionSchema>

// GET /api/datanets/:id/licence?holder=
export const datanetLicenceSchema = z.object({
  /** What `Datanets.buyLicence` sells now; null while nothing is sold. */
  terms: z
    .object({
      version: z.number().int(),
      priceWei: weiSchema,
      durationSeconds: z.number().int(),
      ownerBps: z.number().int(),
      termsHash: hashSchema,
    })
    .nullable(),
  /** Last second of the holder's licence; null without one that lasts, or where no holder is named. */
  until: unixSecondsSchema.nullable(),
  /** What the holder earned by licences of this Datanet and others, and has not claimed. */
  owedWei: weiSchema,
})
export type DatanetLicence = z.infer<typeof datanetLicenceSchema>

// POST /api/contributions/:id/judgements (signed by a validator whom the Datanet's owner named)
export const judgeContributionSchema = signedSchema(
  z.object({
    contributionId: hashSchema,
    /** Of those records whose verdict changes; why, in a sentence. */
    verdicts: z
      .array(
        z.object({
          index: z.number().int().nonnegative(),
          verdict: z.enum(['accepted', 'rejected']),
          reason: z.string().min(1).max(500),
        }),
      )
      .min(1)
      .max(5_000),
  }),
)

/** What the validator's wallet gives to `Datanets.recordVerdict`; the verdict counts once the chain has it. */
export const judgementSchema = z.object({
  acceptedRoot: hashSchema,
  acceptedCount: z.number().int(),
  reasonsHash: hashSchema,
})
export type Judgement = z.infer<typeof judgementSchema>

// GET /api/contributions/:id/cases, GET /api/panel-duties?judge=
export const panelVoteSchema = z.object({
  judge: addressSchema,
  /** 0, or 1 for the appeal. */
  round: z.number().int(),
  weightWei: weiSchema,
  state: z.enum(['drawn', 'committed', 'revealed']),
  /** Of the disputed records those that the judge accepts; null before they say so. */
  accepted: z.array(z.number().int()).nullable(),
  reason: z.string(),
  slashedWei: weiSchema,
  paidWei: weiSchema,
})

/** A case before the validators' panel, as `ValidatorPanel` has it now. */
export const panelCaseSchema = z.object({
  id: z.number().int(),
  contributionId: hashSchema,
  disputed: z.array(z.number().int()),
  accepted: z.array(z.number().int()),
  rejected: z.array(z.number().int()),
  requester: addressSchema,
  appellant: addressSchema.nullable(),
  feeWei: weiSchema,
  /** What an appeal costs, half of it a bond. */
  appealCostWei: weiSchema,
  outcome: z.enum(['open', 'lapsed', 'hung', 'decided']),
  /** What can be done now; `over` once nothing is left to do. */
  stage: z.enum(['draw', 'commit', 'reveal', 'appeal', 'conclude', 'carryOut', 'over']),
  /** Last second of the stage, by the chain's clock; null where it waits for somebody. */
  until: unixSecondsSchema.nullable(),
  /** Whether its judges can be drawn now: the stage is `draw`, and the block whose hash draws is there. */
  isDrawable: z.boolean(),
  votes: z.array(panelVoteSchema),
})
export type PanelCase = z.infer<typeof panelCaseSchema>

// GET /api/datanets/:id/panel
export const datanetPanelSchema = z.object({
  /** Whether its owner has put it under the validators' panel. */
  isUnderPanel: z.boolean(),
  /** Whether nothing is accepted but by that panel. */
  isOnly: z.boolean(),
  judges: z.number().int(),
  /** For each judge. */
  feeWei: weiSchema,
  stepSeconds: z.number().int(),
})
export type DatanetPanel = z.infer<typeof datanetPanelSchema>

// POST /api/licence-claims
export const claimLicenceFeesSchema = z.object({ account: addressSchema })
export const claimedLicenceFeesSchema = z.object({ transactionHash: hashSchema, amountWei: weiSchema })
export type ClaimedLicenceFees = z.infer<typeof claimedLicenceFeesSchema>
