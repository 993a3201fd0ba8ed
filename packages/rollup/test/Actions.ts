import { deflateSync } from 'node:zlib'
import { Bytes, type Hex } from '@openledger/primitives'
import * as Batch from '../src/codec/Batch.ts'
import * as Channel from '../src/codec/Channel.ts'
import * as Frame from '../src/codec/Frame.ts'
import * as SpanBatch from '../src/codec/SpanBatch.ts'
import * as SystemConfig from '../src/codec/SystemConfig.ts'
import { type BlockInputs, buildAttributes } from '../src/derivation/Attributes.ts'
import type { KnownBlock, Verdict } from '../src/derivation/BatchRules.ts'
import type { L1Block, L1Input, L1Log, L1Transaction, L2Block } from '../src/derivation/Block.ts'
import type { DerivationConfig } from '../src/derivation/Config.ts'
import { createDerivation } from '../src/derivation/Derivation.ts'

export const INBOX: Hex = `0x${'ff'.repeat(20)}`
export const BATCHER: Hex = `0x${'ba'.repeat(20)}`
export const PORTAL: Hex = `0x${'0a'.repeat(20)}`
export const SYSTEM_CONFIG: Hex = `0x${'0c'.repeat(20)}`
export const CHAIN_ID = 901n
const GENESIS_TIME = 1_000_000n

/** Signed for chain 901; a shape that span batches can carry. */
export const transaction = (nonce: number, fill = 1): Uint8Array => {
  const word = `a0${fill.toString(16).padStart(2, '0').repeat(32)}`
  const payload = `820385${(0x80 + nonce === 0x80 ? 0x80 : nonce).toString(16).padStart(2, '0')}01640a94${'bb'.repeat(20)}0580c080${word}${word}`
  const length = payload.length / 2
  return Bytes.fromHex(`0x02f8${length.toString(16).padStart(2, '0')}${payload}`)
}
/** Of a transaction that no block may hold: its signature is all ones. */
export const INVALID_FILL = 0x11
const isExecutable = (raw: Uint8Array): boolean => raw.at(-1) !== INVALID_FILL

export const initial: SystemConfig.SystemConfig = {
  batcherAddress: BATCHER,
  baseFeeScalar: 1368n,
  blobBaseFeeScalar: 810_949n,
  gasLimit: 30_000_000n,
  eip1559Params: '0x0000000000000000',
  operatorFeeScalar: 0n,
  operatorFeeConstant: 0n,
}

/** A block of an L2 that executes nothing: what it is made of is hashed, and that is its hash. */
export type ToyBlock = KnownBlock & { readonly attributes: BlockInputs | undefined }

const hashOf = (...parts: readonly unknown[]): Hex =>
  Bytes.toHex(
    Bytes.keccak256(
      Bytes.fromUtf8(
        JSON.stringify(parts, (_, value) =>
          typeof value === 'bigint'
            ? `${value}n`
            : value instanceof Uint8Array
              ? Bytes.toHex(value)
              : (value as unknown),
        ),
      ),
    ),
  )

export type ActionOptions = Partial<
  Pick<DerivationConfig, 'sequencingWindowBlocks' | 'jovianTime' | 'karstTime' | 'upgrades'>
> & { readonly l1BlockSeconds?: bigint }

