import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { createNode, type Logger, stopDevelopmentL1 } from '@openledger/node'
import { DevelopmentKeys } from '@openledger/protocol'
import { createPublicClient, createWalletClient, defineChain, http } from 'viem'
import type { Claim, ClaimOptions, Finding } from '../Claim.ts'
import { table } from '../Claim.ts'
import type { AbuseReport } from './AbuseThread.ts'

const BLOCK_TIME_SECONDS = 2
const L2_CHAIN_ID = 161_200
/** A honest wallet's transfer, every so often. */
const TRANSFER_INTERVAL_MS = 500

/** How much more of the time callers may keep the thread that builds blocks busy: it is asked about the pool alone. */
const BUSY_ADDED_MAX = 0.1

type Phase = {
  readonly name: string
  readonly lateMs: number[]
  readonly waitMs: number[]
  readonly begunMs: number
  readonly busyAtBegin: number
  busyShare: number
}
const threadMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`

async function run({ isQuick, say }: ClaimOptions): Promise<Finding> {
  const seconds = isQuick ? 30 : 180
  const directory = mkdtempSync(join(tmpdir(), 'openledger-abuse-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(async () => {
    await stopDevelopmentL1(directory)
    rmSync(directory, { recursive: true, force: true })
  })
  const errors: string[] = []
  const logger: Logger = {
    debug() {},
    info() {},
    warn() {},
    error: (fields, message) => void errors.push(`${message} ${JSON.stringify(fields).slice(0, 300)}`),
  }
  const node = await createNode({ directory, l2: { blockTimeSeconds: BLOCK_TIME_SECONDS }, logger })
  stack.use(node)
  say(`sequencing at ${node.l2RpcUrl}; ${seconds} s in peace, then ${seconds} s under abuse`)

  const begin = (name: string): Phase => ({
    name,
    lateMs: [],
    waitMs: [],
    begunMs: performance.now(),
    busyAtBegin: threadMs(),
    busyShare: 0,
  })
  const end = (phase: Phase): void => {
    phase.busyShare = (threadMs() - phase.busyAtBegin) / (performance.now() - phase.begunMs)
  }
  let current = begin('in peace')
  const phases: Phase[] = [current]
  const stop = node.engine.onBlock((block) => {
    current.lateMs.push(Date.now() - Number(block.timestamp) * 1_000)
  })
  stack.defer(stop)

  // somebody who only wants to pay
  const chain = defineChain({
    id: L2_CHAIN_ID,
    name: 'abused',
    nativeCurrency: { name: 'OpenLedger', symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [node.l2RpcUrl] } },
  })
  const transport = http(node.l2RpcUrl, { timeout: 20_000 })
  const account = DevelopmentKeys.account('caller')
  const wallet = createWalletClient({ account, chain, transport })
  const client = createPublicClient({ chain, transport, pollingInterval: 200 })
  let isOver = false
  let nonce = await client.getTransactionCount({ address: account.address })
  const paying = (async () => {
    const waits: Promise<void>[] = []
    while (!isOver) {
      const begun = performance.now()
      const phase = current
      try {
        const hash = await wallet.sendTransaction({
          to: `0x${'ab'.repeat(20)}`,
          value: 1n,
          nonce,
          gas: 21_000n,
          maxFeePerGas: 10n ** 11n,
          maxPriorityFeePerGas: 1n,
        })
        nonce++
        waits.push(
          client
            .waitForTransactionReceipt({ hash, timeout: 30_000 })
            .then(() => void phase.waitMs.push(performance.now() - begun))
            .catch(
              (error: unknown) => void errors.push(`a payment was lost: ${String(error).slice(0, 200)}`),
            ),
        )
      } catch (error) {
        errors.push(`a payment was refused: ${String(error).slice(0, 200)}`)
      }
      await delay(TRANSFER_INTERVAL_MS)
    }
    await Promise.all(waits)
  })()

  await delay(seconds * 1_000)
  end(current)
  current = begin('under abuse')
  phases.push(current)
  const abuse = new Worker(new URL('./AbuseThread.ts', import.meta.url), {
    workerData: { url: node.l2RpcUrl, seconds },
  })
  stack.defer(async () => void (await abuse.terminate()))
  const report = await new Promise<AbuseReport>((resolve, reject) => {
    abuse.once('message', resolve)
    abuse.once('error', reject)
  })
  end(current)
  isOver = true
  await paying

  const worst = (values: readonly number[]): number => Math.max(0, ...values)
  const middle = (values: readonly number[]): number =>
    [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
  const late = current.lateMs.filter((value) => value > BLOCK_TIME_SECONDS * 1_000).length
  const expected = Math.floor(seconds / BLOCK_TIME_SECONDS) - 1
  const failures = [...new Set(errors)].slice(0, 10)
  if (current.lateMs.length < expected) {
    failures.push(`${current.lateMs.length} blocks under abuse, expected at least ${expected}`)
  }
  const added = current.busyShare - phases[0]!.busyShare
  if (added > BUSY_ADDED_MAX) {
    failures.push(
      `the thread that builds blocks was busy for ${percent(added)} more of the time under abuse, expected at most ${percent(BUSY_ADDED_MAX)}`,
    )
  }
  for (const [what, count] of Object.entries(report.broken)) failures.push(`${count} times ${what}`)
  return {
    figure: late,
    unit: `of ${current.lateMs.length} blocks later than their successor's time`,
    goal: 0,
    sense: 'at most',
    failures,
    report: [
      `A node with ${BLOCK_TIME_SECONDS} s blocks, its development L1, batcher and proposer in one process, JSON-RPC on a thread of its own with one for what takes long; a wallet pays every ${TRANSFER_INTERVAL_MS} ms from the thread that builds. Lateness is the clock when a block is durable less its timestamp; busy is that thread's processor time, which callers may add at most ${percent(BUSY_ADDED_MAX)} to.`,
      table([
        [
          '',
          'blocks',
          'late, median ms',
          'worst ms',
          'busy',
          'payments',
          'paid after, median ms',
          'worst ms',
        ],
        ...phases.map(({ name, lateMs, waitMs, busyShare }) => [
          name,
          lateMs.length,
          middle(lateMs).toFixed(0),
          worst(lateMs).toFixed(0),
          percent(busyShare),
          waitMs.length,
          middle(waitMs).toFixed(0),
          worst(waitMs).toFixed(0),
        ]),
      ]),
      `The abuse, without a limit on its rate, from ${report.callers} callers at once:`,
      table([
        ['what', 'sent', 'answered', 'refused in words', 'answered per second'],
        ...Object.entries(report.kinds).map(([kind, { sent, answered, refused }]) => [
          kind,
          sent,
          answered,
          refused,
          (answered / seconds).toFixed(answered < seconds ? 1 : 0),
        ]),
      ]),
    ].join('\n\n'),
  }
}

export const claim: Claim = {
  says: 'Blocks are built on time and payments go through while JSON-RPC is flooded with the dearest requests and with garbage, none of which breaks it.',
  run,
}
