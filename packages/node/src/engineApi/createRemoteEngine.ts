import { setTimeout as delay } from 'node:timers/promises'
import { BaseError, Bytes, type Clock, type Hex, systemClock } from '@openledger/primitives'
import { type Crypto, Header, loadCrypto, outputRoot, Rlp, Transaction } from '@openledger/rollup'
import { FinalizedBlockError, PayloadError } from '../engine/EmbeddedEngine.ts'
import type { BlockRecord, ChainEngine, PayloadAttributes, TransactionRecord } from '../engine/Engine.ts'
import type { ForeignBlock } from '../engine/ForkChoice.ts'
import { transactionRecord } from '../engine/Records.ts'
import { type Logger, silentLogger } from '../node/Logger.ts'
import * as Params from '../rpc/Params.ts'
import { createEngineApiClient, EngineApiError, type ForkchoiceState } from './EngineApiClient.ts'
import { EngineCodes } from './engineMethods.ts'
import * as Payload from './Payload.ts'

export type RemoteEngineOptions = {
  /** The execution client's authenticated endpoint: op-geth's or op-reth's `authrpc`, or ours. */
  readonly url: string
  readonly secret: Uint8Array
  readonly chainId: number
  /** The hash that its block 0 must have. */
  readonly genesisHash?: Hex
  /** How long the execution client may take transactions from its pool into a block. */
  readonly fillTimeMs?: number
  readonly clock?: Clock
  readonly logger?: Logger
}

/** An engine in another process, and whatever else that process answers. */
export type RemoteEngine = ChainEngine & {
  /** Asks the execution client. @throws {EngineApiError | EngineApiUnreachableError} */
  request(method: string, params: readonly unknown[]): Promise<unknown>
}

const FILL_TIME_MS = 250
/** What of the Engine API is used, and may be missing in an older client. */
const METHODS_NEEDED = [
  'engine_forkchoiceUpdatedV3',
  'engine_getPayloadBodiesByRangeV1',
  'engine_getPayloadV4',
  'engine_newPayloadV4',
]
/** Bodies that one call may ask for, as the specification says. */
const BODIES_MAX = 32n
/** Blocks kept for those who ask; the rollup's services ask for what is not final. */
const BLOCKS_MAX = 20_000
/** Derivation begins where a channel with the next block may have been opened: some 50 L1 blocks before the finalised one. */
const BLOCKS_BEFORE_FINAL = 1_024n

/**
 * Opens a chain whose blocks another process executes and keeps, driven over the Engine API.
 *
 * Blocks from somewhat before the finalised one on are mirrored here, older ones answer `undefined`, so that the sequencer, the batcher and the proposer read them as
 * they read the embedded engine's. State and the transaction pool stay where they are: wallets ask that client's own
 * JSON-RPC. Every header that comes back is hashed again, and a payload that is not what was asked for is refused.
 *
 * @throws {EngineApiError | EngineApiUnreachableError | EngineApiUnauthorizedError | RemoteChainError}
 * @throws {RemoteChainIdError | RemoteGenesisError} when the client runs another chain.
 * @throws {RemoteSyncingError | RemoteMethodsError} when it is not ready for this, or too old.
 */