/** An L1 of which the test says what there is, a sequencer that builds when it is told to, and a derivation of both. */
export function createActions({ l1BlockSeconds = 12n, ...overrides }: ActionOptions = {}) {
  const l1: L1Input[] = []
  const mine = (
    content: {
      transactions?: readonly Uint8Array[]
      from?: Hex
      /** Of the transactions. */
      type?: number
      logs?: readonly Omit<L1Log, 'logIndex'>[]
      salt?: number
    } = {},
  ): L1Block => {
    const number = BigInt(l1.length)
    const logs = (content.logs ?? []).map((log, logIndex) => ({ ...log, logIndex }))
    const transactions = (content.transactions ?? []).map(
      (input): L1Transaction => ({
        type: content.type ?? 2,
        from: content.from ?? BATCHER,
        to: INBOX,
        input,
      }),
    )
    const parentHash = l1.at(-1)?.block.hash ?? `0x${'00'.repeat(32)}`
    const block: L1Block = {
      number,
      hash: hashOf('l1', number, parentHash, logs, transactions, content.salt),
      parentHash,
      timestamp: GENESIS_TIME + l1BlockSeconds * number,
      baseFeePerGas: 7n,
      blobBaseFee: 1n,
      prevRandao: hashOf('randao', number),
      parentBeaconBlockRoot: hashOf('beacon', number),
    }
    l1.push({ block, transactions, logs, blobs: new Map() })
    return block
  }
  const genesisL1 = mine()
  const genesis: ToyBlock = {
    number: 0n,
    hash: hashOf('l2 genesis'),
    timestamp: GENESIS_TIME,
    origin: { number: 0n, hash: genesisL1.hash },
    sequenceNumber: 0n,
    transactions: [],
    attributes: undefined,
  }
  const config: DerivationConfig = {
    genesis: {
      l1: { number: 0n, hash: genesisL1.hash },
      l2: { number: 0n, hash: genesis.hash },
      timestamp: GENESIS_TIME,
      systemConfig: initial,
    },
    blockTimeSeconds: 1n,
    sequencingWindowBlocks: 3600n,
    l2ChainId: CHAIN_ID,
    batchInbox: INBOX,
    portal: PORTAL,
    systemConfigAddress: SYSTEM_CONFIG,
    ...overrides,
  }

  const execute = (
    parent: L2Block,
    attributes: BlockInputs,
    transactions: readonly Uint8Array[],
  ): ToyBlock => {
    const info = attributes.deposits[0]!
    const epoch = l1.find(({ block }) => Bytes.toHex(info).includes(block.hash.slice(2)))!.block
    return {
      number: parent.number + 1n,
      hash: hashOf('l2', parent.hash, attributes, transactions),
      timestamp: attributes.timestamp,
      origin: { number: epoch.number, hash: epoch.hash },
      sequenceNumber: epoch.number === parent.origin.number ? parent.sequenceNumber + 1n : 0n,
      transactions,
      attributes,
    }
  }

  /** The sequencer's chain; its index is the block's number. */
  const chain: ToyBlock[] = [genesis]
  const systemConfigAt = (number: bigint): SystemConfig.SystemConfig =>
    l1
      .slice(1, Number(number) + 1)
      .flatMap(({ logs }) => logs)
      .filter(({ address }) => address === SYSTEM_CONFIG)
      .reduce(SystemConfig.applyUpdate, initial)
  /** Builds the next block, on the next L1 block as soon as it is old enough, unless told to stay. */
  const build = (options: { transactions?: readonly Uint8Array[]; keepOrigin?: boolean } = {}): ToyBlock => {
    const parent = chain.at(-1)!
    const next = l1[Number(parent.origin.number) + 1]
    const advances = next !== undefined && parent.timestamp + 1n >= next.block.timestamp
    const origin = advances && options.keepOrigin !== true ? next : l1[Number(parent.origin.number)]!
    const attributes = buildAttributes(config, {
      parent,
      origin: origin.block,
      systemConfig: systemConfigAt(origin.block.number),
      logs: origin.logs,
    })
    const block = execute(parent, attributes, options.transactions ?? [])
    chain.push(block)
    return block
  }

  const batchOf = (number: number): Batch.SingularBatch => {
    const block = chain[number]!
    return {
      parentHash: chain[number - 1]!.hash,
      epochNumber: block.origin.number,
      epochHash: block.origin.hash,
      timestamp: block.timestamp,
      transactions: block.transactions,
    }
  }
  const spanOf = (batches: readonly Batch.SingularBatch[]): Uint8Array => {
    const parent = chain.find(({ hash }) => hash === batches[0]!.parentHash) ?? genesis
    return Batch.encodeSpan(SpanBatch.fromBlocks(batches, parent.origin.number, GENESIS_TIME))
  }
  let channels = 0
  /** Makes a channel of encoded batches, in so many frames, each the data of one L1 transaction. */
  const framesOf = (batches: readonly Uint8Array[], count = 1): Uint8Array[] => {
    const data = Channel.encode(batches, (bytes) => deflateSync(bytes))
    const id: Hex = `0x${(++channels).toString(16).padStart(32, '0')}`
    const size = Math.ceil(data.length / count) + Frame.OVERHEAD_BYTES
    return Frame.split(id, data, size).map((frame) => Frame.encode([frame]))
  }

  /** What the rules refused in the last derivation. */
  let refused: string[] = []
  /** How many L2 blocks there were after each L1 block in the last derivation. */
  let told: number[] = []
  /** Derives the L2 from L1 as it stands, from a safe block on, the genesis by default. */
  const derive = (from: readonly ToyBlock[] = [genesis], toldBy?: bigint): ToyBlock[] => {
    refused = []
    told = []
    const derived = [...from]
    const safe = from.at(-1)!
    const earliest = safe.origin.number - 50n
    const start = derived.findLast(({ number, origin }) => number === 0n || origin.number <= earliest)!
    const derivation = createDerivation({
      config,
      start: {
        number: start.origin.number,
        systemConfig: systemConfigAt(start.origin.number),
        ...(toldBy === undefined ? {} : { toldBy }),
      },
      known: (number) => derived[Number(number)],
      onRefused: ({ reason, status }: Verdict) => refused.push(`${status}: ${reason}`),
    })
    for (;;) {
      const parent = derived.at(-1)!
      const next = derivation.next(parent)
      if (next === undefined) {
        const origin = derivation.origin()
        if (origin !== undefined) told[Number(origin.number)] = derived.length
        const input = l1[Number(derivation.wanted())]
        if (input === undefined) return derived
        derivation.feed(input)
      } else if (next.transactions.every(isExecutable)) {
        derived.push(execute(parent, next.attributes, next.transactions))
      } else {
        derivation.invalidate()
        derived.push(execute(parent, next.attributes, []))
      }
    }
  }

  return {
    l1,
    config,
    chain,
    genesis,
    mine,
    build,
    batchOf,
    spanOf,
    framesOf,
    derive,
    refused: (): readonly string[] => refused,
    told: (): readonly number[] => told,
    /** Publishes blocks of the sequencer in one L1 block. */
    publish: (numbers: readonly number[], isSpan = false): L1Block => {
      const batches = numbers.map(batchOf)
      return mine({ transactions: framesOf(isSpan ? [spanOf(batches)] : batches.map(Batch.encodeSingular)) })
    },
  }
}
