import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort, isRunning, spawnAnvil } from '@openledger/node/l1/Anvil'
import { createL1Client } from '@openledger/node/l1/L1'
import { DevelopmentKeys } from '@openledger/protocol'
import type { PublicClient } from 'viem'
import { createFastClock, type FastTime } from './FastClock.ts'

/** An L1 of the test's own: anvil, whose blocks follow a fast clock and can be replaced. */
export type FastL1 = AsyncDisposable & {
  readonly url: string
  readonly client: PublicClient
  readonly request: (method: string, params: readonly unknown[]) => Promise<unknown>
  /** Replaces so many of the newest blocks by empty ones. */
  readonly reorganise: (depth: number) => Promise<void>
}

const BLOCK_SECONDS = 6
const POLL_MS = 50
/** Blocks become final twice this many blocks later. */
const SLOTS_IN_EPOCH = 16

/** Starts it in a directory, with blocks every six seconds of its clock. */
export async function startFastL1(directory: string, time: FastTime): Promise<FastL1> {
  const clock = createFastClock(time)
  const port = await freePort()
  const pidPath = join(directory, 'anvil.pid')
  spawnAnvil({
    pidPath,
    logPath: join(directory, 'anvil.log'),
    args: [
      ['--quiet', '--host', '127.0.0.1', '--port', String(port), '--chain-id', '31337'],
      ['--accounts', String(DevelopmentKeys.ACCOUNT_COUNT), '--mnemonic', DevelopmentKeys.MNEMONIC],
      ['--no-mining', '--hardfork', 'prague', '--slots-in-an-epoch', String(SLOTS_IN_EPOCH)],
      ['--timestamp', String(time.genesisSeconds), '--no-request-size-limit'],
    ].flat(),
  })
  const url = `http://127.0.0.1:${port}`
  const client = createL1Client(url)
  const request = (method: string, params: readonly unknown[]): Promise<unknown> =>
    client.request({ method, params } as never)
  while (
    !existsSync(pidPath) ||
    !(await client.getChainId().then(
      () => true,
      () => false,
    ))
  )
    await delay(POLL_MS)
  await request('anvil_setBlockTimestampInterval', [BLOCK_SECONDS])

  let stopping = false
  // mining and replacing never overlap
  let queue: Promise<unknown> = Promise.resolve()
  const exclusively = <T>(work: () => Promise<T>): Promise<T> => {
    const result = queue.then(work)
    queue = result.catch(() => {})
    return result
  }
  async function mine(): Promise<void> {
    while (!stopping) {
      await exclusively(async () => {
        const { timestamp } = await client.getBlock()
        if (Number(timestamp) + BLOCK_SECONDS <= clock.nowMs() / 1_000) await request('evm_mine', [])
      }).catch(() => {})
      await delay(POLL_MS)
    }
  }
  const mining = mine()
  return {
    url,
    client,
    request,
    reorganise: (depth) => exclusively(async () => void (await request('anvil_reorg', [depth, []]))),
    async [Symbol.asyncDispose]() {
      stopping = true
      await mining
      const pid = Number(readFileSync(pidPath, 'utf8'))
      if (isRunning(pid)) process.kill(pid, 'SIGKILL')
    },
  }
}
