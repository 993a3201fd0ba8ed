import { BaseError, Open } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import type { Settlement } from '@openledger/settlement'
import type { Context } from 'hono'
import { z } from 'zod'
import type { AnsweringModel, Payer } from '../completions/Answering.ts'
import { ApiKeyUnknownError } from '../completions/Paywall.ts'
import { PIN_SECONDS_MAX, type Pinning } from '../completions/Pinning.ts'
import type { Routes } from './Routes.ts'

/**
 * Adds vLLM's routes that load and unload adapters, as far as a registry allows: a name is a published model, and what is
 * loaded is the adapter that the chain names, never a path.
 *
 * @see vLLM, "LoRA Adapters", dynamically serving.
 */
export function addAdapterRoutes(
  routes: Routes,
  deps: {
    readonly pinning: Pick<Pinning, 'pin' | 'unpin' | 'list'>
    readonly apiKeys: Pick<Settlement['apiKeys'], 'find'>
    readonly findModel: (name: string) => Promise<AnsweringModel | undefined>
    /** Gives who owns a published model. */
    readonly ownerOf: (name: string) => Promise<string>
  },
): void {
  const { pinning, apiKeys, findModel, ownerOf } = deps

  /** Whose key it is, who pays. */
  async function ownerOfKey(context: Context, name: string): Promise<Payer> {
    const secret = /^Bearer\s+(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1]
    const holder = secret === undefined ? undefined : await apiKeys.find(secret)
    if (holder === undefined) throw new ApiKeyUnknownError()
    const owner = await ownerOf(name)
    if (owner.toLowerCase() !== holder.account.toLowerCase()) throw new NotModelOwnerError(name)
    return { account: holder.account, apiKeyId: holder.id }
  }

  routes.post(
    '/v1/load_lora_adapter',
    {
      tag: 'vLLM',
      summary:
        "Keep a published model's adapter in memory for some hours, paid by an API key of the model's owner.",
      body: z.object({
        lora_name: z.string().min(1).max(128),
        /** The adapter's CID, or nothing. */
        lora_path: z.string().max(512).nullish(),
        /** Ours: how long; what is kept already stays for that much longer. */
        hours: z
          .number()
          .min(1 / 60)
          .max(PIN_SECONDS_MAX / 3_600)
          .nullish(),
      }),
      response: Http.pinnedSchema,
    },
    async ({ context, body }) => {
      const { lora_name: name, lora_path: path, hours } = body
      const payer = await ownerOfKey(context, name)
      const model = await findModel(name)
      if (path != null && path !== model?.adapterCid) throw new AdapterPathError(name, model?.adapterCid)
      const { pin, receipt } = await pinning.pin(name, Math.round((hours ?? HOURS_DEFAULT) * 3_600), payer)
      const until = new Date(pin.untilSeconds * 1_000).toISOString()
      const cost = Open.format(BigInt(receipt.feeWei))
      return {
        message: `LoRA adapter '${name}' added successfully: kept in memory until ${until} for ${cost} OPEN.`,
        openledger: { receipt },
      }
    },
  )
  routes.post(
    '/v1/unload_lora_adapter',
    {
      tag: 'vLLM',
      summary: "Let a model's adapter leave memory. Needs an API key of the model's owner.",
      body: z.object({ lora_name: z.string().min(1).max(128) }),
      response: z.object({ message: z.string() }),
    },
    async ({ context, body }) => {
      await ownerOfKey(context, body.lora_name)
      if (!pinning.unpin(body.lora_name)) throw new AdapterNotLoadedError(body.lora_name)
      return { message: `LoRA adapter '${body.lora_name}' removed successfully.` }
    },
  )
  routes.get(
    '/api/pins',
    {
      tag: 'Models',
      summary: 'Adapters that are kept in memory because their owner paid for it, and what that costs.',
      response: Http.pinsSchema,
    },
    () => pinning.list(),
  )
}

/** What vLLM's route means, which knows no time. */
const HOURS_DEFAULT = 1

export class NotModelOwnerError extends BaseError {
  constructor(name: string) {
    super({
      code: 'model.not_owner',
      message: `Expected an API key of the owner of ${name.slice(0, 80)}, got another account's. Nothing was changed.`,
      context: { name: name.slice(0, 80) },
    })
  }
}

export class AdapterPathError extends BaseError {
  constructor(name: string, expected: string | undefined) {
    super({
      code: 'model.adapter_path',
      message: `Expected lora_path to be ${expected ?? 'left out'}, the adapter that ${name.slice(0, 80)} was published with: paths are not read. Nothing was changed.`,
      context: { name: name.slice(0, 80), param: 'lora_path' },
    })
  }
}

export class AdapterNotLoadedError extends BaseError {
  constructor(name: string) {
    super({
      code: 'model.adapter_not_found',
      message: `Expected an adapter that was loaded, but ${name.slice(0, 80)} is not kept in memory. Nothing was changed.`,
      context: { name: name.slice(0, 80), param: 'lora_name' },
    })
  }
}
