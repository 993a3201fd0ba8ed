import { setTimeout as delay } from 'node:timers/promises'
import { BaseError } from '@openledger/primitives'
import {
  type Address,
  formatEther,
  getContractAddress,
  type Hex,
  keccak256,
  type LocalAccount,
  type PublicClient,
  size,
  TransactionReceiptNotFoundError,
  BaseError as ViemError,
} from 'viem'
import type { Logger } from '../node/Logger.ts'

/** One transaction of a deployment; `to` absent creates a contract. */
export type Step = {
  readonly name: string
  readonly to?: Address
  readonly data: Hex
  readonly value?: bigint
  readonly gas: bigint
}

export type StepsOptions = {
  readonly client: PublicClient
  readonly chainId: number
  readonly account: LocalAccount
  /** The account's nonce for the first step: step `i` has nonce `firstNonce + i` in every run. */
  readonly firstNonce: number
  readonly steps: readonly Step[]
  /** Resolves once there is another block. */
  readonly nextBlock: () => Promise<void>
  readonly logger: Logger
}

const PRIORITY_FEE_WEI = 1_000_000n
/** A transaction that no block takes for so long will not be taken. */
const STALL_TIMEOUT_MS = 60_000

/** Predicts where the step of that nonce creates its contract. */
export const createdAt = (account: Address, nonce: number): Address =>
  getContractAddress({ from: account, nonce: BigInt(nonce) }).toLowerCase() as Address

/** More than a creation takes whose constructor does little beside installing code: 200 gas a byte, and its call data. */
export const creationGas = (data: Hex): bigint => 1_500_000n + 260n * BigInt(size(data))

/**
 * Sends a fixed list of transactions, each exactly once however often it is interrupted and called again: the
 * account's nonce says how many have been done, and addresses follow from nonces.
 *
 * @throws {DeployerUnfundedError} before anything is sent, when the account cannot pay for all of it.
 * @throws {DeploymentStepError} when a step fails on chain.
 * @throws {DeploymentStalledError} when no block takes a step.
 */
export async function runSteps(options: StepsOptions): Promise<void> {
  const { client, chainId, account, firstNonce, steps, nextBlock, logger } = options
  const end = firstNonce + steps.length
  const sent = new Map<Hex, Step>()
  let mined = await client.getTransactionCount({ address: account.address })
  if (mined >= end) return
  // what waits in the pool from an interrupted run has the same nonces and the same content
  const known = await client.getTransactionCount({ address: account.address, blockTag: 'pending' })
  const fees = await client.getBlock()
  const maxFeePerGas = 2n * (fees.baseFeePerGas ?? 0n) + PRIORITY_FEE_WEI
  const unsent = steps.slice(Math.max(0, known - firstNonce))
  const neededWei = unsent.reduce((sum, { gas, value = 0n }) => sum + gas * maxFeePerGas + value, 0n)
  const balanceWei = await client.getBalance({ address: account.address })
  if (balanceWei < neededWei) throw new DeployerUnfundedError(account.address, chainId, neededWei, balanceWei)
  for (let nonce = Math.max(known, firstNonce); nonce < end; nonce++) {
    const step = steps[nonce - firstNonce]!
    const signed = await account.signTransaction({
      type: 'eip1559',
      chainId,
      nonce,
      gas: step.gas,
      data: step.data,
      ...(step.to === undefined ? {} : { to: step.to }),
      value: step.value ?? 0n,
      maxFeePerGas,
      maxPriorityFeePerGas: PRIORITY_FEE_WEI,
    })
    try {
      await client.sendRawTransaction({ serializedTransaction: signed })
    } catch (cause) {
      throw new DeploymentStepError(step.name, undefined, cause)
    }
    sent.set(keccak256(signed), step)
    logger.debug({ step: step.name, nonce }, 'deployment step sent')
  }
  let progressAt = performance.now()
  while (mined < end) {
    await nextBlock()
    const now = await client.getTransactionCount({ address: account.address })
    if (now > mined) progressAt = performance.now()
    mined = now
    if (performance.now() - progressAt > STALL_TIMEOUT_MS) {
      throw new DeploymentStalledError(steps[mined - firstNonce]?.name ?? 'unknown')
    }
  }
  for (const [hash, step] of sent) {
    const receipt = await receiptOf(client, hash)
    if (receipt.status !== 'success') throw new DeploymentStepError(step.name, hash, undefined)
    logger.debug({ step: step.name, gasUsed: receipt.gasUsed.toString() }, 'deployment step done')
  }
}

// an endpoint may count a nonce a moment before it finds the receipt
async function receiptOf(client: PublicClient, hash: Hex) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await client.getTransactionReceipt({ hash })
    } catch (error) {
      if (!(error instanceof TransactionReceiptNotFoundError) || attempt >= 50) throw error
      await delay(100)
    }
  }
}

/**
 * Checks that code stands at every named address.
 * @throws {DeploymentIncompleteError}
 */
export async function assertDeployed(
  client: PublicClient,
  contracts: Readonly<Record<string, Address>>,
): Promise<void> {
  for (const [name, address] of Object.entries(contracts)) {
    const code = await client.getCode({ address })
    if (code === undefined || code === '0x') throw new DeploymentIncompleteError(name, address)
  }
}

export class DeployerUnfundedError extends BaseError {
  constructor(account: Address, chainId: number, neededWei: bigint, balanceWei: bigint) {
    super({
      code: 'deployment.unfunded',
      message: `Expected the deployer ${account} to hold at least ${formatEther(neededWei)} on chain ${chainId} for its gas, it holds ${formatEther(balanceWei)}: send it the difference and start again; unused gas is not paid.`,
      context: { account, chainId, neededWei: neededWei.toString(), balanceWei: balanceWei.toString() },
    })
  }
}

export class DeploymentStepError extends BaseError {
  constructor(step: string, hash: Hex | undefined, cause: unknown) {
    const reason = cause instanceof ViemError ? `: ${cause.shortMessage}` : ''
    super({
      code: 'deployment.step_failed',
      message: `Expected the deployment step "${step}" to succeed, it ${hash ? `reverted in transaction ${hash}` : `was refused${reason}`}.`,
      context: { step, ...(hash ? { hash } : {}) },
      cause,
    })
  }
}

export class DeploymentStalledError extends BaseError {
  constructor(step: string) {
    super({
      code: 'deployment.stalled',
      message: `Expected the deployment step "${step}" in a block within ${STALL_TIMEOUT_MS / 1000} s: check that the chain makes blocks and start again; it goes on where it stopped.`,
      context: { step },
      severity: 'retry',
    })
  }
}

export class DeploymentIncompleteError extends BaseError {
  constructor(name: string, address: string) {
    super({
      code: 'deployment.incomplete',
      message: `Expected the contract ${name} at ${address}, found no code: the deployer's key was used for something else in between; deploy with a fresh key or directory.`,
      context: { name, address },
    })
  }
}
