import { BaseError, type Hex } from '@openledger/primitives'
import { Abi, type Deployment } from '@openledger/protocol'
import { Predeploys } from '@openledger/rollup'
import { hexToBigInt, type PublicClient, parseAbi, parseAbiItem, slice } from 'viem'
import { originOf } from './Explorer.ts'

export type Supply = { readonly lockedOnL1Wei: bigint; readonly onL2Wei: bigint | undefined }

const depositedEvent = parseAbiItem(
  'event TransactionDeposited(address indexed from, address indexed to, uint256 indexed version, bytes opaqueData)',
)
const passedEvent = parseAbiItem(
  'event MessagePassed(uint256 indexed nonce, address indexed sender, address indexed target, uint256 value, uint256 gasLimit, bytes data, bytes32 withdrawalHash)',
)
const portalAbi = parseAbi(['function finalizedWithdrawals(bytes32) view returns (bool)'])

const ATTEMPT_COUNT = 5

/**
 * Creates the count of OPEN on both sides of the bridge: what the portal holds on L1, and what exists on L2 together
 * with what is on its way in either direction. The two are equal at every moment.
 *
 * @param totalBalance - Sum of all native balances at the head of the L2; who leaves the blocks to another process does not
 *   know it, and then what exists on L2 is not told.
 */
export function createSupply(deps: {
  readonly l1Client: PublicClient
  readonly l2Client: PublicClient
  readonly deployment: Deployment
  readonly totalBalance: (() => bigint) | undefined
}): () => Promise<Supply> {
  const { l1Client, l2Client, deployment, totalBalance } = deps
  const { open, portal } = deployment.l1
  const finalized = new Set<Hex>()

  /** Withdrawals that left L2 and that L1 has not paid; those it has paid are remembered. */
  async function unpaidWithdrawals(l1Block: bigint): Promise<{ initiatedWei: bigint; unpaidWei: bigint }> {
    const events = await l2Client.getLogs({
      address: Predeploys.L2_TO_L1_MESSAGE_PASSER,
      event: passedEvent,
      fromBlock: 0n,
      strict: true,
    })
    let initiatedWei = 0n
    let unpaidWei = 0n
    for (const { args } of events) {
      initiatedWei += args.value
      if (finalized.has(args.withdrawalHash)) continue
      const isPaid = await l1Client.readContract({
        address: portal,
        abi: portalAbi,
        functionName: 'finalizedWithdrawals',
        args: [args.withdrawalHash],
        blockNumber: l1Block,
      })
      if (isPaid) finalized.add(args.withdrawalHash)
      else unpaidWei += args.value
    }
    return { initiatedWei, unpaidWei }
  }

  /** Deposits of L1 blocks that the L2 has not come to. */
  async function arrivingWei(after: bigint, until: bigint): Promise<bigint> {
    if (after >= until) return 0n
    const events = await l1Client.getLogs({
      address: portal,
      event: depositedEvent,
      fromBlock: after + 1n,
      toBlock: until,
      strict: true,
    })
    // opaque data begins with the minted amount
    return events.reduce((sum, { args }) => sum + hexToBigInt(slice(args.opaqueData, 0, 32)), 0n)
  }

  const lockedAt = (blockNumber: bigint): Promise<bigint> =>
    l1Client.readContract({
      address: open,
      abi: Abi.openAbi,
      functionName: 'balanceOf',
      args: [portal],
      blockNumber,
    })

  async function count(totalBalance: () => bigint): Promise<Supply | undefined> {
    const head = await l2Client.getBlock({ blockTag: 'latest', includeTransactions: true })
    const totalWei = totalBalance()
    const passerWei = await l2Client.getBalance({ address: Predeploys.L2_TO_L1_MESSAGE_PASSER })
    const l1Block = await l1Client.getBlockNumber({ cacheTime: 0 })
    const origin = BigInt(originOf(head)?.number ?? 0)
    const [lockedOnL1Wei, arriving, { unpaidWei }] = await Promise.all([
      lockedAt(l1Block),
      arrivingWei(origin, l1Block),
      unpaidWithdrawals(l1Block),
    ])
    const after = await l2Client.getBlock({ blockTag: 'latest' })
    // a block in between would mix two moments
    if (after.hash !== head.hash) return undefined
    return { lockedOnL1Wei, onL2Wei: totalWei - passerWei + unpaidWei + arriving }
  }

  return async () => {
    if (totalBalance === undefined) {
      return {
        lockedOnL1Wei: await lockedAt(await l1Client.getBlockNumber({ cacheTime: 0 })),
        onL2Wei: undefined,
      }
    }
    for (let attempt = 1; ; attempt++) {
      const supply = await count(totalBalance)
      if (supply !== undefined) return supply
      if (attempt === ATTEMPT_COUNT) throw new SupplyMovingError(attempt)
    }
  }
}

export class SupplyMovingError extends BaseError {
  constructor(attempts: number) {
    super({
      code: 'network.supply_moving',
      message: `Expected the L2 to stand still for one count of its supply, but it made a block during each of ${attempts}. Ask again.`,
      context: { attempts },
      severity: 'retry',
    })
  }
}
