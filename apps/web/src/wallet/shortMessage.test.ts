import { stakingAbi } from '@openledger/protocol/abi/staking'
import {
  ContractFunctionExecutionError,
  ContractFunctionRevertedError,
  encodeErrorResult,
  UserRejectedRequestError,
} from 'viem'
import { describe, expect, test } from 'vitest'
import { shortMessage } from './shortMessage.ts'

describe('shortMessage', () => {
  test('names a contract’s own error and what it carries', () => {
    const data = encodeErrorResult({
      abi: stakingAbi,
      errorName: 'StakingBelowMinimum',
      args: [10n ** 18n / 2n, 10n ** 18n],
    })
    const revert = new ContractFunctionRevertedError({
      abi: stakingAbi,
      data,
      functionName: 'stake',
    })
    const error = new ContractFunctionExecutionError(revert, {
      abi: stakingAbi,
      functionName: 'stake',
      args: [1n],
    })
    expect(shortMessage(error)).toBe(
      'The contract refused: staking below minimum (stake 0.5 OPEN, minimum 1 OPEN)',
    )
  })

  test('keeps to the short message when a person says no', () => {
    expect(shortMessage(new UserRejectedRequestError(new Error('code 4001')))).toBe(
      'User rejected the request.',
    )
  })

  test('gives the message of any other error, and text for what is none', () => {
    expect(shortMessage(new Error('Connect a wallet first.'))).toBe('Connect a wallet first.')
    expect(shortMessage('odd')).toBe('odd')
  })
})
