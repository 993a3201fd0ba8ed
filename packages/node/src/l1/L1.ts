import { setTimeout as delay } from 'node:timers/promises'
import { BaseError } from '@openledger/primitives'
import { createPublicClient, http, type PublicClient } from 'viem'

const POLL_MS = 500

/** An L1 endpoint, whoever runs it. */
export type L1 = AsyncDisposable & {
  readonly rpcUrl: string
  readonly chainId: number
  readonly client: PublicClient
  /**
   * The highest block that will still be there after this machine loses power. An L2 block must not build on a higher
   * one, or it may outlive its origin.
   */
  readonly durableBlockNumber: () => Promise<bigint>
  /** Waits until there is one more block; a development L1 makes it at once and writes it to disk. */
  readonly nextBlock: () => Promise<void>
  /** Leaves a development L1 running no longer than needed; does nothing to anybody else's. */
  readonly close: () => Promise<void>
}

/** Makes the client that all parts of the node use for L1. */
export const createL1Client = (rpcUrl: string): PublicClient =>
  createPublicClient({
    transport: http(rpcUrl, { retryCount: 2, retryDelay: 100, timeout: 20_000 }),
    pollingInterval: 250,
    cacheTime: 0,
  })

/**
 * Connects to an L1 that somebody else runs.
 * @param chainId - What `eth_chainId` must answer; any chain when absent.
 * @throws {L1UnreachableError}
 * @throws {L1ChainMismatchError}
 */
export async function connectL1({
  rpcUrl,
  chainId,
}: {
  readonly rpcUrl: string
  readonly chainId?: number
}): Promise<L1> {
  const client = createL1Client(rpcUrl)
  let actual: number
  try {
    actual = await client.getChainId()
  } catch (cause) {
    throw new L1UnreachableError(rpcUrl, cause)
  }
  if (chainId !== undefined && chainId !== actual) throw new L1ChainMismatchError(rpcUrl, chainId, actual)
  const close = async (): Promise<void> => {}
  return {
    rpcUrl,
    chainId: actual,
    client,
    durableBlockNumber: () => client.getBlockNumber({ cacheTime: 0 }),
    async nextBlock() {
      const before = await client.getBlockNumber({ cacheTime: 0 })
      while ((await client.getBlockNumber({ cacheTime: 0 })) === before) await delay(POLL_MS)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

export class L1UnreachableError extends BaseError {
  constructor(rpcUrl: string, cause: unknown) {
    super({
      code: 'l1.unreachable',
      message: `Expected an Ethereum JSON-RPC endpoint at ${rpcUrl}, got no answer: start it or correct the address.`,
      context: { rpcUrl },
      severity: 'retry',
      cause,
    })
  }
}

export class L1ChainMismatchError extends BaseError {
  constructor(rpcUrl: string, expected: number, actual: number) {
    super({
      code: 'l1.chain_mismatch',
      message: `Expected chain ${expected} at ${rpcUrl}, got chain ${actual}: name the endpoint of the right network.`,
      context: { rpcUrl, expected, actual },
    })
  }
}
