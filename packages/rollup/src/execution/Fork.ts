/**
 * The OP Stack forks that execution knows. Each includes those before it; a chain of ours starts at Isthmus, and
 * Holocene is there so that published blocks of that time can be executed again.
 */
export type Fork = 'holocene' | 'isthmus' | 'jovian' | 'karst'

/** Ethereum's own forks, whose published tests the same execution is held to. */
export type EthereumFork = (typeof ETHEREUM_FORKS)[number]

const ETHEREUM_FORKS = [
  'homestead',
  'tangerineWhistle',
  'spuriousDragon',
  'byzantium',
  'constantinople',
  'petersburg',
  'istanbul',
  'berlin',
  'london',
  'paris',
  'shanghai',
  'cancun',
  'prague',
  'osaka',
] as const
const OPTIMISM_FORKS = ['holocene', 'isthmus', 'jovian', 'karst'] as const

export type ForkRules = {
  readonly fork: Fork | EthereumFork
  /** The rules of the EVM's opcodes, precompiles and prices. */
  readonly evm: EthereumFork
  /** Vaults, L1 and operator fees, bounded precompiles; no blobs. Without it the base fee is burnt. */
  readonly isOptimism: boolean
  /** EIP-2028: a byte of data costs 16 gas instead of 68. */
  readonly hasIstanbul: boolean
  /** EIP-3529: a fifth of the gas is refunded at most, not half. */
  readonly hasLondon: boolean
  /** EIP-3860: init code is bounded and costs gas. */
  readonly hasShanghai: boolean
  /** EIP-4788: the beacon root is in the state. */
  readonly hasCancun: boolean
  /** Prague: EIP-2935, EIP-7623's floor, EIP-7702, and a requests hash in the header. */
  readonly hasPrague: boolean
  /** EIP-7825: a transaction has 2^24 gas at most. */
  readonly hasOsaka: boolean
  /** The header's withdrawals root is the L2ToL1MessagePasser's storage root. */
  readonly hasWithdrawalsRoot: boolean
  readonly hasOperatorFee: boolean
  /** Jovian: a least base fee, the DA footprint, and an operator fee a hundred million times as fine. */
  readonly hasJovian: boolean
}

/** Names what a fork switched on. @see OP specs, Isthmus, Jovian and Karst, overview. */
export function rulesOf(fork: Fork | EthereumFork): ForkRules {
  const optimism = (OPTIMISM_FORKS as readonly string[]).indexOf(fork)
  const isOptimism = optimism >= 0
  const evm = isOptimism
    ? (['cancun', 'prague', 'prague', 'osaka'] as const)[optimism]!
    : (fork as EthereumFork)
  const reaches = (ethereum: EthereumFork): boolean =>
    ETHEREUM_FORKS.indexOf(evm) >= ETHEREUM_FORKS.indexOf(ethereum)
  return {
    fork,
    evm,
    isOptimism,
    hasIstanbul: reaches('istanbul'),
    hasLondon: reaches('london'),
    hasShanghai: reaches('shanghai'),
    hasCancun: reaches('cancun'),
    hasPrague: reaches('prague'),
    hasOsaka: reaches('osaka'),
    hasWithdrawalsRoot: optimism >= OPTIMISM_FORKS.indexOf('isthmus'),
    hasOperatorFee: optimism >= OPTIMISM_FORKS.indexOf('isthmus'),
    hasJovian: optimism >= OPTIMISM_FORKS.indexOf('jovian'),
  }
}

/** Tells under which rules a block is. */
export type Schedule = (block: { readonly number: bigint; readonly timestamp: bigint }) => ForkRules

const KEYS: Readonly<Record<EthereumFork, string>> = {
  homestead: 'homesteadBlock',
  tangerineWhistle: 'eip150Block',
  spuriousDragon: 'eip158Block',
  byzantium: 'byzantiumBlock',
  constantinople: 'constantinopleBlock',
  petersburg: 'petersburgBlock',
  istanbul: 'istanbulBlock',
  berlin: 'berlinBlock',
  london: 'londonBlock',
  paris: 'mergeNetsplitBlock',
  shanghai: 'shanghaiTime',
  cancun: 'cancunTime',
  prague: 'pragueTime',
  osaka: 'osakaTime',
}

/**
 * Reads from a genesis which forks begin when.
 *
 * On an OP Stack chain everything up to Isthmus is active from genesis, Jovian and Karst at their times. A genesis
 * without `optimism` is Ethereum's own, and its forks are at their blocks and times.
 */
export function scheduleOf(config: Readonly<Record<string, unknown>>): Schedule {
  const starts = (key: string): bigint | undefined => {
    const start = config[key]
    return typeof start === 'number' || typeof start === 'string' ? BigInt(start) : undefined
  }
  const isOptimism = config['optimism'] !== undefined
  const later = isOptimism
    ? ([
        ['jovian', 'jovianTime'],
        ['karst', 'karstTime'],
      ] as const)
    : ETHEREUM_FORKS.map((fork) => [fork, KEYS[fork]] as const)
  const forks = later.flatMap(([fork, key]) => {
    const start = starts(key)
    return start === undefined ? [] : [{ rules: rulesOf(fork), isTimed: key.endsWith('Time'), start }]
  })
  const first = rulesOf(isOptimism ? 'isthmus' : 'homestead')
  return ({ number, timestamp }) =>
    forks.findLast(({ isTimed, start }) => (isTimed ? timestamp : number) >= start)?.rules ?? first
}
