import type { Hex } from '@openledger/primitives'
import { agentWalletAbi } from '@openledger/protocol/abi/agentWallet'
import { wopenAbi } from '@openledger/protocol/abi/wopen'
import { encodeFunctionData } from 'viem'

/** What a session key may do: pay one payee, so much at once and in all, until a time. */
export type SessionLimits = {
  readonly limitPerPaymentWei: bigint
  readonly limitTotalWei: bigint
  /** Unix seconds. */
  readonly expiresAt: bigint
}

/** Lets a key pay `payee` from an agent's wallet; an earlier session of the key ends. For the wallet's owner to send. */
export const grantSession = (
  wallet: Hex,
  payee: Hex,
  key: Hex,
  { limitPerPaymentWei, limitTotalWei, expiresAt }: SessionLimits,
) =>
  ({
    address: wallet,
    abi: agentWalletAbi,
    functionName: 'grantSession',
    args: [key, payee, limitPerPaymentWei, limitTotalWei, expiresAt],
  }) as const

/** Ends a key's session at once. For the wallet's owner to send. */
export const revokeSession = (wallet: Hex, key: Hex) =>
  ({ address: wallet, abi: agentWalletAbi, functionName: 'revokeSession', args: [key] }) as const

/** Ends the sessions of every key at once. For the wallet's owner to send. */
export const revokeSessions = (wallet: Hex) =>
  ({ address: wallet, abi: agentWalletAbi, functionName: 'revokeAllSessions', args: [] }) as const

/** Gives the wallet more to pay with, as WOPEN, which is what it pays in. For the wallet's owner to send. */
export const topUp = (wallet: Hex, wopen: Hex, amountWei: bigint) =>
  ({
    address: wallet,
    abi: agentWalletAbi,
    functionName: 'execute',
    args: [wopen, amountWei, encodeFunctionData({ abi: wopenAbi, functionName: 'deposit' })],
    valueWei: amountWei,
  }) as const

/** Takes OPEN, and OPEN that the wallet holds as WOPEN, to an address. For the wallet's owner to send, one after the other. */
export const empty = (
  wallet: Hex,
  wopen: Hex,
  to: Hex,
  held: { readonly openWei: bigint; readonly wopenWei: bigint },
) => {
  const execute = (target: Hex, valueWei: bigint, data: Hex) =>
    ({
      address: wallet,
      abi: agentWalletAbi,
      functionName: 'execute',
      args: [target, valueWei, data],
    }) as const
  const unwrap = encodeFunctionData({ abi: wopenAbi, functionName: 'withdraw', args: [held.wopenWei] })
  const totalWei = held.openWei + held.wopenWei
  return [
    ...(held.wopenWei > 0n ? [execute(wopen, 0n, unwrap)] : []),
    ...(totalWei > 0n ? [execute(to, totalWei, '0x')] : []),
  ]
}
