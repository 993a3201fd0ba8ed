import { BaseError } from '@openledger/primitives'
import type { Genesis } from '@openledger/rollup'
import type { LaterForks } from './RollupConfig.ts'

/**
 * Sets when later forks of a running chain begin. What has begun stays as it is, and nothing begins in the past: every
 * node that derives the chain has to know the time before it comes.
 *
 * @param nowSeconds - The chain's own time or later.
 * @throws {ForkTimeError}
 */
export function withForkTimes(genesis: Genesis, forks: LaterForks, nowSeconds: number): Genesis {
  const config: Record<string, unknown> = { ...genesis.config }
  for (const key of ['jovianTime', 'karstTime'] as const) {
    const wanted = forks[key]
    const known = config[key] as number | undefined
    if (wanted === undefined || wanted === known) continue
    if (known !== undefined && known <= nowSeconds) {
      throw new ForkTimeError(key, `${known}, at which it began`, wanted)
    }
    if (wanted <= nowSeconds) throw new ForkTimeError(key, `a time after ${nowSeconds}`, wanted)
    config[key] = wanted
    // Karst brings Osaka's rules, which other clients look for under their own name
    if (key === 'karstTime') config['osakaTime'] = wanted
  }
  const { jovianTime, karstTime } = config as LaterForks
  if (karstTime !== undefined && (jovianTime === undefined || karstTime < jovianTime)) {
    throw new ForkTimeError('karstTime', `${jovianTime ?? 'a jovianTime'} or later`, karstTime)
  }
  return { ...genesis, config: config as Genesis['config'] }
}

export class ForkTimeError extends BaseError {
  constructor(key: string, expected: string, got: number) {
    super({
      code: 'node.fork_time',
      message: `Expected ${key} to be ${expected}, got ${got}: times are seconds of the L2, and Karst comes after Jovian.`,
      context: { key, expected, got },
    })
  }
}
