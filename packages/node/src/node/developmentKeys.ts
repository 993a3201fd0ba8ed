import { BaseError } from '@openledger/primitives'
import { DevelopmentKeys } from '@openledger/protocol'
import { type Address, parseEther } from 'viem'
import type { NodeKeys } from './NodeOptions.ts'

export const DEVELOPMENT_L1_CHAIN_ID = 31_337

/**
 * The keys of the development phrase, and what each account gets on L2.
 * @throws {KeysMissingError} on any other chain: everybody knows these keys.
 */
export function developmentKeys(l1ChainId: number): NodeKeys {
  if (l1ChainId !== DEVELOPMENT_L1_CHAIN_ID) throw new KeysMissingError(l1ChainId)
  const { account } = DevelopmentKeys
  const addressOf = (role: DevelopmentKeys.Role): Address => account(role).address.toLowerCase() as Address
  const amounts: Readonly<Record<DevelopmentKeys.Role, string>> = {
    deployer: '100000',
    batcher: '10',
    proposer: '10',
    operator: '10000',
    validator: '10000',
    treasury: '1000',
    builder: '100000',
    caller: '100000',
    agentOwner: '100000',
    agentSession: '10',
    backer: '200000',
    // the quorum is a share of all free OPEN, and the development network has one voter
    voter: '30000000',
    challenger: '10',
  }
  return {
    deployer: account('deployer'),
    batcher: account('batcher'),
    proposer: account('proposer'),
    challenger: account('challenger'),
    operator: addressOf('operator'),
    treasury: addressOf('treasury'),
    beneficiaries: {
      community: addressOf('treasury'),
      ecosystem: addressOf('treasury'),
      investors: addressOf('backer'),
      team: addressOf('builder'),
      liquidity: addressOf('deployer'),
    },
    fundings: Object.entries(amounts).map(([role, amount]) => ({
      account: addressOf(role as DevelopmentKeys.Role),
      amountWei: parseEther(amount),
    })),
  }
}

export class KeysMissingError extends BaseError {
  constructor(l1ChainId: number) {
    super({
      code: 'node.keys_missing',
      message: `Expected keys for L1 chain ${l1ChainId}, got none: the development keys are known to everybody and serve chain ${DEVELOPMENT_L1_CHAIN_ID} only. Make a network of your own with \`openledger create-network\`.`,
      context: { l1ChainId },
    })
  }
}
