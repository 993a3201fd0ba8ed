import type { Account, Chain, Transport, WalletClient } from 'viem'

/** A viem wallet client with its account and chain bound in. */
export type Wallet = WalletClient<Transport, Chain, Account>
