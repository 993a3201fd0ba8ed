import type { Deployment } from '@openledger/protocol'
import { courtAbi } from '@openledger/protocol/abi/court'
import { feePolicyAbi } from '@openledger/protocol/abi/feePolicy'
import { openGovernorAbi } from '@openledger/protocol/abi/openGovernor'
import { securityStakeAbi } from '@openledger/protocol/abi/securityStake'
import { settlementAbi } from '@openledger/protocol/abi/settlement'
import { stakingAbi } from '@openledger/protocol/abi/staking'
import { timelockControllerAbi } from '@openledger/protocol/abi/timelockController'
import type { Abi } from 'viem'

/** How people write a value: a percentage for hundredths of it on chain, whole seconds, OPEN for wei, an address. */
export type Unit = 'percent' | 'seconds' | 'OPEN' | 'address'
export type Field = { readonly name: string; readonly label: string; readonly unit: Unit }

/** One thing that a vote can set. */
export type Parameter = {
  readonly key: string
  readonly title: string
  readonly contract: keyof Deployment['l2']
  readonly fields: readonly Field[]
  /** What the code allows at most, and from when a new value counts; sentences. */
  readonly limits: string
  readonly since: string
}

/** A parameter and how the chain is asked for it and told. */
export type Definition = Parameter & {
  readonly abi: Abi
  readonly setter: string
  /** Whether the setter takes one struct rather than its fields. */
  readonly isStruct?: true
  /** View that gives what stands now, as value, struct or tuple; absent where there is none. */
  readonly getter?: string
}

const percent = (name: string, label: string): Field => ({ name, label, unit: 'percent' })
const seconds = (label: string): Field => ({ name: 'seconds', label, unit: 'seconds' })

