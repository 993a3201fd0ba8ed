import { Open } from '@openledger/primitives'
import type { WithdrawalStage } from '@openledger/sdk'
import type { LocalAccount } from 'viem/accounts'
import type { Connection } from './Connection.ts'

const STAGE_TEXT: Record<WithdrawalStage, string> = {
  initiated: 'burned on L2; waiting for an output root on L1 over its block',
  'ready-to-prove': 'an output root is there; proving against it',
  proven: 'proven on L1; waiting out the finalisation period',
  'ready-to-finalize': 'the period is over; unlocking',
  finalized: 'unlocked on L1',
}

/** Withdraws OPEN from L2 to the same address on L1, saying where it stands. */
export async function withdrawToL1(
  { bridge, l1Wallet, l2Wallet }: Connection,
  account: LocalAccount,
  amountWei: bigint,
  onProgress: (line: string) => void,
): Promise<void> {
  const wallets = { l1: l1Wallet(account), l2: l2Wallet(account) }
  await bridge.withdraw(wallets, { amountWei }, ({ stage, hash }) =>
    onProgress(`${STAGE_TEXT[stage]}${hash === undefined ? '' : ` (${hash})`}`),
  )
}

/** Goes on with every withdrawal of the account that is not finished, oldest first. */
export async function resumeWithdrawals(
  { bridge, l1Wallet }: Connection,
  account: LocalAccount,
  onProgress: (line: string) => void,
): Promise<void> {
  const open = (await bridge.withdrawalsOf(account.address)).filter(({ stage }) => stage !== 'finalized')
  if (open.length === 0) onProgress('no withdrawal of this account is unfinished')
  for (const { l2Hash, amountWei } of open) {
    onProgress(`${Open.format(amountWei)} OPEN, burned in ${l2Hash}`)
    await bridge.resume(l1Wallet(account), l2Hash, ({ stage, hash }) =>
      onProgress(`${STAGE_TEXT[stage]}${hash === undefined ? '' : ` (${hash})`}`),
    )
  }
}
