import type { SignedRequest } from '@openledger/protocol'
import { addressSchema } from '@openledger/protocol/Scalars'
import { z } from 'zod'

/** Parts of requests that several routes take. */
export const idParams = z.object({ id: z.string().max(80) })
export const addressParams = z.object({ address: addressSchema })
export const sequenceParams = z.object({
  sequence: z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER),
})
export const limitSchema = z.coerce.number().int().min(1).max(200).default(50)
export const beforeSchema = z.coerce.number().int().nonnegative().optional()

/** The payload exactly as it was signed: before defaults and case were put in. */
export const payloadOf = (rawBody: unknown): SignedRequest.SignedRequest['payload'] =>
  (rawBody as { payload: SignedRequest.SignedRequest['payload'] }).payload
