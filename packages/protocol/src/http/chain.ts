import { z } from 'zod'
import { addressSchema, hashSchema, unixSecondsSchema, weiSchema } from '../Scalars.ts'

// GET /api/blocks?before=&limit=, GET /api/blocks/:number, GET /api/transactions/:hash
export const blockSchema = z.object({
  number: z.number().int(),
  hash: hashSchema,
  parentHash: hashSchema,
  stateRoot: hashSchema,
  timestamp: unixSecondsSchema,
  transactionCount: z.number().int(),
  gasUsed: z.string(),
  l1Origin: z.object({ number: z.number().int(), hash: hashSchema }).nullable(),
  status: z.enum(['unsafe', 'safe', 'finalized']),
})
export type Block = z.infer<typeof blockSchema>

export const transactionSchema = z.object({
  hash: hashSchema,
  blockNumber: z.number().int(),
  timestamp: unixSecondsSchema,
  from: addressSchema,
  to: addressSchema.nullable(),
  valueWei: weiSchema,
  type: z.string(),
  success: z.boolean(),
  gasUsed: z.string(),
  /** What it did in words, when it called one of our contracts. */
  summary: z.string(),
  events: z.array(
    z.object({ contract: z.string(), name: z.string(), arguments: z.record(z.string(), z.string()) }),
  ),
})
export type Transaction = z.infer<typeof transactionSchema>

export const blockDetailSchema = blockSchema.extend({ transactions: z.array(transactionSchema) })
export type BlockDetail = z.infer<typeof blockDetailSchema>

/** How often an agent was judged, and the average from 0 to 100; null while nobody has. */
const judgementSchema = z.object({ count: z.number().int(), average: z.number().nullable() })

/** ERC-8004's tag for a rating of quality from 0 to 100: the ratings that are counted. */
export const RATING_TAG = 'starred'

/** One client's rating of an agent, and what shows that it has paid. */
const ratingSchema = z.object({
  client: addressSchema,
  /** Which of the client's ratings of this agent, from 1. */
  index: z.number().int(),
  /** From 0 to 100. */
  score: z.number(),
  /** The client's newest settled receipt, which `openledger verify` proves; null where it has paid for nothing. */
  proof: z.object({ receiptSequence: z.number().int(), settlementTransaction: hashSchema }).nullable(),
})

// GET /api/agents
export const agentSchema = z.object({
  id: z.string(),
  name: z.string(),
  owner: addressSchema,
  wallet: addressSchema,
  walletWei: weiSchema,
  uri: z.string(),
  /**
   * By clients that have paid for an answer of a model that the agent or its owner sells, once for each rating they gave.
   * Others' ratings stand in `ratings` and are not counted.
   */
  rating: judgementSchema,
  /** Every rating that was not taken back, those that count first. */
  ratings: z.array(ratingSchema),
  /** By the validators that its owner asked. */
  validation: judgementSchema,
  sessions: z.array(
    z.object({
      key: addressSchema,
      payee: addressSchema,
      limitPerPaymentWei: weiSchema,
      limitTotalWei: weiSchema,
      spentWei: weiSchema,
      expiresAt: unixSecondsSchema,
      revoked: z.boolean(),
    }),
  ),
})
export type Agent = z.infer<typeof agentSchema>
