import type { Hex } from '@openledger/primitives'
import { Abi, type Deployment, Http } from '@openledger/protocol'
import type { PublicClient } from 'viem'
import type { PaidRaters } from './PaidRaters.ts'

/** The agents on chain: identity, wallet, and what their session keys may still pay. */
export type Agents = { readonly list: () => Promise<Http.Agent[]> }

const AGENT_COUNT_MAX = 100
/** Anyone can rate from any number of accounts; so many of them are read. */
const CLIENT_COUNT_MAX = 200

/** Creates the view of agents over the L2's JSON-RPC. @param paidRaters - Whose ratings count. */
export function createAgents(client: PublicClient, deployment: Deployment, paidRaters: PaidRaters): Agents {
  const { agentIdentity, agentReputation, agentValidation, wopen } = deployment.l2
  const fromBlock = BigInt(deployment.l2StartBlock)

  /** An identity is held by its wallet, or by a person who has none. */
  async function ownerOf(holder: Hex): Promise<Hex> {
    const code = await client.getCode({ address: holder })
    if (code === undefined) return holder
    const owner = await client
      .readContract({ address: holder, abi: Abi.agentWalletAbi, functionName: 'owner' })
      .catch(() => holder)
    return owner.toLowerCase() as Hex
  }

  async function sessionsOf(wallet: Hex): Promise<Http.Agent['sessions']> {
    const granted = await client.getContractEvents({
      address: wallet,
      abi: Abi.agentWalletAbi,
      eventName: 'SessionGranted',
      fromBlock,
      strict: true,
    })
    // a key that was granted twice has its last session
    const latest = new Map(granted.map(({ args }) => [args.key, args]))
    return Promise.all(
      [...latest.values()].map(async (grant) => {
        const now = await client.readContract({
          address: wallet,
          abi: Abi.agentWalletAbi,
          functionName: 'sessionOf',
          args: [grant.key],
        })
        return {
          key: grant.key.toLowerCase() as Hex,
          payee: grant.payee.toLowerCase() as Hex,
          limitPerPaymentWei: grant.limitPerPaymentWei.toString(),
          limitTotalWei: grant.limitTotalWei.toString(),
          spentWei: now.spentWei.toString(),
          expiresAt: Number(grant.expiresAt),
          revoked: now.expiresAt === 0n,
        }
      }),
    )
  }

  /** The owner's own ratings say nothing; the registry knows only the wallet that holds the agent. */
  async function ratingsOf(
    agentId: bigint,
    owner: Hex,
    wallet: Hex,
  ): Promise<Pick<Http.Agent, 'rating' | 'ratings'>> {
    const registry = { address: agentReputation, abi: Abi.agentReputationAbi } as const
    const raters = await client.readContract({ ...registry, functionName: 'getClients', args: [agentId] })
    const clients = raters.map((rater) => rater.toLowerCase() as Hex).filter((rater) => rater !== owner)
    const proofs = await paidRaters.proofsOf(clients, [owner, wallet])
    // who has paid is read first: a flood of others hides nobody
    const read = [...proofs.keys(), ...clients.filter((rater) => !proofs.has(rater))].slice(
      0,
      CLIENT_COUNT_MAX,
    )
    if (read.length === 0) return { rating: { count: 0, average: null }, ratings: [] }
    const [from, indexes, values, decimals] = await client.readContract({
      ...registry,
      functionName: 'readAllFeedback',
      args: [agentId, read, Http.RATING_TAG, '', false],
    })
    const ratings = from.map((rater, i) => {
      const account = rater.toLowerCase() as Hex
      return {
        client: account,
        index: Number(indexes[i]!),
        score: Number(values[i]!) / 10 ** decimals[i]!,
        proof: proofs.get(account) ?? null,
      }
    })
    const counted = ratings.filter(({ proof }) => proof !== null)
    const sum = counted.reduce((total, { score }) => total + score, 0)
    return {
      rating: { count: counted.length, average: counted.length === 0 ? null : sum / counted.length },
      ratings,
    }
  }

  async function validationOf(agentId: bigint): Promise<Http.Agent['validation']> {
    const [count, average] = await client.readContract({
      address: agentValidation,
      abi: Abi.agentValidationAbi,
      functionName: 'getSummary',
      args: [agentId, [], ''],
    })
    return { count: Number(count), average: count === 0n ? null : average }
  }

  return {
    async list() {
      const registered = await client.getContractEvents({
        address: agentIdentity,
        abi: Abi.agentIdentityAbi,
        eventName: 'Registered',
        fromBlock,
        strict: true,
      })
      return Promise.all(
        registered.slice(-AGENT_COUNT_MAX).map(async ({ args: { agentId } }) => {
          const identity = { address: agentIdentity, abi: Abi.agentIdentityAbi, args: [agentId] } as const
          const [holder, uri] = await Promise.all([
            client.readContract({ ...identity, functionName: 'ownerOf' }),
            client.readContract({ ...identity, functionName: 'tokenURI' }),
          ])
          const wallet = holder.toLowerCase() as Hex
          const owner = await ownerOf(wallet)
          const [nativeWei, wrappedWei, sessions, ratings, validation] = await Promise.all([
            client.getBalance({ address: wallet }),
            client.readContract({
              address: wopen,
              abi: Abi.wopenAbi,
              functionName: 'balanceOf',
              args: [wallet],
            }),
            sessionsOf(wallet),
            ratingsOf(agentId, owner, wallet),
            validationOf(agentId),
          ])
          return {
            id: agentId.toString(),
            name: nameIn(uri) ?? `agent ${agentId}`,
            owner,
            wallet,
            walletWei: (nativeWei + wrappedWei).toString(),
            uri: uri.slice(0, 8_192),
            ...ratings,
            validation,
            sessions,
          }
        }),
      )
    },
  }
}

/** Reads the name in a registration file that the URI itself carries; files elsewhere are not fetched. */
function nameIn(uri: string): string | undefined {
  const base64 = /^data:application\/json;base64,(.+)$/.exec(uri)?.[1]
  if (base64 === undefined) return undefined
  try {
    const { name } = JSON.parse(Buffer.from(base64, 'base64').toString('utf8')) as { name?: unknown }
    return typeof name === 'string' ? name.slice(0, 100) : undefined
  } catch {
    return undefined
  }
}
