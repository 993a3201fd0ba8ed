import { BaseError } from '@openledger/primitives'
import { openAbi } from '@openledger/protocol/abi/index'
import {
  type Address,
  encodeFunctionData,
  type LocalAccount,
  type PublicClient,
  parseAbi,
  parseAbiItem,
} from 'viem'
import type { L1 } from '../l1/L1.ts'
import type { Logger } from '../node/Logger.ts'
import type { L1Deployment } from './deployL1.ts'
import { runSteps, type Step } from './Steps.ts'

/** A first payment of OPEN through the portal. */
export type Funding = { readonly account: Address; readonly amountWei: bigint }

export type FundingOptions = {
  readonly l1: L1
  readonly l1Deployment: L1Deployment
  readonly l2Client: PublicClient
  /** Holds OPEN on L1 for all fundings. */
  readonly deployer: LocalAccount
  readonly fundings: readonly Funding[]
  /** Resolves once there is another L2 block. */
  readonly nextL2Block: () => Promise<void>
  readonly logger: Logger
}

const portalAbi = parseAbi([
  'function depositERC20Transaction(address to, uint256 mint, uint256 value, uint64 gasLimit, bool isCreation, bytes data)',
])
const depositedEvent = parseAbiItem(
  'event TransactionDeposited(address indexed from, address indexed to, uint256 indexed version, bytes opaqueData)',
)

/** A plain transfer to an account on L2. */
const DEPOSIT_GAS = 100_000n
const FUNDING_TIMEOUT_MS = 120_000

/** Deposits OPEN for every account that has had no deposit from the deployer yet, and waits until L2 has it. */
export async function fundL2({
  l1,
  l1Deployment,
  l2Client,
  deployer,
  fundings,
  nextL2Block,
  logger,
}: FundingOptions): Promise<void> {
  const { client, chainId, nextBlock } = l1
  const { portal, open, origin } = l1Deployment
  // what an interrupted run left in the pool must be in a block before the logs can tell what is missing
  const countAt = (blockTag: 'latest' | 'pending') =>
    client.getTransactionCount({ address: deployer.address, blockTag })
  while ((await countAt('pending')) > (await countAt('latest'))) await nextBlock()

  const done = await client.getLogs({
    address: portal,
    event: depositedEvent,
    args: { from: deployer.address },
    fromBlock: BigInt(origin.number),
    toBlock: 'latest',
  })
  const funded = new Set(done.map(({ args }) => args.to?.toLowerCase()))
  const missing = fundings.filter(({ account }) => !funded.has(account.toLowerCase()))
  if (missing.length > 0) {
    const total = missing.reduce((sum, { amountWei }) => sum + amountWei, 0n)
    const approve: Step = {
      name: 'approve the portal',
      to: open,
      data: encodeFunctionData({ abi: openAbi, functionName: 'approve', args: [portal, total] }),
      gas: 100_000n,
    }
    const deposits = missing.map(
      ({ account, amountWei }): Step => ({
        name: `deposit for ${account}`,
        to: portal,
        data: encodeFunctionData({
          abi: portalAbi,
          functionName: 'depositERC20Transaction',
          args: [account, amountWei, amountWei, DEPOSIT_GAS, false, '0x'],
        }),
        gas: 400_000n,
      }),
    )
    await runSteps({
      client,
      chainId,
      account: deployer,
      firstNonce: await countAt('latest'),
      steps: [approve, ...deposits],
      nextBlock,
      logger,
    })
    logger.info({ accounts: missing.length, totalWei: total.toString() }, 'OPEN deposited for L2')
  }
  const deadline = performance.now() + FUNDING_TIMEOUT_MS
  // each deposit raises the deployer's nonce on L2 too: the deployment may only begin after the last one
  while ((await l2Client.getTransactionCount({ address: deployer.address })) < fundings.length) {
    if (performance.now() > deadline) throw new FundingError(deployer.address)
    await nextL2Block()
  }
}

export class FundingError extends BaseError {
  constructor(account: string) {
    super({
      code: 'deployment.funding',
      message: `Expected the deposit for ${account} to arrive on L2 within ${FUNDING_TIMEOUT_MS / 1000} s, it did not: check that the L2 follows the L1, and start again.`,
      context: { account },
      severity: 'retry',
    })
  }
}
