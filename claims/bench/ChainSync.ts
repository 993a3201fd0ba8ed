import { randomBytes } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import type { EmbeddedEngine } from '@openledger/node/engine/EmbeddedEngine'
import type { L1Contents, L1Reader } from '@openledger/node/l1/L1Reader'
import { createExclusive } from '@openledger/node/node/Exclusive'
import { silentLogger } from '@openledger/node/node/Logger'
import { createVerifier } from '@openledger/node/verifier/Verifier'
import type { Hex } from '@openledger/primitives'
import {
  Batch,
  buildAttributes,
  bytesToHex,
  Channel,
  type DerivationConfig,
  Frame,
  type L1Block,
  type L2Block,
  loadCrypto,
  SpanBatch,
} from '@openledger/rollup'
import { CHAIN_ID, GAS_LIMIT } from './ChainLoad.ts'

/** An L1 in memory that tells a chain, and the head that whoever reads it must come to. */
export type ToldChain = {
  readonly l1: L1Reader
  readonly config: DerivationConfig
  readonly head: Hex
  readonly gas: bigint
}

const L1_SECONDS = 12n
const L2_SECONDS = 2n
/** Blocks of one channel, which is one span batch. */
const CHANNEL_BLOCKS = 300
const FRAME_BYTES = 120_000
const addressOf = (byte: string): Hex => `0x${byte.repeat(20)}`
const [INBOX, BATCHER, PORTAL, SYSTEM_CONFIG] = ['f1', 'ba', '0a', '0c'].map(addressOf) as [
  Hex,
  Hex,
  Hex,
  Hex,
]
const l1HashOf = (number: bigint): Hex => `0x${'11'.repeat(24)}${number.toString(16).padStart(16, '0')}`

/**
 * Builds blocks as a sequencer does, so many transactions in each, and publishes them as a batcher does.
 * @param engine - On its genesis.
 */
export async function tellChain(
  engine: EmbeddedEngine,
  blocks: readonly (readonly Uint8Array[])[],
): Promise<ToldChain> {
  const genesis = engine.head()
  const l1BlockOf = (number: bigint): L1Block => ({
    number,
    hash: l1HashOf(number),
    parentHash: l1HashOf(number - 1n),
    timestamp: genesis.timestamp + L1_SECONDS * number,
    baseFeePerGas: 7n,
    blobBaseFee: 1n,
    prevRandao: l1HashOf(number),
    parentBeaconBlockRoot: l1HashOf(number),
  })
  const config: DerivationConfig = {
    genesis: {
      l1: { number: 0n, hash: l1HashOf(0n) },
      l2: { number: 0n, hash: genesis.hash },
      timestamp: genesis.timestamp,
      systemConfig: {
        batcherAddress: BATCHER,
        baseFeeScalar: 1368n,
        blobBaseFeeScalar: 810_949n,
        gasLimit: GAS_LIMIT,
        eip1559Params: '0x0000000000000000',
        operatorFeeScalar: 0n,
        operatorFeeConstant: 0n,
      },
    },
    blockTimeSeconds: L2_SECONDS,
    sequencingWindowBlocks: 3600n,
    l2ChainId: BigInt(CHAIN_ID),
    batchInbox: INBOX,
    portal: PORTAL,
    systemConfigAddress: SYSTEM_CONFIG,
  }
  const crypto = await loadCrypto()
  let parent: L2Block = {
    number: 0n,
    hash: genesis.hash,
    timestamp: genesis.timestamp,
    origin: config.genesis.l1,
    sequenceNumber: 0n,
  }
  const inputs = new Map<bigint, Uint8Array[]>()
  let batches: Batch.SingularBatch[] = []
  let parentOrigin = 0n
  let gas = 0n
  const publish = (): void => {
    const span = SpanBatch.fromBlocks(batches, parentOrigin, genesis.timestamp)
    const frames = Frame.split(
      bytesToHex(randomBytes(16)),
      Channel.encode([Batch.encodeSpan(span)], deflateSync),
      FRAME_BYTES,
    )
    inputs.set(
      parent.origin.number + 1n,
      frames.map((frame) => Frame.encode([frame])),
    )
    batches = []
    parentOrigin = parent.origin.number
  }
  for (const transactions of blocks) {
    const number = (parent.timestamp + L2_SECONDS - genesis.timestamp) / L1_SECONDS
    const origin = l1BlockOf(number)
    const attributes = buildAttributes(
      config,
      { parent, origin, systemConfig: config.genesis.systemConfig, logs: [] },
      crypto,
    )
    const block = await engine.build({ ...attributes, transactions, noTxPool: true })
    gas += block.gasUsed
    batches.push({
      parentHash: parent.hash,
      epochNumber: number,
      epochHash: origin.hash,
      timestamp: block.timestamp,
      transactions,
    })
    const isNewEpoch = number !== parent.origin.number
    parent = {
      number: block.number,
      hash: block.hash,
      timestamp: block.timestamp,
      origin: { number, hash: origin.hash },
      sequenceNumber: isNewEpoch ? 0n : parent.sequenceNumber + 1n,
    }
    if (batches.length === CHANNEL_BLOCKS) publish()
  }
  if (batches.length > 0) publish()
  const last = parent.origin.number + 1n
  const contentsOf = (number: bigint): L1Contents => ({
    block: l1BlockOf(number),
    transactions: (inputs.get(number) ?? []).map((input) => ({ type: 2, from: BATCHER, to: INBOX, input })),
    logs: [],
  })
  return {
    config,
    head: parent.hash,
    gas,
    l1: {
      head: async () => last,
      finalized: async () => 0n,
      hashOf: async (number) => (number > last ? undefined : l1HashOf(number)),
      read: async (number) => (number > last ? undefined : contentsOf(number)),
    },
  }
}

/** Has a verifier derive the chain into an empty engine, to the block that was told last. */
export async function deriveInto(engine: EmbeddedEngine, { l1, config, head }: ToldChain): Promise<void> {
  const verifier = createVerifier({
    engine,
    l1,
    config,
    defaultEip1559Params: '0x000000fa00000006',
    blobs: async () => new Map(),
    exclusively: createExclusive(),
    crypto: await loadCrypto(),
    logger: silentLogger,
  })
  await new Promise<void>((resolve, reject) => {
    const stop = engine.onBlock(({ hash }) => {
      if (hash !== head) return
      stop()
      resolve()
    })
    const watch = setInterval(() => {
      if (!verifier.isCaughtUp() && verifier.lastError() === undefined) return
      clearInterval(watch)
      if (engine.head().hash === head) return resolve()
      reject(verifier.lastError() ?? new Error(`expected the head ${head}, derived ${engine.head().hash}`))
    }, 1_000)
    watch.unref()
  })
  await verifier.stop()
}
