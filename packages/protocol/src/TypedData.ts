import type { Hex } from '@openledger/primitives'

/**
 * Everything a person or the serving node signs (EIP-712). Names, order and types are those of the contracts; what no
 * contract checks (keys, training, sessions of the page) is under the domain "OpenLedger".
 */

export type Domain = {
  readonly name: string
  readonly version: '1'
  readonly chainId: number
  readonly verifyingContract?: Hex
}

/** A domain whose signatures a contract checks. */
export const contractDomain = (
  name: 'OpenLedger Datanets' | 'OpenLedger Models' | 'OpenLedger Settlement' | 'OpenLedger ValidatorPanel',
  chainId: number,
  verifyingContract: Hex,
): Domain => ({ name, version: '1', chainId, verifyingContract })

/** The domain of requests that the server itself checks. */
export const serverDomain = (chainId: number): Domain => ({ name: 'OpenLedger', version: '1', chainId })

/** Checked by `Datanets.contribute`. */
export const contribution = {
  Contribution: [
    { name: 'datanetId', type: 'uint256' },
    { name: 'recordsRoot', type: 'bytes32' },
    { name: 'recordCount', type: 'uint32' },
    { name: 'contentHash', type: 'bytes32' },
    { name: 'licence', type: 'string' },
    { name: 'contributor', type: 'address' },
    { name: 'deadline', type: 'uint256' },
  ],
} as const

/** Checked by `Datanets.setBeneficiaryWithSignature`; `nonce` is the contribution's `beneficiaryNonceOf`. */
export const beneficiaryChange = {
  BeneficiaryChange: [
    { name: 'contributionId', type: 'bytes32' },
    { name: 'to', type: 'address' },
    { name: 'nonce', type: 'uint256' },
    { name: 'deadline', type: 'uint256' },
  ],
} as const

/** Checked by `Datanets.withdrawContribution`. */
export const withdrawal = {
  Withdrawal: [
    { name: 'contributionId', type: 'bytes32' },
    { name: 'deadline', type: 'uint256' },
  ],
} as const

/** Checked by nobody: the hash of a judge's own signature over it is the salt of their vote, so that no salt has to be kept. */
export const panelVote = { PanelVote: [{ name: 'caseId', type: 'uint256' }] } as const

/** Checked by `Models.publishModel`; `modelHash` is the keccak256 of the ABI-encoded `ModelInput`. */
export const publication = {
  Publication: [
    { name: 'modelHash', type: 'bytes32' },
    { name: 'owner', type: 'address' },
    { name: 'deadline', type: 'uint256' },
  ],
} as const

/** Checked by `Settlement.refund`; the nonce is any that the account did not use before. */
export const refund = {
  Refund: [
    { name: 'account', type: 'address' },
    { name: 'amount', type: 'uint256' },
    { name: 'nonce', type: 'bytes32' },
    { name: 'deadline', type: 'uint256' },
  ],
} as const

/** Signed by the serving node for every answer; `Settlement` recomputes its struct hash. */
export const receipt = {
  Receipt: [
    { name: 'sequence', type: 'uint64' },
    { name: 'previousHash', type: 'bytes32' },
    { name: 'payer', type: 'address' },
    { name: 'modelId', type: 'uint256' },
    { name: 'promptHash', type: 'bytes32' },
    { name: 'answerHash', type: 'bytes32' },
    { name: 'inputTokens', type: 'uint32' },
    { name: 'outputTokens', type: 'uint32' },
    { name: 'feeWei', type: 'uint256' },
    { name: 'splitVersion', type: 'uint32' },
    { name: 'stakeVersion', type: 'uint32' },
    { name: 'sharesRoot', type: 'bytes32' },
    { name: 'attributionHash', type: 'bytes32' },
    { name: 'inferenceCommitment', type: 'bytes32' },
    { name: 'timestamp', type: 'uint64' },
  ],
} as const

/** Any request to the server made by a wallet: what is asked is named and hashed, and runs out. */
export const request = {
  Request: [
    { name: 'action', type: 'string' },
    { name: 'payloadHash', type: 'bytes32' },
    { name: 'account', type: 'address' },
    { name: 'deadline', type: 'uint256' },
  ],
} as const

/** The actions that a signed request can ask for. */
export const ACTIONS = [
  'createDatanet',
  'readRecords',
  'judgeContribution',
  'createTrainingRun',
  'cancelTrainingRun',
  'pauseTrainingRun',
  'resumeTrainingRun',
  'exportModel',
  'createApiKey',
  'revokeApiKey',
] as const
export type Action = (typeof ACTIONS)[number]
