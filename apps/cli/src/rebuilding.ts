import { BaseError, type Hex } from '@openledger/primitives'
import { type Call, createSender } from '@openledger/protocol'
import { settlementAbi } from '@openledger/protocol/abi/settlement'
import {
  ChallengeWindow,
  claimCall,
  proveRebuilt,
  type RebuiltLedger,
  readContests,
  rebuildLedger,
} from '@openledger/settlement'
import { createPublicClient, createWalletClient, defineChain, http, type PublicClient } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import type { Connection } from './Connection.ts'

/** A chain and the settlement contract on it: all that is needed when no server is there. */
export type Place = { readonly l2: PublicClient; readonly settlement: Hex; readonly fromBlock: bigint }

/** The settlement contract of a server that is there. */
export const placeOf = ({ l2, network: { deployment } }: Connection): Place => ({
  l2,
  settlement: deployment.l2.settlement,
  fromBlock: BigInt(deployment.l2StartBlock),
})

/**
 * Reaches a settlement contract by nothing but an RPC endpoint of its chain.
 * @throws {RebuildingError} without the contract's address.
 */
export async function reach(
  rpcUrl: string,
  settlement: string | undefined,
  fromBlock: bigint,
): Promise<Place> {
  if (settlement === undefined) throw new RebuildingError('--settlement, the address of the contract')
  const asked = createPublicClient({ transport: http(rpcUrl) })
  const chain = chainOf(await asked.getChainId(), rpcUrl)
  return {
    l2: createPublicClient({ chain, transport: http() }) as PublicClient,
    settlement: settlement as Hex,
    fromBlock,
  }
}

/** Rebuilds every balance from the chain alone. */
export const rebuild = ({ l2, settlement, fromBlock }: Place): Promise<RebuiltLedger> =>
  rebuildLedger({ publicClient: l2, settlement, fromBlock })

/**
 * Claims for accounts in one call, with a proof made from the chain alone; whoever holds the key pays the gas, the money
 * can only go to the accounts. What is disputed is left out, and can be claimed when that is over.
 * @returns The transaction, or nothing when none of the accounts has a line that pays yet.
 * @throws {RebuildingError} without a key.
 */
export async function claimFrom(
  { l2, settlement }: Place,
  rebuilt: RebuiltLedger,
  accounts: readonly string[],
  privateKey: string | undefined,
): Promise<Hex | undefined> {
  const [contests, window, { timestamp }] = await Promise.all([
    readContests(l2, settlement),
    ChallengeWindow.read(l2, settlement),
    l2.getBlock({ blockTag: 'latest' }),
  ])
  const proven = await proveRebuilt(rebuilt, contests, ChallengeWindow.finalUpTo(window, Number(timestamp)), [
    ...new Set(accounts.map((account) => account.toLowerCase() as Hex)),
  ])
  if (proven === undefined) return undefined
  const claimed = await Promise.all(
    proven.granted.map(({ account }) =>
      l2.readContract({
        address: settlement,
        abi: settlementAbi,
        functionName: 'claimed',
        args: [account],
      }),
    ),
  )
  if (proven.granted.every(({ cumulativeWei }, i) => cumulativeWei <= claimed[i]!)) return undefined
  if (privateKey === undefined) throw new RebuildingError('OPENLEDGER_PRIVATE_KEY, a key that pays the gas')
  const rpcUrl = l2.transport['url'] as string
  const wallet = createWalletClient({
    account: privateKeyToAccount(privateKey as Hex),
    chain: chainOf(await l2.getChainId(), rpcUrl),
    transport: http(rpcUrl),
  })
  const { transactionHash } = await createSender({ walletClient: wallet, publicClient: l2 }).send({
    address: settlement,
    abi: settlementAbi,
    ...claimCall({ ...proven, batch: proven.batch.number }),
  } as Call)
  return transactionHash
}

const chainOf = (id: number, rpcUrl: string) =>
  defineChain({
    id,
    name: 'OpenLedger',
    nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  })

export class RebuildingError extends BaseError {
  constructor(missing: string) {
    super({
      code: 'cli.rebuild',
      message: `Expected ${missing}. Nothing was sent; give it and run the command again.`,
      context: { missing },
    })
  }
}
