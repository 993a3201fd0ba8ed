import { Bytes, type Hex } from '@openledger/primitives'
import type { AccessList, BlockOverride, CallRequest, StateOverride } from '../engine/Engine.ts'
import { invalidParams } from './RpcError.ts'

/** The parameters of one request, by position. */
export type Params = readonly unknown[]

export function quantity(value: unknown, name: string): bigint {
  if (typeof value === 'string' && /^0x[0-9a-fA-F]{1,64}$/.test(value)) return BigInt(value)
  // geth takes plain numbers nowhere, but several clients send them for counts
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
  throw invalidParams(name, 'a quantity: 0x and up to 64 hexadecimal digits', value)
}

export function uint64(value: unknown, name: string): bigint {
  const number = quantity(value, name)
  if (number >= 2n ** 64n) throw invalidParams(name, 'a quantity below 2^64', value)
  return number
}

export function data(value: unknown, name: string): Hex {
  if (typeof value === 'string' && /^0x([0-9a-fA-F]{2})*$/.test(value)) return value.toLowerCase() as Hex
  throw invalidParams(name, 'bytes: 0x and an even number of hexadecimal digits', value)
}

export const bytes = (value: unknown, name: string): Uint8Array => Bytes.fromHex(data(value, name))

export function address(value: unknown, name: string): Hex {
  if (typeof value === 'string' && /^0x[0-9a-fA-F]{40}$/.test(value)) return value.toLowerCase() as Hex
  throw invalidParams(name, 'an address: 0x and 40 hexadecimal digits', value)
}

export function hash(value: unknown, name: string): Hex {
  if (typeof value === 'string' && /^0x[0-9a-fA-F]{64}$/.test(value)) return value.toLowerCase() as Hex
  throw invalidParams(name, 'a hash: 0x and 64 hexadecimal digits', value)
}

/** A storage slot; short quantities are accepted as geth does. */
export function slot(value: unknown, name: string): Hex {
  if (typeof value === 'string' && /^0x[0-9a-fA-F]{0,64}$/.test(value)) {
    return `0x${value.slice(2).toLowerCase().padStart(64, '0')}`
  }
  throw invalidParams(name, 'a storage slot: 0x and at most 64 hexadecimal digits', value)
}

export function boolean(value: unknown, name: string): boolean {
  if (typeof value === 'boolean') return value
  throw invalidParams(name, 'true or false', value)
}

export function object(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>
  }
  throw invalidParams(name, 'an object', value)
}

export function array(value: unknown, name: string, lengthMax: number): readonly unknown[] {
  if (!Array.isArray(value)) throw invalidParams(name, 'an array', value)
  if (value.length > lengthMax) throw invalidParams(name, `at most ${lengthMax} elements`, value.length)
  return value
}

export type BlockTag = 'latest' | 'pending' | 'earliest' | 'safe' | 'finalized'

/** What names a block: a tag, a number, or (EIP-1898) a hash. */
export type BlockName = BlockTag | bigint | { readonly hash: Hex }

const TAGS: ReadonlySet<unknown> = new Set<BlockTag>(['latest', 'pending', 'earliest', 'safe', 'finalized'])

export function blockName(value: unknown, name: string): BlockName {
  if (value === undefined || value === null) return 'latest'
  if (TAGS.has(value)) return value as BlockTag
  if (typeof value === 'string' && /^0x[0-9a-fA-F]{64}$/.test(value)) return { hash: hash(value, name) }
  if (typeof value === 'string' && /^0x[0-9a-fA-F]{1,16}$/.test(value)) return BigInt(value)
  if (typeof value === 'object') {
    const named = object(value, name)
    if (named['blockHash'] !== undefined) return { hash: hash(named['blockHash'], `${name}.blockHash`) }
    if (named['blockNumber'] !== undefined) return uint64(named['blockNumber'], `${name}.blockNumber`)
  }
  throw invalidParams(
    name,
    'a block number in hexadecimal, a block hash, or one of latest, pending, earliest, safe, finalized',
    value,
  )
}

const ACCESS_LIST_MAX = 10_000

export function accessList(value: unknown, name: string): AccessList {
  return array(value, name, ACCESS_LIST_MAX).map((entry, i) => {
    const { address: account, storageKeys } = object(entry, `${name}[${i}]`)
    return {
      address: address(account, `${name}[${i}].address`),
      storageKeys: array(storageKeys, `${name}[${i}].storageKeys`, ACCESS_LIST_MAX).map((key, k) =>
        hash(key, `${name}[${i}].storageKeys[${k}]`),
      ),
    }
  })
}

/** Parses the transaction object of `eth_call` and its relatives; `gas` is cut at `gasMax`. */
export function callRequest(value: unknown, name: string, gasMax: bigint): CallRequest {
  const call = object(value, name)
  const at = (field: string): string => `${name}.${field}`
  const has = (field: string): boolean => call[field] !== undefined && call[field] !== null
  if (has('input') && has('data') && data(call['input'], at('input')) !== data(call['data'], at('data'))) {
    throw invalidParams(name, 'input and data to be equal where both are given', call['data'])
  }
  const input = call['input'] ?? call['data']
  if (has('blobVersionedHashes') || has('blobs')) {
    throw invalidParams(name, 'no blobs: this chain has none', call['blobVersionedHashes'] ?? call['blobs'])
  }
  const gas = has('gas') ? quantity(call['gas'], at('gas')) : undefined
  const optional = (field: 'value' | 'gasPrice' | 'maxFeePerGas' | 'maxPriorityFeePerGas' | 'nonce') =>
    has(field) ? { [field]: quantity(call[field], at(field)) } : {}
  return {
    ...(has('from') ? { from: address(call['from'], at('from')) } : {}),
    ...(has('to') ? { to: address(call['to'], at('to')) } : {}),
    ...(input === undefined || input === null ? {} : { data: data(input, at('input')) }),
    ...(gas === undefined ? {} : { gas: gas < gasMax ? gas : gasMax }),
    ...optional('value'),
    ...optional('gasPrice'),
    ...optional('maxFeePerGas'),
    ...optional('maxPriorityFeePerGas'),
    ...optional('nonce'),
    ...(has('accessList') ? { accessList: accessList(call['accessList'], at('accessList')) } : {}),
  }
}

