import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import type { Crypto } from '@openledger/rollup'
import { FinalizedBlockError } from '../engine/EmbeddedEngine.ts'
import type { BlockRecord, Engine } from '../engine/Engine.ts'
import type { ForkChoice, OpenPayload } from '../engine/ForkChoice.ts'
import { quantity } from '../rpc/Format.ts'
import type { Methods } from '../rpc/Methods.ts'
import * as Params from '../rpc/Params.ts'
import { invalidParams, RpcError } from '../rpc/RpcError.ts'
import * as Payload from './Payload.ts'

/** The error codes of the Engine API. @see execution-apis, "Engine API", Common, Errors. */
export const EngineCodes = {
  unknownPayload: -38_001,
  invalidForkchoiceState: -38_002,
  invalidPayloadAttributes: -38_003,
  tooLargeRequest: -38_004,
  unsupportedFork: -38_005,
} as const

/** Built payloads that may still be asked for; a consensus client builds one at a time. */
const PAYLOADS_MAX = 10
/** Blocks that were found invalid, so that their descendants are as well. */
const INVALID_MAX = 512
const BODIES_MAX = 32n
const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`

export type EngineMethodsDependencies = {
  readonly engine: Engine & { readonly forkChoice: ForkChoice }
  readonly crypto: Crypto
  /** As `engine_getClientVersionV1` answers it. */
  readonly version: string
  /** The first four bytes of the commit that runs, as far as known. */
  readonly commit?: Hex
}

/**
 * Methods by which a consensus client drives the engine.
 *
 * A chain of ours is at Isthmus from its first block: payloads travel in version 4 of `newPayload` and `getPayload`, and
 * attributes in version 3 of `forkchoiceUpdated`. The other versions exist and refuse a payload of this fork.
 *
 * @see execution-apis, "Engine API", Paris to Prague; OP specs, exec-engine, "Engine API".
 */
export function createEngineMethods(dependencies: EngineMethodsDependencies): Methods {
  const { engine, crypto, version, commit = '0x00000000' } = dependencies
  const { forkChoice } = engine
  const payloads = new Map<Hex, OpenPayload>()
  /** By hash of an invalid block, the newest valid one before it. */
  const invalid = new Map<Hex, Hex>()

  const markInvalid = (hash: Hex, latestValid: Hex): void => {
    if (invalid.size >= INVALID_MAX) invalid.delete(invalid.keys().next().value!)
    invalid.set(hash, latestValid)
  }

  async function newPayload(params: Params.Params): Promise<Payload.PayloadStatus> {
    const [payload, blobHashes, parentBeaconBlockRoot, requests] = params
    const block = Payload.toBlock(payload, parentBeaconBlockRoot, crypto)
    if (Params.array(blobHashes, 'expectedBlobVersionedHashes', 1_024).length > 0) {
      return invalidStatus('a rollup has no blobs, expected no versioned hashes', null)
    }
    if (Params.array(requests, 'executionRequests', 1_024).length > 0) {
      return invalidStatus('a rollup has no execution requests, expected none', null)
    }
    const { parentHash } = block.header
    const before = invalid.get(parentHash)
    if (before !== undefined) {
      markInvalid(block.hash, before)
      return invalidStatus('links to an invalid block', before)
    }
    const result = await forkChoice.importBlock(block)
    if (result.status === 'valid') return valid(block.hash)
    if (result.status === 'unknown_parent') return SYNCING
    if (result.status === 'wrong_hash') return invalidStatus(result.reason, null)
    markInvalid(block.hash, parentHash)
    return invalidStatus(result.reason, parentHash)
  }

  async function forkchoiceUpdated(params: Params.Params, attributesVersion: number) {
    const [value, attributes] = params
    const state = Params.object(value, 'forkchoiceState')
    const hashAt = (name: string): Hex => Params.hash(state[name], `forkchoiceState.${name}`)
    const head = hashAt('headBlockHash')
    const safe = hashAt('safeBlockHash')
    const finalized = hashAt('finalizedBlockHash')
    if (head === ZERO_HASH) throw forkchoiceError('expected a head, got the zero hash')
    const before = invalid.get(head)
    if (before !== undefined) return answer(invalidStatus('links to an invalid block', before), null)
    if (forkChoice.find(head) === undefined) return answer(SYNCING, null)

    // nothing may have changed when the state is refused
    const wanted = { safe, finalized }
    for (const [name, hash] of Object.entries(wanted)) {
      if (hash === ZERO_HASH || forkChoice.isAncestor(hash, head)) continue
      throw forkchoiceError(`expected the ${name} block ${hash} to lead to the head ${head}`)
    }
    try {
      if (engine.head().hash !== head) await forkChoice.setHead(head)
    } catch (error) {
      if (error instanceof FinalizedBlockError) throw forkchoiceError(error.message, error)
      throw error
    }
    const numberOf = (hash: Hex): bigint => engine.block(hash)!.number
    if (safe !== ZERO_HASH && engine.safe().hash !== safe) engine.setSafe(numberOf(safe))
    if (finalized !== ZERO_HASH && engine.finalized().hash !== finalized)
      engine.setFinalized(numberOf(finalized))
    if (attributes === undefined || attributes === null) return answer(valid(head), null)
    if (attributesVersion < 3) throw unsupportedFork('engine_forkchoiceUpdatedV3', 'these attributes')
    return answer(valid(head), await begin(head, attributes))
  }

  async function begin(head: Hex, value: unknown): Promise<Hex> {
    try {
      const attributes = Payload.toAttributes(value)
      const id = payloadId(head, Payload.fromAttributes(attributes))
      if (payloads.has(id)) return id
      const opened = await forkChoice.begin(attributes)
      if (payloads.size >= PAYLOADS_MAX) payloads.delete(payloads.keys().next().value!)
      payloads.set(id, opened)
      return id
    } catch (error) {
      if (!(error instanceof BaseError)) throw error
      throw new RpcError({
        rpcCode: EngineCodes.invalidPayloadAttributes,
        message: `Invalid payload attributes: ${error.message}`,
        cause: error,
      })
    }
  }

  async function getPayload([id]: Params.Params) {
    const opened = payloads.get(Params.data(id, 'payloadId'))
    if (opened === undefined) {
      throw new RpcError({ rpcCode: EngineCodes.unknownPayload, message: 'Unknown payload' })
    }
    const block = await opened.seal()
    return {
      executionPayload: Payload.fromBlock(block),
      blockValue: quantity(block.tipsWei),
      blobsBundle: { commitments: [], proofs: [], blobs: [] },
      shouldOverrideBuilder: false,
      parentBeaconBlockRoot: block.header.parentBeaconBlockRoot,
      executionRequests: [],
    }
  }

  const bodyOf = (block: BlockRecord | undefined) =>
    block === undefined
      ? null
      : { transactions: block.transactions.map(({ raw }) => Bytes.toHex(raw)), withdrawals: [] }

  /** @throws {RpcError} for versions of other forks, once the payload's timestamp could be read. */
  const refuseOldPayload = ([payload]: Params.Params): never => {
    Params.uint64(Params.object(payload, 'payload')['timestamp'], 'payload.timestamp')
    throw unsupportedFork('engine_newPayloadV4', 'this payload')
  }
  const refuseOldGet = ([id]: Params.Params): never => {
    const read = Params.data(id, 'payloadId')
    if (!payloads.has(read)) {
      throw new RpcError({ rpcCode: EngineCodes.unknownPayload, message: 'Unknown payload' })
    }
    throw unsupportedFork('engine_getPayloadV4', 'this payload')
  }

  const methods: Methods = {
    engine_newPayloadV1: refuseOldPayload,
    engine_newPayloadV2: refuseOldPayload,
    engine_newPayloadV3: refuseOldPayload,
    engine_newPayloadV4: newPayload,
    engine_forkchoiceUpdatedV1: (params) => forkchoiceUpdated(params, 1),
    engine_forkchoiceUpdatedV2: (params) => forkchoiceUpdated(params, 2),
    engine_forkchoiceUpdatedV3: (params) => forkchoiceUpdated(params, 3),
    engine_getPayloadV1: refuseOldGet,
    engine_getPayloadV2: refuseOldGet,
    engine_getPayloadV3: refuseOldGet,
    engine_getPayloadV4: getPayload,
    // what consensus clients ask from Karst on; without blobs it answers the same
    engine_getPayloadV5: getPayload,
    engine_getPayloadBodiesByHashV1: ([hashes]) => {
      const wanted = Params.array(hashes, 'hashes', 10_000)
      if (wanted.length > Number(BODIES_MAX)) throw tooLarge()
      return wanted.map((hash, i) => bodyOf(engine.block(Params.hash(hash, `hashes[${i}]`))))
    },
    engine_getPayloadBodiesByRangeV1: ([start, count]) => {
      const from = Params.uint64(start, 'start')
      const wanted = Params.uint64(count, 'count')
      if (from < 1n) throw invalidParams('start', 'a block after genesis', start)
      if (wanted < 1n) throw invalidParams('count', 'at least one block', count)
      if (wanted > BODIES_MAX) throw tooLarge()
      const head = engine.head().number
      const bodies: unknown[] = []
      for (let number = from; number < from + wanted && number <= head; number++) {
        bodies.push(bodyOf(engine.block(number)))
      }
      return bodies
    },
    engine_getClientVersionV1: () => [{ code: 'OL', name: 'OpenLedger', version, commit }],
  }
  const names = Object.keys(methods)
  return {
    ...methods,
    // not of the Engine API, but on its port: who reaches it drives this engine. op-batcher slows a sequencer down by it
    miner_setMaxDASize: ([transaction, block]) => {
      engine.limitData?.({
        transactionBytes: Params.quantity(transaction, 'maxTxSize'),
        blockBytes: Params.quantity(block, 'maxBlockSize'),
      })
      return true
    },
    engine_exchangeCapabilities: ([theirs]) => {
      Params.array(theirs, 'capabilities', 1_000)
      return names
    },
  }

  /** Eight bytes that stand for parent and attributes; the first is the version, as op-geth does it. */
  function payloadId(head: Hex, attributes: Payload.RpcPayloadAttributes): Hex {
    const text = new TextEncoder().encode(JSON.stringify([head, attributes]))
    return `0x03${Bytes.toHex(crypto.keccak256(text)).slice(2, 16)}`
  }
}

const SYNCING: Payload.PayloadStatus = { status: 'SYNCING', latestValidHash: null, validationError: null }
const valid = (hash: Hex): Payload.PayloadStatus => ({
  status: 'VALID',
  latestValidHash: hash,
  validationError: null,
})
const invalidStatus = (validationError: string, latestValidHash: Hex | null): Payload.PayloadStatus => ({
  status: 'INVALID',
  latestValidHash,
  validationError,
})
const answer = (payloadStatus: Payload.PayloadStatus, payloadId: Hex | null) => ({ payloadStatus, payloadId })

const forkchoiceError = (problem: string, cause?: unknown): RpcError =>
  new RpcError({
    rpcCode: EngineCodes.invalidForkchoiceState,
    message: `Invalid forkchoice state: ${problem}`,
    cause,
  })

const unsupportedFork = (method: string, what: string): RpcError =>
  new RpcError({
    rpcCode: EngineCodes.unsupportedFork,
    message: `Unsupported fork: ${what} must go to ${method}`,
  })

const tooLarge = (): RpcError =>
  new RpcError({
    rpcCode: EngineCodes.tooLargeRequest,
    message: `Too large request: expected at most ${BODIES_MAX} bodies`,
  })
