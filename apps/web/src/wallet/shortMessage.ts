import { Open } from '@openledger/primitives'
import { BaseError, ContractFunctionRevertedError } from 'viem'

/** Says in a line why a wallet or the chain refused: a contract's own error by its name, otherwise viem's short message. */
export function shortMessage(error: unknown): string {
  if (!(error instanceof BaseError)) return error instanceof Error ? error.message : String(error)
  const revert = error.walk((cause) => cause instanceof ContractFunctionRevertedError)
  if (!(revert instanceof ContractFunctionRevertedError)) return error.shortMessage
  const { data, reason } = revert
  if (data === undefined) return reason === undefined ? error.shortMessage : `The contract refused: ${reason}`
  const inputs = 'inputs' in data.abiItem ? data.abiItem.inputs : []
  const values = (data.args ?? []).map((value, index) => named(inputs[index]?.name ?? '', value))
  const details = values.length === 0 ? '' : ` (${values.join(', ')})`
  return `The contract refused: ${inWords(data.errorName)}${details}`
}

/** A value with its name; amounts are in OPEN. */
function named(name: string, value: unknown): string {
  if (name.endsWith('Wei') && typeof value === 'bigint')
    return `${inWords(name.slice(0, -3))} ${Open.format(value)} OPEN`
  return `${inWords(name)} ${value}`.trim()
}

/** `StakingBelowMinimum` as `staking below minimum`. */
const inWords = (name: string): string => name.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase()
