import { z } from 'zod'
import { addressSchema, hexSchema, unixSecondsSchema } from '../Scalars.ts'

/** Proof that a wallet asked for something: an EIP-712 `Request` over the keccak256 of the payload's canonical JSON. */
export const signedSchema = <T extends z.ZodType>(payload: T) =>
  z.object({
    payload,
    account: addressSchema,
    deadline: unixSecondsSchema,
    signature: hexSchema,
  })

/** RFC 9457 problem document; `code` is stable, `detail` is for people. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  code: z.string(),
  context: z.record(z.string(), z.unknown()).optional(),
})
export type Problem = z.infer<typeof problemSchema>
