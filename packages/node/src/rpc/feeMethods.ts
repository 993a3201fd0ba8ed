import { BaseFee, type OptimismConfig } from '@openledger/rollup'
import type { BlockRecord } from '../engine/Engine.ts'
import { requireBlock } from './Chain.ts'
import * as Format from './Format.ts'
import type { Methods } from './Methods.ts'
import * as Params from './Params.ts'
import type { RpcEngine } from './RpcEngine.ts'
import { invalidParams } from './RpcError.ts'

/** What a sequencer with room in its blocks asks for, as op-geth's `gpo.minsuggestedpriorityfee`. */
const TIP_MIN_WEI = 1_000_000n
const HISTORY_BLOCKS_MAX = 1_024n
const PERCENTILES_MAX = 100

/** Methods about the price of gas. */
export function createFeeMethods(engine: RpcEngine, optimism: OptimismConfig | undefined): Methods {
  // while blocks have room, a higher tip buys nothing
  function suggestedTip(): bigint {
    const head = engine.head()
    const biggest = engine
      .receipts(head.number)
      .reduce((max, { gasUsed }) => (gasUsed > max ? gasUsed : max), 0n)
    if (head.gasUsed + biggest <= head.gasLimit) return TIP_MIN_WEI
    const tips = tipsOf(engine, head)
      .filter(({ isDeposit }) => !isDeposit)
      .map(({ tip }) => tip)
    const median = tips[tips.length >> 1] ?? 0n
    const higher = median + median / 10n
    return higher > TIP_MIN_WEI ? higher : TIP_MIN_WEI
  }

  return {
    eth_gasPrice: () => Format.quantity(suggestedTip() + engine.head().baseFeePerGas),
    eth_maxPriorityFeePerGas: () => Format.quantity(suggestedTip()),
    eth_blobBaseFee: () => '0x1',
    eth_baseFee: () => Format.quantity(BaseFee.nextBaseFee(engine.head(), optimism)),
    eth_feeHistory: ([blockCount, newest, percentiles]) => {
      const asked = Params.uint64(blockCount, 'blockCount')
      if (asked === 0n) return { oldestBlock: '0x0', gasUsedRatio: [] }
      const last = requireBlock(engine, Params.blockName(newest, 'newestBlock'))
      const wanted = percentilesOf(percentiles)
      const bounded = asked < HISTORY_BLOCKS_MAX ? asked : HISTORY_BLOCKS_MAX
      const oldest = last.number - bounded + 1n > 0n ? last.number - bounded + 1n : 0n
      const blocks: BlockRecord[] = []
      for (let number = oldest; number <= last.number; number++) {
        blocks.push(requireBlock(engine, number))
      }
      const baseFees = [
        ...blocks.map(({ baseFeePerGas }) => baseFeePerGas),
        BaseFee.nextBaseFee(last, optimism),
      ]
      return {
        oldestBlock: Format.quantity(oldest),
        baseFeePerGas: baseFees.map(Format.quantity),
        gasUsedRatio: blocks.map(({ gasUsed, gasLimit }) => Number(gasUsed) / Number(gasLimit)),
        baseFeePerBlobGas: baseFees.map(() => '0x1'),
        blobGasUsedRatio: blocks.map(() => 0),
        ...(wanted === undefined ? {} : { reward: blocks.map((block) => rewards(engine, block, wanted)) }),
      }
    },
  }
}

function percentilesOf(value: unknown): readonly number[] | undefined {
  if (value === undefined || value === null) return undefined
  const list = Params.array(value, 'rewardPercentiles', PERCENTILES_MAX)
  let before = 0
  return list.map((percentile, i) => {
    if (typeof percentile !== 'number' || !(percentile >= before && percentile <= 100)) {
      throw invalidParams(`rewardPercentiles[${i}]`, 'numbers from 0 to 100, in rising order', percentile)
    }
    before = percentile
    return percentile
  })
}

type Tip = { readonly tip: bigint; readonly gasUsed: bigint; readonly isDeposit: boolean }

/** What each transaction of a block paid its builder per gas, cheapest first; deposits pay nothing. */
function tipsOf(engine: RpcEngine, block: BlockRecord): Tip[] {
  return engine
    .receipts(block.number)
    .map(({ type, effectiveGasPrice, gasUsed }) => {
      const isDeposit = type === 0x7e
      return { isDeposit, gasUsed, tip: isDeposit ? 0n : effectiveGasPrice - block.baseFeePerGas }
    })
    .sort((a, b) => (a.tip < b.tip ? -1 : a.tip > b.tip ? 1 : 0))
}

/** The tip at each percentile of the block's gas, as op-geth computes it, deposits included. */
function rewards(engine: RpcEngine, block: BlockRecord, percentiles: readonly number[]): string[] {
  const tips = tipsOf(engine, block)
  if (tips.length === 0) return percentiles.map(() => '0x0')
  let at = 0
  let gas = tips[0]!.gasUsed
  return percentiles.map((percentile) => {
    const threshold = (block.gasUsed * BigInt(Math.round(percentile * 1e6))) / 100_000_000n
    while (gas < threshold && at < tips.length - 1) {
      at++
      gas += tips[at]!.gasUsed
    }
    return Format.quantity(tips[at]!.tip)
  })
}
