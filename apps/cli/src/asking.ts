import { BaseError, type Hex } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import { settlementAbi } from '@openledger/protocol/abi/settlement'
import { signerOf } from '@openledger/sdk'
import type { LocalAccount } from 'viem/accounts'
import type { Connection } from './Connection.ts'

/**
 * Tops the prepaid balance up to `amountWei` if it is below, and makes an API key with that limit.
 * @returns The key's secret.
 */
export async function openAccess(
  connection: Connection,
  account: LocalAccount,
  amountWei: bigint,
): Promise<string> {
  const { client, l2, l2Wallet, network } = connection
  const { availableWei } = await client.account(account.address)
  if (BigInt(availableWei) < amountWei) {
    const hash: Hex = await l2Wallet(account).writeContract({
      address: network.deployment.l2.settlement,
      abi: settlementAbi,
      functionName: 'deposit',
      args: [account.address],
      value: amountWei - BigInt(availableWei),
    })
    await l2.waitForTransactionReceipt({ hash })
  }
  const key = await client.createApiKey(
    { name: 'command line', limitWei: amountWei.toString() },
    signerOf(account),
  )
  return key.secret
}

export type Question = {
  readonly model: string
  readonly prompt: string
  readonly maxTokens: number
  /** Ids of records to answer from. */
  readonly passages?: readonly string[]
  /** Models that answer together, `model` among them. */
  readonly adapters?: readonly { readonly name: string; readonly weight: number }[]
  readonly secret: string
}

/**
 * Asks through the OpenAI-compatible interface; the answer is greedy, so the same question gets the same answer.
 * @throws {BaseError} with the server's own words when it refuses.
 */
export async function ask(
  { url }: Connection,
  { model, prompt, maxTokens, passages = [], adapters, secret }: Question,
): Promise<Http.AnswerExtension> {
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}` },
    body: JSON.stringify({ model, prompt, max_tokens: maxTokens, temperature: 0, passages, adapters }),
  })
  const body = (await response.json()) as { error?: { message: string; code: string }; openledger?: unknown }
  if (!response.ok || body.error !== undefined) {
    throw new BaseError({
      code: body.error?.code ?? 'http.unexpected',
      message: body.error?.message ?? `The server answered ${response.status}.`,
    })
  }
  return Http.answerExtensionSchema.parse(body.openledger)
}

/** Waits until the chain has settled a receipt. */
export async function settled({ client }: Connection, sequence: number): Promise<Http.SignedReceipt> {
  for (let attempt = 0; attempt < 120; attempt++) {
    const receipt = await client.receipt(sequence)
    if (receipt.settlementTransaction !== null) return receipt
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  throw new BaseError({
    code: 'cli.not_settled',
    message: `Expected receipt ${sequence} to be settled within a minute, but it is not. Look at the server's log.`,
    context: { sequence },
  })
}
