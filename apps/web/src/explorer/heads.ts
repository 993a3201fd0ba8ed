/** How sure a block is, in words that a newcomer understands. */
export const HEADS = {
  unsafe: { label: 'new', colour: 'gray', means: 'made by the sequencer; its data is on its way to L1' },
  safe: { label: 'on L1', colour: 'cyan', means: 'L1 holds the data to rebuild it' },
  finalized: { label: 'final', colour: 'green', means: 'the L1 block that holds its data is final' },
} as const
