import { BaseError } from '@openledger/primitives'
import { Deposit, SystemConfig as SystemConfigs } from '@openledger/rollup'
import { type Address, BlockNotFoundError, type Hex, hexToBigInt, numberToHex } from 'viem'
import type { L1Block, L1Log, L1View, SystemConfig } from '../sequencer/L1View.ts'
import type { L1 } from './L1.ts'
import { toL1Block } from './L1Blocks.ts'

/** How long an answer of the endpoint is taken for the present. */
const FRESH_MS = 250
/** Endpoints commonly refuse wider ranges in one `eth_getLogs`. */
const LOG_RANGE_BLOCKS = 2_000n

type RpcLog = {
  readonly address: Hex
  readonly topics: readonly Hex[]
  readonly data: Hex
  readonly logIndex: Hex
  readonly blockHash: Hex
  readonly blockNumber: Hex
}

export type L1ViewOptions = {
  readonly l1: L1
  readonly portal: Address
  readonly systemConfig: Address
  /** The rollup's genesis on L1, and the configuration that held there (`rollup.json`, `genesis`). */
  readonly genesis: { readonly number: bigint; readonly systemConfig: SystemConfig }
  /** How many L1 blocks an origin must lie behind the head. */
  readonly confirmationDepth?: bigint
}

/**
 * Reads from an L1 endpoint what the sequencer needs.
 *
 * The head it shows is durable: a block that a crash of the development L1 could take back is not shown yet.
 */
export function createL1View(options: L1ViewOptions): L1View {
  const { l1, portal, systemConfig: systemConfigAddress, genesis, confirmationDepth = 0n } = options
  const { client } = l1

  async function fetchBlock(number: bigint): Promise<L1Block | undefined> {
    try {
      return await toL1Block(client, await client.getBlock({ blockNumber: number }))
    } catch (error) {
      if (error instanceof BlockNotFoundError) return undefined
      throw error
    }
  }

  async function fetchHead(): Promise<L1Block> {
    const [latest, durable] = await Promise.all([
      client.getBlockNumber({ cacheTime: 0 }),
      l1.durableBlockNumber(),
    ])
    const confirmed = latest > confirmationDepth ? latest - confirmationDepth : 0n
    const number = confirmed < durable ? confirmed : durable
    const head = await fetchBlock(number)
    if (head === undefined) throw new L1BlockVanishedError(number)
    return head
  }

  // a sequencer that fills missed slots asks the same hundreds of times a second
  let recent: {
    readonly since: number
    readonly blocks: Map<bigint | 'head', Promise<L1Block | undefined>>
  } = {
    since: 0,
    blocks: new Map(),
  }
  function recently<T extends L1Block | undefined>(
    key: bigint | 'head',
    fetch: () => Promise<T>,
  ): Promise<T> {
    if (performance.now() - recent.since > FRESH_MS) recent = { since: performance.now(), blocks: new Map() }
    const known = recent.blocks.get(key) as Promise<T> | undefined
    if (known !== undefined) return known
    const { blocks } = recent
    const fetched = fetch()
    blocks.set(key, fetched)
    fetched.catch(() => blocks.delete(key))
    return fetched
  }

  const logsOf = async (filter: Record<string, unknown>): Promise<readonly RpcLog[]> =>
    (await client.request({ method: 'eth_getLogs', params: [filter] } as never)) as readonly RpcLog[]

  /** Each configuration with the first block it holds at the end of; at least the genesis entry. */
  let history: { readonly from: bigint; readonly config: SystemConfig }[] = []
  let scanned: { readonly number: bigint; readonly hash: Hex } | undefined

  async function systemConfig(at: L1Block): Promise<SystemConfig> {
    if (at.hash !== scanned?.hash && (scanned === undefined || !(await stillCanonical(scanned)))) {
      history = [{ from: genesis.number, config: genesis.systemConfig }]
      scanned = undefined
    }
    let from = scanned === undefined ? genesis.number + 1n : scanned.number + 1n
    while (from <= at.number) {
      const to = at.number - from >= LOG_RANGE_BLOCKS ? from + LOG_RANGE_BLOCKS - 1n : at.number
      const logs = await logsOf({
        address: systemConfigAddress,
        topics: [SystemConfigs.CONFIG_UPDATE_TOPIC],
        fromBlock: numberToHex(from),
        toBlock: numberToHex(to),
      })
      for (const log of logs) {
        const before = history.at(-1)?.config ?? genesis.systemConfig
        history.push({ from: hexToBigInt(log.blockNumber), config: SystemConfigs.applyUpdate(before, log) })
      }
      from = to + 1n
    }
    if (scanned === undefined || at.number > scanned.number) scanned = { number: at.number, hash: at.hash }
    const entry = history.findLast((candidate) => candidate.from <= at.number)
    return entry?.config ?? genesis.systemConfig
  }

  const stillCanonical = async (known: { number: bigint; hash: Hex }): Promise<boolean> =>
    (await fetchBlock(known.number))?.hash === known.hash

  return {
    head: () => recently('head', fetchHead),
    block: (number) => recently(number, () => fetchBlock(number)),
    async receiptsDeposits(blockHash) {
      const logs = await logsOf({ address: portal, topics: [Deposit.TRANSACTION_DEPOSITED_TOPIC], blockHash })
      return logs.map((log): L1Log => {
        if (log.blockHash !== blockHash) throw new L1LogMisplacedError(blockHash, log.blockHash)
        return {
          address: log.address,
          topics: log.topics,
          data: log.data,
          logIndex: Number(hexToBigInt(log.logIndex)),
        }
      })
    },
    systemConfig,
  }
}

export class L1BlockVanishedError extends BaseError {
  constructor(number: bigint) {
    super({
      code: 'l1.block_vanished',
      message: `Expected L1 block ${number}, which the endpoint had just named, to exist: the L1 went back or the endpoint answers from several machines.`,
      context: { number: number.toString() },
      severity: 'retry',
    })
  }
}

export class L1LogMisplacedError extends BaseError {
  constructor(expected: string, actual: string) {
    super({
      code: 'l1.log_misplaced',
      message: `Expected logs of L1 block ${expected}, got one of block ${actual}: the endpoint cannot be trusted.`,
      context: { expected, actual },
      severity: 'retry',
    })
  }
}
