import { Bytes, type Hex, Open } from '@openledger/primitives'
import { Abi, type Deployment } from '@openledger/protocol'
import { L1Info, Predeploys } from '@openledger/rollup'
import {
  decodeEventLog,
  decodeFunctionData,
  type Transaction,
  type TransactionReceipt,
  type Abi as ViemAbi,
} from 'viem'

/** What a transaction did, for people. */
export type TransactionWords = {
  readonly summary: (transaction: Transaction, receipt: TransactionReceipt) => string
  readonly events: (
    receipt: TransactionReceipt,
  ) => { contract: string; name: string; arguments: Record<string, string> }[]
}

type Contract = { readonly name: string; readonly abi: ViemAbi }
type Values = readonly unknown[]
type Sentence = (values: Values, transaction: Transaction) => string

const open = (wei: unknown): string => `${Open.format(BigInt(wei as bigint))} OPEN`
const short = (hex: unknown): string => `${String(hex).slice(0, 6)}…${String(hex).slice(-4)}`
const field = (value: unknown, name: string): unknown => (value as Record<string, unknown>)[name]

/** A sentence for each function that people call; others are named plainly. */
const SENTENCES: Readonly<Record<string, Sentence>> = {
  'Datanets.createDatanet': ([name, , licence]) => `Created the Datanet "${name}" under ${licence}`,
  'Datanets.contribute': ([input, contributor]) =>
    `Registered ${field(input, 'recordCount')} records of ${short(contributor)} in Datanet ${field(input, 'datanetId')}`,
  'Datanets.recordVerdict': ([id, , accepted]) => `Accepted ${accepted} records of contribution ${short(id)}`,
  'Datanets.publishVersion': ([id, , count]) => `Published a version of Datanet ${id} with ${count} records`,
  'Datanets.addValidator': ([id, validator]) => `Named ${short(validator)} a validator of Datanet ${id}`,
  'Datanets.setBeneficiary': ([id, to]) =>
    `Gave the future rewards of contribution ${short(id)} to ${short(to)}`,
  'Models.publishModel': ([input]) => `Published the model "${field(input, 'name')}"`,
  'Models.setPrices': ([id]) => `Set the prices of model ${id}`,
  'Models.retire': ([id]) => `Retired model ${id}`,
  'Settlement.deposit': ([account], { value }) => `Prepaid ${open(value)} for ${short(account)}`,
  'Settlement.depositWithAuthorization': ([from, value]) => `${short(from)} paid ${open(value)} by x402`,
  'Settlement.requestWithdrawal': ([amount]) => `Asked to withdraw ${open(amount)} of prepaid balance`,
  'Settlement.withdraw': () => 'Withdrew prepaid balance',
  'Settlement.withdrawBalance': ([to]) => `Withdrew earned balance to ${short(to)}`,
  'Settlement.settle': ([, , groups, segments]) => {
    const sum = (name: string) =>
      (groups as Values).reduce<bigint>((total, group) => total + BigInt(field(group, name) as bigint), 0n)
    const count = sum('receiptCount')
    const credited = (segments as Values).length === 0 ? '' : ', and credited the contributors'
    return `Settled ${count} ${count === 1n ? 'answer' : 'answers'} for ${open(sum('feeWei'))}${credited}`
  },
  'Settlement.postCredits': ([from, segments]) =>
    `Posted ${(segments as Values).length} segments of credits ahead, after ${from} that stay`,
  'Settlement.claim': ([, , claims]) => {
    // 36 bytes each: the line, the account, the amount
    const packed = String(claims)
    const count = (packed.length - 2) / 72
    return count === 1
      ? `Paid the earnings of ${short(`0x${packed.slice(10, 50)}`)} out`
      : `Paid the earnings of ${count} accounts out`
  },
  'Staking.stake': ([id], { value }) => `Staked ${open(value)} behind model ${id}`,
  'Staking.requestUnstake': ([id, amount]) => `Asked to take ${open(amount)} from behind model ${id}`,
  'Staking.unstake': () => 'Took unbonded stake',
  'Staking.claimRewards': ([id]) => `Claimed staking rewards of model ${id}`,
  'WOPEN.deposit': (_, { value }) => `Wrapped ${open(value)}`,
  'WOPEN.withdraw': ([amount]) => `Unwrapped ${open(amount)}`,
  'GOpen.deposit': (_, { value }) => `Turned ${open(value)} into votes`,
  'GOpen.delegate': ([to]) => `Delegated votes to ${short(to)}`,
  'Governor.propose': ([, , , description]) =>
    `Proposed: ${String(description).split('\n')[0]!.slice(0, 120)}`,
  'Governor.castVote': ([id, support]) =>
    `Voted ${['against', 'for', 'to abstain on'][Number(support)] ?? 'on'} proposal ${short(id)}`,
  'Governor.queue': () => 'Queued a proposal that passed',
  'Governor.execute': () => 'Carried out a proposal',
  'AgentIdentity.register': () => 'Registered an agent',
  'AgentReputation.giveFeedback': ([id]) => `Rated agent ${id}`,
  'AgentReputation.revokeFeedback': ([id]) => `Took back a rating of agent ${id}`,
  'AgentValidation.validationResponse': ([, response]) => `Judged an agent's work with ${response} of 100`,
  'AgentWalletFactory.createWallet': ([owner]) => `Created an agent's wallet for ${short(owner)}`,
  'AgentWallet.grantSession': ([key, , perPayment, total]) =>
    `Let the key ${short(key)} pay up to ${open(perPayment)} at once and ${open(total)} in all`,
  'AgentWallet.revokeSession': ([key]) => `Ended the session of ${short(key)}`,
  'AgentWallet.execute': ([target]) => `Called ${short(target)} as an agent's wallet`,
  'MessagePasser.initiateWithdrawal': ([target], { value }) =>
    `Began to withdraw ${open(value)} to ${short(target)} on L1`,
}

