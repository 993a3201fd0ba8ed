import { type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys, type Http } from '@openledger/protocol'
import { createBridge, createChains, createClient, type Governance, signerOf } from '@openledger/sdk'
import { type Chain, createPublicClient, createWalletClient, http } from 'viem'
import type { LocalAccount } from 'viem/accounts'

/** A house seen from outside: its routes and its chains, and wallets for whoever a test plays. */
export async function visit(url: string) {
  const client = createClient({ url })
  const network = await client.network()
  const { l1Chain, l2Chain } = createChains(network.deployment, network)
  const clientOf = (chain: Chain) =>
    createPublicClient({ chain, transport: http(), pollingInterval: 200, cacheTime: 0 })
  const walletOf =
    (chain: Chain) =>
    (account: LocalAccount): Governance.Wallet =>
      createWalletClient({ account, chain, transport: http(), pollingInterval: 200 })
  return {
    url,
    client,
    network,
    deployment: network.deployment,
    l1: clientOf(l1Chain),
    l2: clientOf(l2Chain),
    l1Chain,
    l2Chain,
    l1Wallet: walletOf(l1Chain),
    l2Wallet: walletOf(l2Chain),
    bridge: createBridge(network.deployment, network),
  }
}

export type Visit = Awaited<ReturnType<typeof visit>>

/** Gives an account prepaid money and a key to spend it. @returns The key's secret. */
export async function access(
  { client, deployment, l2, l2Wallet }: Visit,
  account: LocalAccount,
  open = '5',
): Promise<string> {
  const hash = await l2Wallet(account).writeContract({
    address: deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [account.address],
    value: Open.parse(open),
  })
  await l2.waitForTransactionReceipt({ hash })
  const key = await client.createApiKey(
    { name: 'test', limitWei: Open.parse(open).toString() },
    signerOf(account),
  )
  return key.secret
}

/** Asks the plain way and gives what came, refusal or answer. */
export async function post(url: string, path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, text, json: () => JSON.parse(text) }
}

/** Asks a model and waits for the receipt in the answer. */
export async function ask(
  { url }: Visit,
  secret: string,
  question: {
    model: string
    prompt: string
    max_tokens: number
    passages?: readonly string[]
    adapters?: readonly { name: string; weight: number }[]
  },
): Promise<Http.AnswerExtension> {
  const { status, text, json } = await post(
    url,
    '/v1/completions',
    { temperature: 0, ...question },
    { authorization: `Bearer ${secret}` },
  )
  if (status !== 200) throw new Error(`Expected an answer, got ${status}: ${text}`)
  return json().openledger
}

/** Waits until a receipt is settled on chain. */
export async function settled({ client }: Visit, sequence: number): Promise<Http.SignedReceipt> {
  for (let attempt = 0; attempt < 240; attempt++) {
    const receipt = await client.receipt(sequence)
    if (receipt.settlementTransaction !== null) return receipt
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  throw new Error(`Expected receipt ${sequence} to be settled within a minute.`)
}

export const caller = DevelopmentKeys.account('caller')
export const lower = (address: string): Hex => address.toLowerCase() as Hex
