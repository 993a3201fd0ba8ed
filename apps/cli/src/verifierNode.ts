import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { createVerifierNode, rollupConfigSchema, type VerifierNode } from '@openledger/node'
import { BaseError } from '@openledger/primitives'
import { createPublicClient, http } from 'viem'

export type VerifierSettings = {
  readonly l1: string
  readonly beacon?: string
  readonly genesis: string
  readonly rollup: string
  readonly directory: string
  readonly rpcPort: string
  readonly sequencer?: string
  readonly compare?: string
  /** Ends when everything that L1 tells is derived. */
  readonly once?: boolean
}

const REPORT_MS = 2_000
const logger = {
  debug: () => {},
  info: () => {},
  warn: (fields: Readonly<Record<string, unknown>>, message: string) =>
    console.error(`${message} ${JSON.stringify(fields)}`),
  error: (fields: Readonly<Record<string, unknown>>, message: string) =>
    console.error(`${message} ${JSON.stringify(fields)}`),
}

/**
 * Runs a verifier until it is told to stop, and says how far it is.
 * @throws {ForkedError} when another node has another block at some height.
 */
export async function runVerifier(settings: VerifierSettings): Promise<void> {
  const { beacon, sequencer, compare } = settings
  await using node = await createVerifierNode({
    directory: settings.directory,
    l1: { rpcUrl: settings.l1, ...(beacon === undefined ? {} : { beaconUrl: beacon }) },
    genesis: JSON.parse(await readFile(settings.genesis, 'utf8')),
    rollupConfig: rollupConfigSchema.parse(JSON.parse(await readFile(settings.rollup, 'utf8'))),
    rpc: { port: Number(settings.rpcPort) },
    ...(sequencer === undefined ? {} : { sequencerRpcUrl: sequencer }),
    logger,
  })
  console.log(`JSON-RPC at ${node.rpcUrl}`)
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort())
  const comparison = compare === undefined ? undefined : createComparison(node, compare)
  while (!controller.signal.aborted) {
    const { l1Block, l2Block, isCaughtUp } = node.progress()
    const same = (await comparison?.(l2Block)) ?? ''
    console.log(`L1 ${l1Block} read, L2 ${l2Block} derived${same}`)
    for (const [part, problem] of Object.entries(node.problems())) console.error(`${part}: ${problem}`)
    if (settings.once === true && isCaughtUp) return
    await delay(REPORT_MS, undefined, { signal: controller.signal }).catch(() => {})
  }
}

/** Holds every block against another node's of the same number, from where it stopped before. */
function createComparison(node: VerifierNode, url: string): (to: bigint) => Promise<string> {
  const client = createPublicClient({ transport: http(url), cacheTime: 0 })
  let next = 0n
  return async (to) => {
    for (; next <= to; next++) {
      const theirs = await client.getBlock({ blockNumber: next })
      const ours = node.engine.block(next)
      if (ours?.hash !== theirs.hash) throw new ForkedError(next, ours?.hash ?? 'none', theirs.hash, url)
    }
    return `, blocks 0 to ${to} equal ${url}`
  }
}

export class ForkedError extends BaseError {
  constructor(number: bigint, ours: string, theirs: string, url: string) {
    super({
      code: 'cli.forked',
      message: `Expected ${url} to have block ${number} as L1 tells it (${ours}), it has ${theirs}.`,
      context: { number: number.toString(), ours, theirs },
    })
  }
}
