/** What a contribution's states mean to people. */
export const STATUS_TEXT = {
  registered: 'on chain, being checked',
  validated: 'checked',
  versioned: 'in a version',
  withdrawing: 'being taken back',
  withdrawn: 'taken back',
} as const