/** Everything that a vote can set by name. */
export const DEFINITIONS: readonly Definition[] = [
  {
    key: 'split',
    title: 'The split of fees',
    contract: 'feePolicy',
    abi: feePolicyAbi,
    setter: 'setSplit',
    isStruct: true,
    fields: [
      percent('platformBps', 'Platform'),
      percent('ownerBps', 'Model owner'),
      percent('stakersBps', 'Stakers'),
      percent('contributorsBps', 'Contributors'),
    ],
    limits: 'The parts sum to 100 % and stay within the bounds.',
    since: 'Counts for answers from then on; the split before stands for another hour.',
  },
  {
    key: 'bounds',
    title: 'The bounds of the split',
    contract: 'feePolicy',
    abi: feePolicyAbi,
    setter: 'setBounds',
    isStruct: true,
    getter: 'bounds',
    fields: [
      percent('platformBpsMax', 'Platform at most'),
      percent('ownerBpsMax', 'Model owner at most'),
      percent('stakersBpsMax', 'Stakers at most'),
      percent('contributorsBpsMin', 'Contributors at least'),
    ],
    limits: 'Platform at most 20 %, contributors at least 30 %, and the split in force stays within.',
    since: 'Counts for later splits.',
  },
  {
    key: 'treasury',
    title: 'The treasury',
    contract: 'feePolicy',
    abi: feePolicyAbi,
    setter: 'setTreasury',
    getter: 'treasury',
    fields: [{ name: 'newTreasury', label: 'Treasury', unit: 'address' }],
    limits: 'Not nobody.',
    since: 'Counts for fees under the split in force that are settled from then on.',
  },
  {
    key: 'operator',
    title: 'The operator, who signs receipts and settles',
    contract: 'settlement',
    abi: settlementAbi,
    setter: 'setOperator',
    getter: 'operator',
    fields: [{ name: 'newOperator', label: 'Operator', unit: 'address' }],
    limits: 'Not nobody. The new one settles once the court holds its bond.',
    since: 'Counts at once.',
  },
  {
    key: 'windows',
    title: 'How long batches can be challenged, and how long withdrawals of prepaid money wait',
    contract: 'settlement',
    abi: settlementAbi,
    setter: 'setWindows',
    getter: 'windows',
    fields: [
      { ...seconds('Challenge window, seconds'), name: 'newChallengeSeconds' },
      { ...seconds('Withdrawal delay, seconds'), name: 'newWithdrawalDelaySeconds' },
    ],
    limits:
      'Not below half of what they were in the beginning, at most 30 days; the challenge window not twice within the longer of the last two.',
    since: 'Counts for later batches and requests; what is open keeps its time.',
  },
  {
    key: 'unbonding',
    title: 'How long stake behind a model takes to leave',
    contract: 'staking',
    abi: stakingAbi,
    setter: 'setUnbonding',
    getter: 'unbondingSeconds',
    fields: [seconds('Seconds')],
    limits: 'At most 30 days.',
    since: 'Counts for later requests; who is leaving leaves on time.',
  },
  {
    key: 'security-unbonding',
    title: 'How long stake of validators and agents takes to leave',
    contract: 'securityStake',
    abi: securityStakeAbi,
    setter: 'setUnbonding',
    getter: 'unbondingSeconds',
    fields: [seconds('Seconds')],
    limits: 'At most 30 days.',
    since: 'Counts for later requests; who is leaving leaves on time.',
  },
  {
    key: 'slasher',
    title: 'A contract that may slash stake of validators and agents',
    contract: 'securityStake',
    abi: securityStakeAbi,
    setter: 'setSlasher',
    fields: [
      { name: 'slasher', label: 'Contract', unit: 'address' },
      percent('capBps', 'Of a pool in seven days, at most'),
    ],
    limits: 'At most 50 % of a pool in seven days; 0 % ends it.',
    since: 'Counts at once.',
  },
  {
    key: 'court-terms',
    title: 'What a fault costs the operator, and what a challenge costs to file',
    contract: 'court',
    abi: courtAbi,
    setter: 'setTerms',
    getter: 'terms',
    fields: [
      { name: 'penaltyWei', label: 'Penalty', unit: 'OPEN' },
      { name: 'challengeBondWei', label: 'Stake of a challenge', unit: 'OPEN' },
    ],
    limits: 'Penalty 1 to 100,000 OPEN, stake 0.1 to 1,000 OPEN.',
    since: 'Counts for later challenges.',
  },
  {
    key: 'quorum',
    title: 'The quorum, as a share of the free OPEN outside the treasury',
    contract: 'governor',
    abi: openGovernorAbi,
    setter: 'setQuorumBps',
    fields: [percent('quorumBps', 'Quorum')],
    limits: '1 % to 25 %.',
    since: 'Counts for proposals whose vote has not begun.',
  },
  {
    key: 'voting-delay',
    title: 'How long a proposal waits before its vote',
    contract: 'governor',
    abi: openGovernorAbi,
    setter: 'setVotingDelay',
    getter: 'votingDelay',
    fields: [seconds('Seconds')],
    limits: 'None in the code.',
    since: 'Counts for later proposals.',
  },
  {
    key: 'voting-period',
    title: 'How long a vote lasts',
    contract: 'governor',
    abi: openGovernorAbi,
    setter: 'setVotingPeriod',
    getter: 'votingPeriod',
    fields: [seconds('Seconds')],
    limits: 'Not zero.',
    since: 'Counts for later proposals.',
  },
  {
    key: 'proposal-threshold',
    title: 'The votes that it takes to propose',
    contract: 'governor',
    abi: openGovernorAbi,
    setter: 'setProposalThreshold',
    getter: 'proposalThreshold',
    fields: [{ name: 'votes', label: 'Votes', unit: 'OPEN' }],
    limits: 'None in the code.',
    since: 'Counts for later proposals, and for those whose vote has not ended.',
  },
  {
    key: 'timelock-delay',
    title: 'How long what passed waits in the timelock',
    contract: 'timelock',
    abi: timelockControllerAbi,
    setter: 'updateDelay',
    getter: 'getMinDelay',
    fields: [seconds('Seconds')],
    limits: 'None in the code.',
    since: 'Counts for what is queued from then on.',
  },
]