const messagePasserAbi = [
  {
    type: 'function',
    name: 'initiateWithdrawal',
    stateMutability: 'payable',
    inputs: [
      { name: '_target', type: 'address' },
      { name: '_gasLimit', type: 'uint256' },
      { name: '_data', type: 'bytes' },
    ],
    outputs: [],
  },
  {
    type: 'event',
    name: 'MessagePassed',
    inputs: [
      { name: 'nonce', type: 'uint256', indexed: true },
      { name: 'sender', type: 'address', indexed: true },
      { name: 'target', type: 'address', indexed: true },
      { name: 'value', type: 'uint256', indexed: false },
      { name: 'gasLimit', type: 'uint256', indexed: false },
      { name: 'data', type: 'bytes', indexed: false },
      { name: 'withdrawalHash', type: 'bytes32', indexed: false },
    ],
  },
] as const

/** Creates the words for one deployment's contracts. */
export function createTransactionWords({ l2 }: Deployment): TransactionWords {
  const contracts = new Map<string, Contract>([
    [l2.datanets, { name: 'Datanets', abi: Abi.datanetsAbi }],
    [l2.models, { name: 'Models', abi: Abi.modelsAbi }],
    [l2.feePolicy, { name: 'FeePolicy', abi: Abi.feePolicyAbi }],
    [l2.settlement, { name: 'Settlement', abi: Abi.settlementAbi }],
    [l2.staking, { name: 'Staking', abi: Abi.stakingAbi }],
    [l2.wopen, { name: 'WOPEN', abi: Abi.wopenAbi }],
    [l2.gopen, { name: 'GOpen', abi: Abi.gOpenAbi }],
    [l2.governor, { name: 'Governor', abi: Abi.openGovernorAbi }],
    [l2.timelock, { name: 'Timelock', abi: Abi.timelockControllerAbi }],
    [l2.agentIdentity, { name: 'AgentIdentity', abi: Abi.agentIdentityAbi }],
    [l2.agentReputation, { name: 'AgentReputation', abi: Abi.agentReputationAbi }],
    [l2.agentValidation, { name: 'AgentValidation', abi: Abi.agentValidationAbi }],
    [l2.agentWalletFactory, { name: 'AgentWalletFactory', abi: Abi.agentWalletFactoryAbi }],
    [Predeploys.L2_TO_L1_MESSAGE_PASSER, { name: 'MessagePasser', abi: messagePasserAbi }],
  ])
  // every agent has a wallet of its own, at an address that no list holds
  const wallet: Contract = { name: 'AgentWallet', abi: Abi.agentWalletAbi }

  /** Finds the contract whose function was called, with its name and arguments. */
  const decode = (to: string, data: Hex): { key: string; args: Values } | undefined => {
    for (const contract of [contracts.get(to), wallet]) {
      if (contract === undefined) continue
      try {
        const { functionName, args = [] } = decodeFunctionData({ abi: contract.abi, data })
        return { key: `${contract.name}.${functionName}`, args: args as Values }
      } catch {
        // not one of its functions
      }
    }
    return undefined
  }

  return {
    summary(transaction, receipt) {
      const failed = receipt.status === 'success' ? '' : 'Failed: '
      const { input, value } = transaction
      const to = transaction.to?.toLowerCase()
      if (transaction.typeHex === '0x7e') return failed + depositWords(transaction)
      if (to === undefined) return `${failed}Created a contract at ${short(receipt.contractAddress)}`
      if (input === '0x') return `${failed}Sent ${open(value)} to ${short(to)}`
      const call = decode(to, input)
      if (call === undefined) return `${failed}Called ${short(to)}`
      return failed + (SENTENCES[call.key]?.(call.args, transaction) ?? `Called ${call.key}`)
    },
    events(receipt) {
      return receipt.logs.map((log) => {
        const contract = contracts.get(log.address.toLowerCase()) ?? wallet
        try {
          const { eventName, args } = decodeEventLog({
            abi: contract.abi,
            data: log.data,
            topics: log.topics,
          })
          return { contract: contract.name, name: String(eventName), arguments: toStrings(args) }
        } catch {
          return { contract: log.address, name: 'unknown', arguments: { topic: log.topics[0] ?? '0x' } }
        }
      })
    },
  }
}

function depositWords({ to, input, value }: Transaction): string {
  if (to?.toLowerCase() !== Predeploys.L1_BLOCK) return `Deposited ${open(value)} from L1 to ${short(to)}`
  try {
    return `Followed L1 block ${L1Info.decode(Bytes.fromHex(input)).number}`
  } catch {
    return 'Told the L2 about its L1 block'
  }
}

const toStrings = (args: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries((args ?? {}) as Record<string, unknown>).map(([name, value]) => [
      name,
      typeof value === 'object'
        ? JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? inner.toString() : inner))
        : String(value),
    ]),
  )
