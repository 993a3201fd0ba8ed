import { BaseError, type Hex } from '@openledger/primitives'
import {
  BaseFee,
  type BlockAttributes,
  bytesToHex,
  type Crypto,
  type ExecutedBlock,
  Header,
  Transaction,
  Trie,
} from '@openledger/rollup'
import type { BlockRecord, PayloadAttributes } from './Engine.ts'

/** A block as another node hands it over, or as it is handed to another. */
export type ForeignBlock = {
  readonly hash: Hex
  readonly header: Header.Header
  readonly transactions: readonly Uint8Array[]
}

export type ImportResult =
  | { readonly status: 'valid' }
  /** Nobody knows whether it is valid: its parent is not here. */
  | { readonly status: 'unknown_parent' }
  /** The hash is not the header's: it names no block. */
  | { readonly status: 'wrong_hash'; readonly reason: string }
  | { readonly status: 'invalid'; readonly reason: string }

/** A block that was begun on the head and is not finished. */
export type OpenPayload = {
  /** Takes what the pool has by now and finishes; the same block at every call. */
  seal(): Promise<ForeignBlock & { readonly tipsWei: bigint }>
}

/**
 * The chain as a consensus client moves it: blocks are executed beside it, and one of them is chosen as the head.
 * @see execution-apis, "Engine API", Paris, "Payload validation" and "Forkchoice updated".
 */
export type ForkChoice = {
  /** The header of a block that was executed or can be executed again. */
  find(hash: Hex): Header.Header | undefined
  /** Executes a block on its parent, compares every field of its header, and keeps it beside the chain. */
  importBlock(block: ForeignBlock): Promise<ImportResult>
  /** Tells whether a block is `descendant`, or one of those before it. */
  isAncestor(ancestor: Hex, descendant: Hex): boolean
  /**
   * Makes a known block the head, taking back what does not lead to it.
   * @throws {FinalizedBlockError} when a finalised block would be lost.
   * @throws {UnknownHeadError} when the way to it is not known.
   */
  setHead(hash: Hex): Promise<BlockRecord>
  /**
   * Begins a block on the head with the transactions that must be in it.
   * @throws {PayloadError | TransactionRejectedError} when these attributes make no block.
   */
  begin(attributes: PayloadAttributes): Promise<OpenPayload>
}

/** A block in the making, as the engine's executor sees it. */
export type OpenBlock = {
  /** Takes transactions from the pool for at most so long. */
  fill(timeMaxMs: number): Promise<void>
  finish(): FinishedBlock
}
export type FinishedBlock = { readonly executed: ExecutedBlock; readonly dropped: readonly Hex[] }

export type ParentBlock = {
  readonly header: Header.Header
  readonly hash: Hex
  readonly state: ExecutedBlock['state']
}

export type ForkChoiceDependencies = {
  readonly crypto: Crypto
  /** The chain's own block, if it is one. */
  readonly canonical: (hash: Hex) => (ParentBlock & { readonly record: BlockRecord }) | undefined
  readonly head: () => BlockRecord
  readonly blockAt: (number: bigint) => { readonly header: Header.Header; readonly record: BlockRecord }
  readonly canonicalHash: (number: bigint) => Hex | undefined
  readonly open: (
    parent: ParentBlock,
    attributes: BlockAttributes & { readonly transactions: readonly Uint8Array[] },
    blockHash: (number: bigint) => Hex | undefined,
  ) => Promise<OpenBlock>
  readonly commit: (finished: FinishedBlock) => BlockRecord
  readonly rewind: (number: bigint) => Promise<BlockRecord>
  /** Runs one change after the other. */
  readonly enqueue: <T>(change: () => Promise<T>) => Promise<T>
  readonly fillTimeMaxMs: number
}

type Candidate = ForeignBlock & { finished?: FinishedBlock }

/** Blocks kept beside the chain; a consensus client chooses among the last few. */
const CANDIDATES_MAX = 256
/** What one more look at the pool may cost when a payload is asked for. */
const LAST_FILL_MS = 50
/** The codes of errors that a block itself is to blame for. */
const REFUSED_BY_RULES = /^(transaction|block|rlp|header)\.|^engine\.invalid_payload$/

