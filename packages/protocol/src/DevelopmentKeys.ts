import type { HDAccount } from 'viem/accounts'
import { mnemonicToAccount } from 'viem/accounts'

/**
 * The publicly known test phrase of Ethereum tooling. Its keys hold development money only: a server on a chain other
 * than the development chain refuses to use them.
 */
export const MNEMONIC = 'test test test test test test test test test test test junk'

/** Who does what on a development network, by the index in the phrase's standard derivation path. */
export const ROLES = {
  deployer: 0,
  batcher: 1,
  proposer: 2,
  operator: 3,
  validator: 4,
  treasury: 5,
  builder: 6,
  caller: 7,
  agentOwner: 8,
  agentSession: 9,
  backer: 10,
  voter: 11,
  challenger: 12,
} as const

export type Role = keyof typeof ROLES

/** The first of the keys that contribute data, one for each module of the first-run Datanet. */
export const CONTRIBUTOR_START = 20
/** How many development accounts L1 starts with. */
export const ACCOUNT_COUNT = 64

/** Derives the account of a role. */
export const account = (role: Role): HDAccount => mnemonicToAccount(MNEMONIC, { addressIndex: ROLES[role] })

/** Derives the account of the `index`-th contributor (0, 1, ...). */
export const contributor = (index: number): HDAccount =>
  mnemonicToAccount(MNEMONIC, { addressIndex: CONTRIBUTOR_START + index })
