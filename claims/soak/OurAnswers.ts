import { decompressBrotli } from '@openledger/node/verifier/Brotli'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import { Batch, Channel, Deposit, Frame, Rlp, SpanBatch, SystemConfig, Transaction } from '@openledger/rollup'
import { getAddress } from 'viem'
import type { Question } from './OpNodeAnswers.ts'

export const CHAIN_ID = 901n
const GENESIS_TIME = 1_000_000n
const BLOCK_HASH: Hex = `0x01${'00'.repeat(31)}`
const LOG_INDEX = 7
const initial: SystemConfig.SystemConfig = {
  batcherAddress: `0x${'ba'.repeat(20)}`,
  baseFeeScalar: 0n,
  blobBaseFeeScalar: 0n,
  gasLimit: 30_000_000n,
  eip1559Params: '0x0000000000000000',
  operatorFeeScalar: 0n,
  operatorFeeConstant: 0n,
}

const plain = (bytes: Uint8Array): string => Bytes.toHex(bytes).slice(2)
const bare = (hex: Hex): string => hex.slice(2)
const wrapped = (value: bigint): bigint => BigInt.asUintN(64, value)

/** Says what this repository makes of a question, in the words of `claims/rivals/op-node-derive`. */
export function answer(question: Question): readonly string[] {
  const data = Bytes.fromHex(question.data)
  const { topics = [] } = question
  switch (question.kind) {
    case 'frames':
      return refusable('malformed', () =>
        Frame.decode(data).map(
          (frame) => `${bare(frame.channelId)}:${frame.number}:${plain(frame.data)}:${frame.isLast}`,
        ),
      )
    case 'channel':
      return channel(data)
    case 'deposit':
      return refusable('malformed', () => {
        const log = { address: question.address!, topics, data: question.data, logIndex: LOG_INDEX }
        const { sourceHash, from, to, mint, value, gas, data: input } = Deposit.fromLog(log, BLOCK_HASH)
        const target = to === null ? 'none' : getAddress(to)
        return [`${bare(sourceHash)} ${getAddress(from)} ${target} ${mint} ${value} ${gas} ${plain(input)}`]
      })
    case 'update':
      return [update(SystemConfig.applyUpdate(initial, { topics, data: question.data }))]
    case 'transaction':
      return transaction(data)
    case 'rlp':
      return refusable('malformed', () => [plain(Rlp.encode(Rlp.decodeFirst(data).item))])
  }
}

function channel(data: Uint8Array): string[] {
  const lines: string[] = []
  for (const encoded of Channel.decode(data, { brotli: decompressBrotli })) {
    try {
      const batch = Batch.decode(encoded, CHAIN_ID)
      lines.push(batch.version === 0 ? singular(batch.singular) : span(batch.span))
    } catch (error) {
      if (!(error instanceof BaseError)) throw error
      if (!(error instanceof SpanBatch.UnreadableTransactionError)) break
      lines.push('unreadable span')
    }
  }
  return lines
}

const singular = (batch: Batch.SingularBatch): string =>
  [
    `singular ${bare(batch.parentHash)} ${batch.epochNumber} ${bare(batch.epochHash)} ${batch.timestamp}`,
    ...batch.transactions.map(plain),
  ].join(' ')

function span({
  relativeTimestamp,
  l1OriginNumber,
  parentCheck,
  l1OriginCheck,
  blocks,
}: SpanBatch.SpanBatch): string {
  let epoch = l1OriginNumber
  const epochs = blocks
    .map(({ isOriginAdvanced }) => isOriginAdvanced)
    .reverse()
    .map((isAdvanced) => {
      const own = epoch
      if (isAdvanced) epoch -= 1n
      return wrapped(own)
    })
    .reverse()
  const parts = blocks.map(({ transactions }, i) =>
    [
      ` | ${wrapped(GENESIS_TIME + relativeTimestamp + BigInt(i))} ${epochs[i]}`,
      ...transactions.map(plain),
    ].join(' '),
  )
  return `span ${bare(parentCheck)} ${bare(l1OriginCheck)}${parts.join('')}`
}

function update(config: SystemConfig.SystemConfig): string {
  const { batcherAddress, gasLimit, eip1559Params, operatorFeeScalar, operatorFeeConstant } = config
  const { baseFeeScalar, blobBaseFeeScalar } = config
  const operatorFee = [Bytes.fromUint(operatorFeeScalar, 4), Bytes.fromUint(operatorFeeConstant, 8)]
  const scalars = [Bytes.fromUint(blobBaseFeeScalar, 4), Bytes.fromUint(baseFeeScalar, 4)]
  return [
    getAddress(batcherAddress),
    gasLimit,
    bare(eip1559Params),
    operatorFee.map(plain).join(''),
    scalars.map(plain).join(''),
  ].join(' ')
}

/** Where op-geth reads what no state transition can take (numbers beyond 256 bits, no authorization), both refuse in the end. */
function transaction(data: Uint8Array): readonly string[] {
  return refusable('refused', () => {
    const decoded = Transaction.decode(data)
    if (decoded.type !== 0x7e && decoded.chainId !== undefined && decoded.chainId !== CHAIN_ID)
      return ['refused']
    return [`${Transaction.hash(data)} ${getAddress(Transaction.sender(decoded))}`]
  })
}

function refusable(word: string, read: () => readonly string[]): readonly string[] {
  try {
    return read()
  } catch (error) {
    // anything but a refusal is a crash
    if (error instanceof BaseError) return [word]
    throw error
  }
}
