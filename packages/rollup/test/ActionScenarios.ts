/**
 * Every test file of `op-e2e/actions/proofs` (ethereum-optimism/optimism), what it shows, and where that is shown here.
 *
 * `shownBy` names a file of this repository and a test in it. `notHere` says why a file has no counterpart. Where op-e2e runs a
 * fault proof program over the result, the result itself is held against the sequencer's chain.
 */
export type ActionScenario = {
  readonly file: string
  readonly fork: 'any' | 'Holocene' | 'Isthmus' | 'Jovian' | 'Karst' | 'L1'
  readonly shows: string
} & ({ readonly shownBy: readonly (readonly [file: string, test: string])[] } | { readonly notHere: string })

const BATCHES = 'packages/rollup/test/BatchScenarios.test.ts'
const CHANNELS = 'packages/rollup/test/ChannelScenarios.test.ts'
const FORKS = 'packages/rollup/test/ForkScenarios.test.ts'
const VERIFIER = 'packages/node/src/verifier/Verifier.test.ts'
const ENGINE = 'packages/node/src/engine/EmbeddedEngine.test.ts'
const SENDER = 'packages/node/src/l1/L1Sender.test.ts'
const BLOB_FEE = 'packages/node/src/l1/BlobBaseFee.test.ts'
const PRECOMPILES = 'packages/rollup/src/execution/Precompiles.test.ts'
const L1_COST = 'packages/rollup/src/execution/L1Cost.test.ts'

