import { parseEther } from 'viem'

/** What governance starts with; all of it can be changed by a vote, except the two delays of Settlement. */
export type L2Parameters = {
  readonly split: {
    readonly platformBps: number
    readonly ownerBps: number
    readonly stakersBps: number
    readonly contributorsBps: number
  }
  /** Between a request to withdraw prepaid money and its payment. */
  readonly withdrawalDelaySeconds: number
  /** How long a settled batch can be challenged before its ledger pays. */
  readonly challengeSeconds: number
  /** Between a request to unstake and its payment. */
  readonly unbondingSeconds: number
  /** The same for stake behind validators and agents: longer than any case before the validators' panel. */
  readonly securityUnbondingSeconds: number
  /** To draw, to commit, to reveal and to appeal before the validators' panel. */
  readonly validatorPanelStepSeconds: number
  /** Of a pool, what that panel may slash within seven days before any vote, in hundredths of a per cent. */
  readonly validatorPanelCapBps: number
  /** The same of an agent's own stake, for what its owner guaranteed. */
  readonly agentGuaranteesCapBps: number
  /** To answer a demand; to draw, to commit and to reveal before the panel. */
  readonly courtStepSeconds: number
  /** What a convicted operator pays. */
  readonly penaltyWei: bigint
  /** What a challenger stakes. */
  readonly challengeBondWei: bigint
  /** The operator's first bond; a quarter of it bounds the fees of a challenge window. */
  readonly operatorBondWei: bigint
  readonly votingDelaySeconds: number
  readonly votingPeriodSeconds: number
  readonly timelockDelaySeconds: number
  readonly proposalThresholdWei: bigint
  /** Of the OPEN that is free and outside the treasury, in hundredths of a per cent. */
  readonly quorumBps: bigint
}

/** Short enough to see a whole vote within a minute. */
export const developmentParameters: L2Parameters = {
  split: { platformBps: 1_000, ownerBps: 2_000, stakersBps: 2_000, contributorsBps: 5_000 },
  withdrawalDelaySeconds: 10,
  challengeSeconds: 2,
  unbondingSeconds: 10,
  securityUnbondingSeconds: 300,
  validatorPanelStepSeconds: 20,
  validatorPanelCapBps: 2_000,
  agentGuaranteesCapBps: 5_000,
  courtStepSeconds: 20,
  penaltyWei: parseEther('100'),
  challengeBondWei: parseEther('1'),
  operatorBondWei: parseEther('40000'),
  votingDelaySeconds: 2,
  votingPeriodSeconds: 10,
  timelockDelaySeconds: 2,
  proposalThresholdWei: parseEther('1000'),
  quorumBps: 400n,
}

/** Time enough to notice and to object: for a network whose OPEN is worth something. */
export const productionParameters: L2Parameters = {
  split: developmentParameters.split,
  withdrawalDelaySeconds: 3_600,
  challengeSeconds: 86_400,
  unbondingSeconds: 7 * 86_400,
  securityUnbondingSeconds: 7 * 86_400,
  validatorPanelStepSeconds: 12 * 3_600,
  validatorPanelCapBps: 2_000,
  agentGuaranteesCapBps: 5_000,
  courtStepSeconds: 12 * 3_600,
  penaltyWei: parseEther('1000'),
  challengeBondWei: parseEther('10'),
  operatorBondWei: parseEther('40000'),
  votingDelaySeconds: 86_400,
  votingPeriodSeconds: 5 * 86_400,
  timelockDelaySeconds: 2 * 86_400,
  proposalThresholdWei: parseEther('100000'),
  quorumBps: 400n,
}