export async function createRemoteEngine(options: RemoteEngineOptions): Promise<RemoteEngine> {
  const { chainId, clock = systemClock, logger = silentLogger } = options
  const crypto = await loadCrypto()
  const client = createEngineApiClient({ url: options.url, secret: options.secret, clock })
  const listeners = new Set<(block: BlockRecord) => void>()
  const blocks = new Map<bigint, BlockRecord>()
  const numbers = new Map<Hex, bigint>()

  const remember = (record: BlockRecord): BlockRecord => {
    blocks.set(record.number, record)
    numbers.set(record.hash, record.number)
    if (blocks.size > BLOCKS_MAX) forget(blocks.keys().next().value!)
    return record
  }
  const forget = (number: bigint): void => {
    const record = blocks.get(number)
    if (record !== undefined) numbers.delete(record.hash)
    blocks.delete(number)
  }

  const readHeader = async (tag: string): Promise<Header.Header | undefined> => {
    try {
      const block = await client.request('eth_getBlockByNumber', [tag, false])
      return block === null ? undefined : headerOf(block, crypto)
    } catch (error) {
      // geth answers so while no block has the tag
      if (error instanceof EngineApiError && !/^0x/.test(tag)) return undefined
      throw error
    }
  }
  async function readBlocks(from: bigint, to: bigint): Promise<void> {
    for (let start = from; start <= to; start += BODIES_MAX) {
      const count = to - start + 1n < BODIES_MAX ? to - start + 1n : BODIES_MAX
      const range = [hexOf(start === 0n ? 1n : start), hexOf(start === 0n ? count - 1n : count)]
      const bodies =
        start === 0n && count === 1n ? [] : await client.request('engine_getPayloadBodiesByRangeV1', range)
      const raws = Params.array(bodies, 'bodies', Number(BODIES_MAX)).map((body, i) =>
        Params.array(Params.object(body, `bodies[${i}]`)['transactions'], 'transactions', 1e6).map((raw) =>
          Params.bytes(raw, 'transaction'),
        ),
      )
      if (start === 0n) raws.unshift([])
      for (let i = 0n; i < count; i++) {
        const header = await readHeader(hexOf(start + i))
        const transactions = raws[Number(i)]
        if (header === undefined || transactions === undefined) throw new RemoteChainError(start + i)
        remember(recordOf({ hash: Header.hash(header, crypto), header, transactions }, crypto))
      }
    }
  }

  const theirs = Params.quantity(await client.request('eth_chainId', []), 'chainId')
  if (theirs !== BigInt(chainId)) throw new RemoteChainIdError(options.url, chainId, theirs)
  const served = await client.exchangeCapabilities(METHODS_NEEDED)
  const missing = METHODS_NEEDED.filter((method) => !served.includes(method))
  if (missing.length > 0) throw new RemoteMethodsError(options.url, missing)
  if (options.genesisHash !== undefined) {
    const first = await readHeader('0x0')
    const got = first === undefined ? 'none' : Header.hash(first, crypto)
    if (got !== options.genesisHash) throw new RemoteGenesisError(options.url, options.genesisHash, got)
  }
  const behind = blocksBehind(await client.request('eth_syncing', []))
  if (behind > 0n) throw new RemoteSyncingError(options.url, behind)
  const top = await readHeader('latest')
  if (top === undefined) throw new RemoteChainError(0n)
  const final = (await readHeader('finalized'))?.number ?? 0n
  const middle = (await readHeader('safe'))?.number ?? final
  await readBlocks(final > BLOCKS_BEFORE_FINAL ? final - BLOCKS_BEFORE_FINAL : 0n, top.number)
  let head = blocks.get(top.number)!
  let safe = blocks.get(middle)!
  let finalized = blocks.get(final)!

  const required = (number: bigint): BlockRecord => {
    const known = blocks.get(number)
    if (known === undefined) throw new RemoteChainError(number)
    return known
  }
  const state = (headHash: Hex): ForkchoiceState => ({
    headBlockHash: headHash,
    safeBlockHash: safe.hash,
    finalizedBlockHash: finalized.hash,
  })
  async function choose(headHash: Hex, attributes?: PayloadAttributes): Promise<Hex | null> {
    const { payloadStatus, payloadId } = await client.forkchoiceUpdated(
      state(headHash),
      attributes === undefined ? undefined : Payload.fromAttributes(attributes),
    )
    assertValid('engine_forkchoiceUpdatedV3', payloadStatus)
    return payloadId
  }

  const start = async (attributes: PayloadAttributes): Promise<Hex> => {
    try {
      const id = await choose(head.hash, attributes)
      if (id === null) throw new RemoteStatusError('engine_forkchoiceUpdatedV3', 'no payload id')
      return id
    } catch (error) {
      const isRefused =
        error instanceof EngineApiError && error.rpcCode === EngineCodes.invalidPayloadAttributes
      throw isRefused ? new PayloadError('attributes that make a block', error.message) : error
    }
  }
  async function build(attributes: PayloadAttributes): Promise<BlockRecord> {
    const id = await start(attributes)
    if (attributes.noTxPool !== true) await delay(options.fillTimeMs ?? FILL_TIME_MS)
    const { executionPayload } = await client.getPayload(id)
    const { parentBeaconBlockRoot } = attributes
    const block = Payload.toBlock(executionPayload, parentBeaconBlockRoot, crypto)
    assertAsked(block, head, attributes, crypto)
    assertValid('engine_newPayloadV4', await client.newPayload(executionPayload, parentBeaconBlockRoot))
    await choose(block.hash)
    head = remember(recordOf(block, crypto))
    for (const listener of listeners) {
      try {
        listener(head)
      } catch (error) {
        logger.warn({ error }, 'a listener of the engine failed')
      }
    }
    return head
  }
  async function rewind(number: bigint): Promise<BlockRecord> {
    if (number < finalized.number) throw new FinalizedBlockError(number, finalized.number)
    const target = required(number)
    if (safe.number > number) safe = target
    await choose(target.hash)
    for (let gone = head.number; gone > number; gone--) forget(gone)
    head = target
    return head
  }

  let changing: Promise<unknown> = Promise.resolve()
  const enqueue = <T>(change: () => Promise<T>): Promise<T> => {
    const changed = changing.then(change)
    changing = changed.catch(() => {})
    return changed
  }
  /** The marks travel with the next block as well, so a failure costs nothing but time. */
  const share = (): void => {
    enqueue(() => choose(head.hash)).catch((error: unknown) =>
      logger.warn({ error }, 'the execution client did not take the safe and finalised blocks'),
    )
  }

  return {
    chainId,
    head: () => head,
    block(numberOrHash) {
      const number = typeof numberOrHash === 'bigint' ? numberOrHash : numbers.get(numberOrHash)
      if (number === undefined || number > head.number) return undefined
      return blocks.get(number)
    },
    build: (attributes) => enqueue(() => build(attributes)),
    rewind: (number) => enqueue(() => rewind(number)),
    outputRoot(number) {
      const record = required(number)
      const proof = {
        stateRoot: record.stateRoot,
        messagePasserStorageRoot: record.withdrawalsRoot,
        blockHash: record.hash,
      }
      return { ...proof, outputRoot: outputRoot(proof, crypto) }
    },
    setSafe(number) {
      safe = required(number)
      share()
    },
    setFinalized(number) {
      finalized = required(number)
      share()
    },
    safe: () => safe,
    finalized: () => finalized,
    onBlock(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    request: client.request,
    async close() {
      await changing
    },
  }
}

/** A client that only indexes answers an object as well. */
function blocksBehind(syncing: unknown): bigint {
  if (syncing === false) return 0n
  const { currentBlock, highestBlock } = Params.object(syncing, 'syncing')
  return Params.quantity(highestBlock, 'highestBlock') - Params.quantity(currentBlock, 'currentBlock')
}

const hexOf = (number: bigint): Hex => `0x${number.toString(16)}`

/** Reads a header from `eth_getBlockByNumber` and holds it against its hash. @throws {RemoteHeaderError} */
function headerOf(value: unknown, crypto: Crypto): Header.Header {
  const block = Params.object(value, 'block')
  const word = (name: string): Hex => Params.data(block[name], `block.${name}`)
  const number = (name: string): bigint => Params.quantity(block[name], `block.${name}`)
  const header: Header.Header = {
    parentHash: word('parentHash'),
    sha3Uncles: word('sha3Uncles'),
    miner: word('miner'),
    stateRoot: word('stateRoot'),
    transactionsRoot: word('transactionsRoot'),
    receiptsRoot: word('receiptsRoot'),
    logsBloom: word('logsBloom'),
    difficulty: number('difficulty'),
    number: number('number'),
    gasLimit: number('gasLimit'),
    gasUsed: number('gasUsed'),
    timestamp: number('timestamp'),
    extraData: word('extraData'),
    mixHash: word('mixHash'),
    nonce: word('nonce'),
    baseFeePerGas: number('baseFeePerGas'),
    withdrawalsRoot: word('withdrawalsRoot'),
    blobGasUsed: number('blobGasUsed'),
    excessBlobGas: number('excessBlobGas'),
    parentBeaconBlockRoot: word('parentBeaconBlockRoot'),
    requestsHash: word('requestsHash'),
  }
  const computed = Header.hash(header, crypto)
  if (computed !== block['hash']) throw new RemoteHeaderError(header.number, computed, String(block['hash']))
  return header
}

/** @throws {RemotePayloadError} when a payload is not the block that the attributes ask for. */
function assertAsked(
  block: ForeignBlock,
  head: BlockRecord,
  wanted: PayloadAttributes,
  crypto: Crypto,
): void {
  const { header, transactions } = block
  const forced = [...wanted.deposits, ...(wanted.transactions ?? [])]
  const checks: readonly (readonly [string, boolean])[] = [
    ['the hash of its header', Header.hash(header, crypto) === block.hash],
    ['the head as its parent', header.parentHash === head.hash && header.number === head.number + 1n],
    ['the timestamp', header.timestamp === wanted.timestamp],
    ['the gas limit', header.gasLimit === wanted.gasLimit],
    ['the fee recipient', header.miner === wanted.feeRecipient.toLowerCase()],
    ['the randomness', header.mixHash === wanted.prevRandao],
    ['the forced transactions first', forced.every((raw, i) => Bytes.equals(raw, transactions[i] ?? NONE))],
    ['no other transactions', wanted.noTxPool !== true || transactions.length === forced.length],
  ]
  const failed = checks.find(([, holds]) => !holds)
  if (failed !== undefined) throw new RemotePayloadError(header.number, failed[0])
}

const NONE = new Uint8Array()

/** @throws {RemoteStatusError} */
function assertValid(method: string, { status, validationError }: Payload.PayloadStatus): void {
  if (status !== 'VALID') throw new RemoteStatusError(method, validationError ?? status)
}

/** Shows a block as a record; senders are recovered when the transactions are asked for. */
function recordOf({ hash, header, transactions: raws }: ForeignBlock, crypto: Crypto): BlockRecord {
  let transactions: TransactionRecord[] | undefined
  return {
    ...header,
    hash,
    uncles: [],
    withdrawals: [],
    get size() {
      const body = raws.map((raw) => (raw[0]! >= 0xc0 ? Rlp.decode(raw) : raw))
      return BigInt(Rlp.encode([Header.fields(header), body, [], []] as Rlp.RlpInput).length)
    },
    get transactions() {
      transactions ??= raws.map((raw, index) => {
        const transaction = Transaction.decode(raw)
        return transactionRecord(
          transaction,
          { raw, hash: Transaction.hash(raw, crypto), sender: Transaction.sender(transaction, crypto) },
          {
            blockHash: hash,
            blockNumber: header.number,
            blockTimestamp: header.timestamp,
            index,
            baseFeePerGas: header.baseFeePerGas,
          },
          undefined,
        )
      })
      return transactions
    },
  }
}

export class RemoteChainIdError extends BaseError {
  constructor(url: string, expected: number, got: bigint) {
    super({
      code: 'remote_engine.chain_id',
      message: `Expected chain ${expected} at ${url}, got chain ${got}. Start the execution client from this chain's genesis.json.`,
      context: { url, expected, got: got.toString() },
    })
  }
}

export class RemoteGenesisError extends BaseError {
  constructor(url: string, expected: Hex, got: string) {
    super({
      code: 'remote_engine.genesis',
      message: `Expected block 0 at ${url} to be ${expected}, got ${got}. Initialise the execution client from this chain's genesis.json, in an empty folder.`,
      context: { url, expected, got },
    })
  }
}

export class RemoteSyncingError extends BaseError {
  constructor(url: string, blocks: bigint) {
    super({
      code: 'remote_engine.syncing',
      message: `Expected the execution client at ${url} to have its blocks, ${blocks} of them are on their way from its peers. Wait until it has them, or start it without peers: this node brings it what L1 tells.`,
      context: { url, blocks: blocks.toString() },
      severity: 'retry',
    })
  }
}

export class RemoteMethodsError extends BaseError {
  constructor(url: string, missing: readonly string[]) {
    super({
      code: 'remote_engine.methods',
      message: `Expected the execution client at ${url} to serve ${missing.join(', ')}, it does not. Start a version that knows Isthmus.`,
      context: { url, missing },
    })
  }
}

export class RemoteChainError extends BaseError {
  constructor(number: bigint) {
    super({
      code: 'remote_engine.block_missing',
      message: `Expected block ${number} among those read from the execution client, it is not there. It is older than what is kept for the rollup's services; ask the client's own JSON-RPC.`,
      context: { number: number.toString() },
    })
  }
}

export class RemoteHeaderError extends BaseError {
  constructor(number: bigint, expected: Hex, got: string) {
    super({
      code: 'remote_engine.header',
      message: `Expected block ${number} to have the hash ${expected} of its fields, the execution client says ${got}. It runs another fork than Isthmus, or cannot be trusted.`,
      context: { number: number.toString(), expected, got },
    })
  }
}

export class RemotePayloadError extends BaseError {
  constructor(number: bigint, expected: string) {
    super({
      code: 'remote_engine.payload',
      message: `Expected the payload for block ${number} to have ${expected}; the execution client built something else.`,
      context: { number: number.toString(), expected },
    })
  }
}

export class RemoteStatusError extends BaseError {
  constructor(method: string, got: string) {
    super({
      code: 'remote_engine.status',
      message: `Expected ${method} to answer VALID, got: ${got}.`,
      context: { method, got },
      severity: 'retry',
    })
  }
}
