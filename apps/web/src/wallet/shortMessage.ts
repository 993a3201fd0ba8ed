import { BaseError, ContractFunctionRevertedError } from 'viem'

/** Says in a line why a wallet or the chain refused: a contract's own error by its name, otherwise viem's short message. */
export function shortMessage(error: unknown): string {
  if (!(error instanceof BaseError)) return error instanceof Error ? error.message : String(error)
  const revert = error.walk((cause) => cause instanceof ContractFunctionRevertedError)
  if (!(revert instanceof ContractFunctionRevertedError)) return error.shortMessage
  const { data, reason } = revert
  if (data === undefined) return reason === undefined ? error.shortMessage : `The contract refused: ${reason}`
  const details = data.args?.length ? ` (${data.args.map(String).join(', ')})` : ''
  return `The contract refused: ${inWords(data.errorName)}${details}`
}

/** `StakingBelowMinimum` as `staking below minimum`. */
const inWords = (name: string): string => name.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase()
