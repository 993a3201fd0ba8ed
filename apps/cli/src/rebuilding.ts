import { BaseError, Bytes, type Hex, packSiblings } from '@openledger/primitives'
import { settlementAbi } from '@openledger/protocol/abi/settlement'
import { packClaims, type RebuiltLedger, rebuildLedger } from '@openledger/settlement'
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
 * Claims for an account with a proof made from the chain alone; whoever holds the key pays the gas, the money can only
 * go to the account.
 * @returns The transaction, or nothing when the account has no line that pays.
 * @throws {RebuildingError} without a key.
 */
export async function claimFrom(
  { l2, settlement }: Place,
  { book, claimable }: RebuiltLedger,
  account: string,
  privateKey: string | undefined,
): Promise<Hex | undefined> {
  const index = book.indexOf.get(account.toLowerCase() as Hex)
  if (claimable === undefined || index === undefined) return undefined
  if (privateKey === undefined) throw new RebuildingError('OPENLEDGER_PRIVATE_KEY, a key that pays the gas')
  const { batch, ...ledger } = claimable
  const rpcUrl = l2.transport['url'] as string
  const wallet = createWalletClient({
    account: privateKeyToAccount(privateKey as Hex),
    chain: chainOf(await l2.getChainId(), rpcUrl),
    transport: http(rpcUrl),
  })
  const hash = await wallet.writeContract({
    address: settlement,
    abi: settlementAbi,
    functionName: 'claim',
    args: [
      BigInt(batch),
      {
        ...ledger,
        accountCount: BigInt(ledger.accountCount),
        settledAt: BigInt(ledger.settledAt),
        previous: BigInt(ledger.previous),
      },
      packClaims([{ index, ...book.lines[index]! }]),
      Bytes.toHex(packSiblings(book.tree.prove([index]))),
    ],
  })
  await l2.waitForTransactionReceipt({ hash })
  return hash
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