export const actionScenarios: readonly ActionScenario[] = [
  {
    file: 'activation_block_test.go',
    fork: 'any',
    shows: 'user transactions in a fork’s first block end the channel',
    shownBy: [[FORKS, 'user transactions in the fork’s first block end the channel']],
  },
  {
    file: 'bad_tx_in_batch_test.go',
    fork: 'Holocene',
    shows: 'a transaction that cannot be executed, resubmitted blocks',
    shownBy: [
      [BATCHES, 'a transaction that cannot be executed leaves the block its deposits'],
      [BATCHES, 'ResubmitBadFirstFrame'],
    ],
  },
  {
    file: 'batcher_change_test.go',
    fork: 'any',
    shows: 'the batcher is replaced within a channel’s timeout',
    shownBy: [[FORKS, 'the batcher counts that the SystemConfig names at that L1 block']],
  },
  {
    file: 'big_channel_test.go',
    fork: 'Holocene',
    shows: 'a channel beyond 100 MB is clipped, or dropped where its frames are beyond it',
    shownBy: [
      [CHANNELS, 'case-0: what is beyond the bound when decompressed is cut off'],
      [CHANNELS, 'case-1: frames beyond the bound are no channel'],
    ],
  },
  {
    file: 'block_data_hint_test.go',
    fork: 'any',
    shows: 'the preimage oracle hints at block data',
    notHere: 'of the fault proof program: this node has no preimage oracle',
  },
  {
    file: 'channel_timeout_test.go',
    fork: 'any',
    shows: 'a channel that times out, and one closed late',
    shownBy: [
      [CHANNELS, 'HonestClaim: resubmitted after the timeout'],
      [CHANNELS, 'CloseChannelLate'],
    ],
  },
  {
    file: 'end_of_source_test.go',
    fork: 'any',
    shows: 'nothing is told beyond the end of L1',
    shownBy: [[FORKS, 'one block, derived; and nothing more when the source ends']],
  },
  {
    file: 'garbage_channel_test.go',
    fork: 'any',
    shows: 'garbage in the middle of a channel',
    shownBy: [[CHANNELS, '%s in the middle of a channel']],
  },
  {
    file: 'holocene_activation_test.go',
    fork: 'Holocene',
    shows: 'Holocene activates after genesis',
    notHere: 'a chain here has every fork up to Isthmus from its genesis on; earlier rules do not exist',
  },
  {
    file: 'holocene_batches_test.go',
    fork: 'Holocene',
    shows: 'batches in, out of and in double order',
    shownBy: [[BATCHES, '%s: blocks %j']],
  },
  {
    file: 'holocene_frame_test.go',
    fork: 'Holocene',
    shows: 'frames in, out of and in double order',
    shownBy: [
      [BATCHES, '%s: frames %j'],
      [BATCHES, '%s, in one L1 transaction: frames %j'],
    ],
  },
  {
    file: 'holocene_invalid_batch_test.go',
    fork: 'Holocene',
    shows: 'invalid payloads, parents, drift and origins, singular and in spans',
    shownBy: [
      [BATCHES, '%s: the block is reduced to its deposits, and the channel ends there'],
      [BATCHES, 'invalid-parent-hash'],
      [BATCHES, 'seq-drift-span'],
      [BATCHES, 'future-l1-origin-span'],
    ],
  },
  {
    file: 'interop_activation_multichain_test.go',
    fork: 'any',
    shows: 'interop activates on several chains',
    notHere: 'interop is not part of this chain',
  },
  {
    file: 'isthmus_fork_test.go',
    fork: 'Isthmus',
    shows: 'Isthmus’ header fields and upgrade transactions',
    shownBy: [[FORKS, 'one block, derived; and nothing more when the source ends']],
  },
  {
    file: 'isthmus_requests_test.go',
    fork: 'Isthmus',
    shows: 'requests of EIP-7002 and EIP-7251 contracts never reach the header',
    shownBy: [[ENGINE, 'isthmus_requests_test.go']],
  },
  {
    file: 'isthmus_setcode_tx_test.go',
    fork: 'Isthmus',
    shows: 'EIP-7702 transactions, told and executed',
    shownBy: [[VERIFIER, 'isthmus_setcode_tx_test.go']],
  },
  {
    file: 'jovian_activation_test.go',
    fork: 'Jovian',
    shows: 'the activation block and the block after it',
    shownBy: [[FORKS, 'the fork’s first block is told by the old contract and deploys the new one']],
  },
  {
    file: 'jovian_dafootprint_test.go',
    fork: 'Jovian',
    shows: 'the footprint scalar reaches the L1 info; 0 stands for 400',
    shownBy: [
      [FORKS, 'minimum base fee and DA footprint scalar come from the SystemConfig'],
      [FORKS, 'a footprint scalar of %s is told as %s'],
    ],
  },
  {
    file: 'jovian_minbasefee_test.go',
    fork: 'Jovian',
    shows: 'the minimum base fee reaches the attributes with its L1 block, not before',
    shownBy: [[FORKS, '%s: a minimum base fee of %s holds from its L1 block on']],
  },
  {
    file: 'karst_fork_test.go',
    fork: 'Karst',
    shows: 'Karst’s activation block',
    shownBy: [[FORKS, 'karst_fork_test.go, nut_bundle_activation_test.go']],
  },
  {
    file: 'l1_blob_parameter_forks_test.go',
    fork: 'L1',
    shows: 'L1’s blob base fee follows its blob parameter forks',
    shownBy: [[BLOB_FEE, 'the price rises more slowly with each fork, and is not known of other chains']],
  },
  {
    file: 'l1_fusaka_fork_test.go',
    fork: 'L1',
    shows: 'L1 activates Fusaka',
    shownBy: [[SENDER, 'at %s blobs are sent proven by %s, and read back']],
  },
  {
    file: 'l1_lookback_test.go',
    fork: 'any',
    shows: 'channels over many L1 blocks, and reopened ones',
    shownBy: [
      [CHANNELS, 'HonestClaim: a channel whose frames are spread over many L1 blocks'],
      [CHANNELS, 'ReopenChannel'],
    ],
  },
  {
    file: 'l1_osaka_fork_test.go',
    fork: 'L1',
    shows: 'L1 activates Osaka',
    shownBy: [[SENDER, 'at %s blobs are sent proven by %s, and read back']],
  },
  {
    file: 'l1_prague_fork_test.go',
    fork: 'L1',
    shows: 'L1 activates Prague; set-code transactions of the batcher are no batches',
    shownBy: [[FORKS, 'l1_prague_fork_test.go: a set-code transaction of the batcher is no batch']],
  },
  {
    file: 'nut_bundle_activation_test.go',
    fork: 'Karst',
    shows: 'upgrade transactions with gas of their own',
    shownBy: [[FORKS, 'karst_fork_test.go, nut_bundle_activation_test.go']],
  },
  {
    file: 'operator_fee_fix_transition_test.go',
    fork: 'Jovian',
    shows: 'the operator fee’s formula before and after Jovian',
    shownBy: [[L1_COST, 'is joined by the operator’s fee']],
  },
  {
    file: 'operator_fee_test.go',
    fork: 'Isthmus',
    shows: 'operator fee parameters reach the L1 info',
    shownBy: [[FORKS, 'updates of the SystemConfig reach the first block of their L1 block']],
  },
  {
    file: 'pectra_blob_schedule_test.go',
    fork: 'L1',
    shows: 'a rollup that computed the blob base fee by Cancun’s schedule after Pectra',
    notHere: 'for chains that ran through Pectra before they knew it; this one begins after',
  },
  {
    file: 'precompile_test.go',
    fork: 'any',
    shows: 'precompiles in the fault proof program',
    shownBy: [[PRECOMPILES, 'bound the input of pairings and multi-scalar multiplications']],
  },
  {
    file: 'rewind_el_test.go',
    fork: 'any',
    shows: 'the execution client is set back and derived again',
    shownBy: [[FORKS, 'rewind_el_test.go: set back to any block, the same chain is derived again']],
  },
  {
    file: 'sequence_window_expiry_test.go',
    fork: 'any',
    shows: 'a sequencing window that passes, and a channel closed after it',
    shownBy: [
      [CHANNELS, 'HonestClaim: deposits come in without the sequencer, and it recovers'],
      [CHANNELS, 'ChannelCloseAfterWindowExpiry'],
    ],
  },
  {
    file: 'simple_program_test.go',
    fork: 'any',
    shows: 'one block, derived',
    shownBy: [[FORKS, 'one block, derived; and nothing more when the source ends']],
  },
  {
    file: 'simple_program_with_eigenda_test.go',
    fork: 'any',
    shows: 'batches in EigenDA',
    notHere: 'batches lie on L1 only',
  },
  {
    file: 'system_config_test.go',
    fork: 'Isthmus',
    shows: 'operator fee parameters set before Isthmus are ignored',
    notHere: 'a chain here begins with Isthmus; what reaches it is operator_fee_test.go',
  },
  {
    file: 'trace_extension_test.go',
    fork: 'any',
    shows: 'a claim beyond the safe head',
    notHere: 'of the fault proof program',
  },
]
