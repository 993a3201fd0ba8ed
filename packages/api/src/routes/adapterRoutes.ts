import type { OpenLora } from '@openledger/openlora'
import { BaseError } from '@openledger/primitives'
import type { Settlement } from '@openledger/settlement'
import type { Context } from 'hono'
import { z } from 'zod'
import type { AnsweringModel } from '../completions/Answering.ts'
import { ApiKeyUnknownError } from '../completions/Paywall.ts'
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
    readonly serving: Pick<OpenLora, 'pin' | 'unpin'>
    readonly apiKeys: Pick<Settlement['apiKeys'], 'find'>
    readonly findModel: (name: string) => Promise<AnsweringModel | undefined>
    /** Gives who owns a published model. */
    readonly ownerOf: (name: string) => Promise<string>
  },
): void {
  const { serving, apiKeys, findModel, ownerOf } = deps

  async function assertOwner(context: Context, name: string): Promise<void> {
    const secret = /^Bearer\s+(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1]
    const holder = secret === undefined ? undefined : await apiKeys.find(secret)
    if (holder === undefined) throw new ApiKeyUnknownError()
    const owner = await ownerOf(name)
    if (owner.toLowerCase() !== holder.account.toLowerCase()) throw new NotModelOwnerError(name)
  }

  routes.post(
    '/v1/load_lora_adapter',
    {
      tag: 'vLLM',
      summary: "Keep a published model's adapter in memory. Needs an API key of the model's owner.",
      body: z.object({
        lora_name: z.string().min(1).max(128),
        /** The adapter's CID, or nothing. */
        lora_path: z.string().max(512).nullish(),
      }),
      response: z.object({ message: z.string() }),
    },
    async ({ context, body }) => {
      const { lora_name: name, lora_path: path } = body
      await assertOwner(context, name)
      const model = await findModel(name)
      if (path != null && path !== model?.adapterCid) throw new AdapterPathError(name, model?.adapterCid)
      const isNew = await serving.pin(name)
      return { message: `LoRA adapter '${name}' ${isNew ? 'added successfully' : 'is loaded already'}.` }
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
      await assertOwner(context, body.lora_name)
      if (!serving.unpin(body.lora_name)) throw new AdapterNotLoadedError(body.lora_name)
      return { message: `LoRA adapter '${body.lora_name}' removed successfully.` }
    },
  )
}

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
