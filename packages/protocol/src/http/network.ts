import { z } from 'zod'
import { deploymentSchema } from '../Deployment.ts'
import { addressSchema, hashSchema, weiSchema } from '../Scalars.ts'

// GET /api/network
export const networkSchema = z.object({
  name: z.string(),
  development: z.boolean(),
  deployment: deploymentSchema,
  l1RpcUrl: z.string(),
  l2RpcUrl: z.string(),
  split: z.object({
    version: z.number().int(),
    platformBps: z.number().int(),
    ownerBps: z.number().int(),
    stakersBps: z.number().int(),
    contributorsBps: z.number().int(),
  }),
  treasury: addressSchema,
  operator: addressSchema,
  /** Checks records; a Datanet's owner names it with `addValidator`. */
  validator: addressSchema,
  base: z.object({
    name: z.string(),
    hash: hashSchema,
    parameters: z.number().int(),
    contextTokens: z.number().int(),
  }),
  /** The model that compares answers for training runs; null where there is none. */
  judge: z.string().nullable(),
  /** OPEN locked in the portal on L1 and existing on L2: always equal. */
  supply: z.object({ lockedOnL1Wei: weiSchema, onL2Wei: weiSchema.nullable() }),
  heads: z.object({
    l1: z.number().int(),
    unsafe: z.number().int(),
    safe: z.number().int(),
    finalized: z.number().int(),
  }),
})
export type Network = z.infer<typeof networkSchema>

// GET /api/seed: what a first start puts in place, and how far it is
export const seedStepSchema = z.object({
  name: z.string(),
  title: z.string(),
  state: z.enum(['waiting', 'running', 'done', 'failed']),
  detail: z.string(),
})

export const seedSchema = z.object({ done: z.boolean(), steps: z.array(seedStepSchema) })
export type Seed = z.infer<typeof seedSchema>