/** Creates the fork choice of a chain. Its dependencies are the parts of one engine. */
export function createForkChoice(dependencies: ForkChoiceDependencies): ForkChoice {
  const { crypto, canonical, head, open, enqueue } = dependencies
  const candidates = new Map<Hex, Candidate>()

  const remember = (candidate: Candidate): void => {
    candidates.delete(candidate.hash)
    candidates.set(candidate.hash, candidate)
    while (candidates.size > CANDIDATES_MAX) candidates.delete(candidates.keys().next().value!)
  }

  /** The hash of an ancestor, for the opcode: beside the chain the numbers mean other blocks. */
  const hashBefore =
    (hash: Hex) =>
    (number: bigint): Hex | undefined => {
      let at = hash
      for (let candidate = candidates.get(at); candidate !== undefined; candidate = candidates.get(at)) {
        if (candidate.header.number === number) return at
        at = candidate.header.parentHash
      }
      return dependencies.canonicalHash(number)
    }

  const parentOf = async (hash: Hex): Promise<ParentBlock | undefined> => {
    const own = canonical(hash)
    if (own !== undefined) return own
    const candidate = candidates.get(hash)
    if (candidate === undefined) return undefined
    const finished = candidate.finished ?? (await execute(candidate))
    if (typeof finished === 'string' || finished === undefined) return undefined
    return { header: candidate.header, hash, state: finished.executed.state }
  }

  /** @returns the executed block, in words what is wrong with it, or `undefined` without a parent. */
  async function execute(block: Candidate): Promise<FinishedBlock | string | undefined> {
    const { header } = block
    const parent = await parentOf(header.parentHash)
    if (parent === undefined) return undefined
    if (header.number !== parent.header.number + 1n) {
      return `expected number ${parent.header.number + 1n}, got ${header.number}`
    }
    let finished: FinishedBlock
    try {
      const { minBaseFee } = BaseFee.decodeExtraData(header.extraData)
      const building = await open(
        parent,
        {
          timestamp: header.timestamp,
          prevRandao: header.mixHash,
          feeRecipient: header.miner,
          parentBeaconBlockRoot: header.parentBeaconBlockRoot,
          gasLimit: header.gasLimit,
          eip1559Params: `0x${header.extraData.slice(4, 20)}`,
          ...(minBaseFee === undefined ? {} : { minBaseFee }),
          transactions: block.transactions,
        },
        hashBefore(parent.hash),
      )
      finished = building.finish()
    } catch (error) {
      // what the rules refuse makes the block invalid; anything else is this node's fault
      if (error instanceof BaseError && REFUSED_BY_RULES.test(error.code)) return error.message
      throw error
    }
    const difference = differenceOf(finished.executed.header, header)
    if (difference !== undefined) return difference
    block.finished = finished
    return finished
  }

  const importBlock = async (block: ForeignBlock): Promise<ImportResult> => {
    if (canonical(block.hash) !== undefined || candidates.has(block.hash)) return { status: 'valid' }
    if (Header.hash(block.header, crypto) !== block.hash) {
      return { status: 'wrong_hash', reason: `expected the hash of the header, got ${block.hash}` }
    }
    const candidate: Candidate = { ...block }
    const finished = await execute(candidate)
    if (finished === undefined) return { status: 'unknown_parent' }
    if (typeof finished === 'string') return { status: 'invalid', reason: finished }
    remember(candidate)
    return { status: 'valid' }
  }

  /** The blocks from the chain to `hash`, oldest first, and the chain's block that they stand on. */
  const pathTo = (hash: Hex): { path: Candidate[]; base: BlockRecord } | undefined => {
    const path: Candidate[] = []
    for (let at = hash; ; at = path[0]!.header.parentHash) {
      const own = canonical(at)
      if (own !== undefined) return { path, base: own.record }
      const candidate = candidates.get(at)
      if (candidate === undefined) return undefined
      path.unshift(candidate)
    }
  }

  const setHead = async (hash: Hex): Promise<BlockRecord> => {
    const way = pathTo(hash)
    if (way === undefined) throw new UnknownHeadError(hash)
    if (way.base.number < head().number) {
      // a consensus client may come back to them
      const undone: Candidate[] = []
      const first = way.base.number + 1n
      const oldest = head().number - BigInt(CANDIDATES_MAX / 2)
      for (let number = first > oldest ? first : oldest; number <= head().number; number++) {
        const { header, record } = dependencies.blockAt(number)
        undone.push({ hash: record.hash, header, transactions: record.transactions.map(({ raw }) => raw) })
      }
      await dependencies.rewind(way.base.number)
      for (const candidate of undone) remember(candidate)
    }
    for (const candidate of way.path) {
      const finished = candidate.finished ?? (await execute(candidate))
      if (finished === undefined || typeof finished === 'string') throw new UnknownHeadError(hash)
      dependencies.commit(finished)
      candidates.delete(candidate.hash)
    }
    return head()
  }

  const begin = async (attributes: PayloadAttributes): Promise<OpenPayload> => {
    const on = head().hash
    const parent = canonical(on)!
    const building = await open(
      parent,
      { ...attributes, transactions: [...attributes.deposits, ...(attributes.transactions ?? [])] },
      dependencies.canonicalHash,
    )
    const fill = async (timeMaxMs: number): Promise<void> => {
      // the pool is ordered by the head's nonces
      if (attributes.noTxPool !== true && head().hash === on) await building.fill(timeMaxMs)
    }
    const filled = enqueue(() => fill(dependencies.fillTimeMaxMs))
    filled.catch(() => {})
    let sealed: ReturnType<OpenPayload['seal']> | undefined
    const seal = async () => {
      await fill(LAST_FILL_MS)
      const finished = building.finish()
      const { header, hash, transactions: executed } = finished.executed
      const transactions = executed.map(({ raw }) => raw)
      remember({ hash, header, transactions, finished })
      return { hash, header, transactions, tipsWei: tipsOf(finished.executed) }
    }
    return {
      async seal() {
        await filled
        sealed ??= enqueue(seal)
        return sealed
      },
    }
  }

  return {
    find: (hash) => canonical(hash)?.header ?? candidates.get(hash)?.header,
    importBlock: (block) => enqueue(() => importBlock(block)),
    isAncestor(ancestor, descendant) {
      const way = pathTo(descendant)
      if (way === undefined) return false
      const own = canonical(ancestor)
      if (own !== undefined) return own.record.number <= way.base.number
      return way.path.some(({ hash }) => hash === ancestor)
    },
    setHead: (hash) => enqueue(() => setHead(hash)),
    begin: (attributes) => enqueue(() => begin(attributes)),
  }
}

/** Computes the root that a header has for these transactions. */
export const transactionsRoot = (transactions: readonly Uint8Array[], crypto: Crypto): Hex =>
  bytesToHex(Trie.listRoot(transactions, crypto))

function differenceOf(executed: Header.Header, claimed: Header.Header): string | undefined {
  for (const [name, expected] of Object.entries(executed)) {
    const got = claimed[name as keyof Header.Header]
    if (got !== expected) return `expected ${name} ${expected}, got ${got}`
  }
  return undefined
}

/** What the fee recipient earned beyond the base fee. */
const tipsOf = ({ header, transactions }: ExecutedBlock): bigint =>
  transactions.reduce((sum, { transaction, result }) => {
    if (transaction.type === 0x7e) return sum
    const price = Transaction.effectiveGasPrice(transaction, header.baseFeePerGas)
    return sum + (price - header.baseFeePerGas) * result.gasUsed
  }, 0n)

export class UnknownHeadError extends BaseError {
  constructor(hash: Hex) {
    super({
      code: 'engine.unknown_head',
      message: `Expected a block that was executed here, got ${hash}. Hand over the blocks that lead to it first.`,
      context: { hash },
      severity: 'retry',
    })
  }
}