const OVERRIDES_MAX = 1_000

export function stateOverride(value: unknown, name: string): StateOverride | undefined {
  if (value === undefined || value === null) return undefined
  const entries = Object.entries(object(value, name))
  if (entries.length > OVERRIDES_MAX)
    throw invalidParams(name, `at most ${OVERRIDES_MAX} accounts`, entries.length)
  return Object.fromEntries(
    entries.map(([key, entry]) => {
      const at = `${name}.${key}`
      const { balance, nonce, code, state, stateDiff, movePrecompileToAddress } = object(entry, at)
      const slots = (given: unknown, field: string): Record<Hex, Hex> =>
        Object.fromEntries(
          Object.entries(object(given, field)).map(([k, v]) => [slot(k, field), slot(v, `${field}.${k}`)]),
        )
      const override = {
        ...(balance === undefined ? {} : { balance: quantity(balance, `${at}.balance`) }),
        ...(nonce === undefined ? {} : { nonce: uint64(nonce, `${at}.nonce`) }),
        ...(code === undefined ? {} : { code: data(code, `${at}.code`) }),
        ...(state === undefined ? {} : { state: slots(state, `${at}.state`) }),
        ...(stateDiff === undefined ? {} : { stateDiff: slots(stateDiff, `${at}.stateDiff`) }),
        ...(movePrecompileToAddress === undefined
          ? {}
          : { movePrecompileTo: address(movePrecompileToAddress, `${at}.movePrecompileToAddress`) }),
      }
      return [address(key, name), override]
    }),
  )
}

/** Parses what a call may assume of its block, under geth's names and execution-apis'. */
export function blockOverride(value: unknown, name: string): BlockOverride | undefined {
  if (value === undefined || value === null) return undefined
  const given = object(value, name)
  const first = (...names: readonly string[]): [unknown, string] => {
    const known = names.find((candidate) => given[candidate] !== undefined && given[candidate] !== null)
    return [known === undefined ? undefined : given[known], `${name}.${known ?? names[0]}`]
  }
  const number = first('number', 'blockNumber')
  const time = first('time', 'timestamp')
  const feeRecipient = first('feeRecipient', 'coinbase')
  const random = first('prevRandao', 'random')
  const baseFee = first('baseFeePerGas', 'baseFee')
  const gasLimit = first('gasLimit')
  return {
    ...(number[0] === undefined ? {} : { number: uint64(...number) }),
    ...(time[0] === undefined ? {} : { timestamp: uint64(...time) }),
    ...(gasLimit[0] === undefined ? {} : { gasLimit: uint64(...gasLimit) }),
    ...(feeRecipient[0] === undefined ? {} : { feeRecipient: address(...feeRecipient) }),
    ...(random[0] === undefined ? {} : { prevRandao: hash(...random) }),
    ...(baseFee[0] === undefined ? {} : { baseFeePerGas: quantity(...baseFee) }),
  }
}

export type LogFilter = {
  readonly from: BlockName
  readonly to: BlockName
  /** Set instead of a range. */
  readonly blockHash?: Hex
  readonly addresses?: readonly Hex[]
  readonly topics?: readonly (readonly Hex[] | null)[]
}

const FILTER_ALTERNATIVES_MAX = 1_000
const TOPICS_MAX = 4

export function logFilter(value: unknown, name: string): LogFilter {
  const filter = object(value ?? {}, name)
  const given = filter['address']
  const addresses =
    given === undefined || given === null
      ? undefined
      : typeof given === 'string'
        ? [address(given, `${name}.address`)]
        : array(given, `${name}.address`, FILTER_ALTERNATIVES_MAX).map((one, i) =>
            address(one, `${name}.address[${i}]`),
          )
  const topics =
    filter['topics'] === undefined || filter['topics'] === null
      ? undefined
      : array(filter['topics'], `${name}.topics`, TOPICS_MAX).map((topic, i) => {
          const at = `${name}.topics[${i}]`
          if (topic === null) return null
          if (typeof topic === 'string') return [hash(topic, at)]
          const alternatives = array(topic, at, FILTER_ALTERNATIVES_MAX)
          return alternatives.includes(null) || alternatives.length === 0
            ? null
            : alternatives.map((one, k) => hash(one, `${at}[${k}]`))
        })
  const common = {
    ...(addresses === undefined || addresses.length === 0 ? {} : { addresses }),
    ...(topics === undefined ? {} : { topics }),
  }
  if (filter['blockHash'] !== undefined && filter['blockHash'] !== null) {
    if (filter['fromBlock'] !== undefined || filter['toBlock'] !== undefined) {
      throw invalidParams(name, 'either blockHash or fromBlock and toBlock', filter)
    }
    return {
      from: 'latest',
      to: 'latest',
      blockHash: hash(filter['blockHash'], `${name}.blockHash`),
      ...common,
    }
  }
  return {
    from: blockName(filter['fromBlock'], `${name}.fromBlock`),
    to: blockName(filter['toBlock'], `${name}.toBlock`),
    ...common,
  }
}
