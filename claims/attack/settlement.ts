import { Bytes, type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys, FeeSplit, Receipt, TypedData } from '@openledger/protocol'
import { auditBatches, Batch, type CourtCall, Credits, emptyBook, type Shown } from '@openledger/settlement'
import { keccak256 } from 'viem'
import { type SettlementChain, STEP_SECONDS, startSettlementChain } from '../bench/SettlementChain.ts'
import { type Claim, table } from '../Claim.ts'

/**
 * What an operator gains that posts batches which do not follow, when one stranger audits: every attack is made on a real
 * chain, found by the auditor from what is posted and shown, and judged by the court.
 */

const CHALLENGE_SECONDS = 3_600n
const FEE_WEI = Open.parse('10')
const PEOPLE = ['b1', 'b2', 'b3'].map((byte) => `0x${byte.repeat(20)}` as Hex)
const PAYER = `0x${'a1'.repeat(20)}` as Hex
const BYSTANDER = `0x${'a2'.repeat(20)}` as Hex
const THIEF = `0x${'c3'.repeat(20)}` as Hex

type Made = { readonly posted: Batch.Posted; readonly shown: Shown[] }

/** Two answers that pay two people each, as the settler packs them. */
async function honest(chain: SettlementChain): Promise<Made> {
  const operator = DevelopmentKeys.account('operator')
  const domain = TypedData.contractDomain('OpenLedger Settlement', chain.chainId, chain.settlement)
  const timestamp = await chain.nowSeconds()
  const shown: Shown[] = []
  for (let i = 0; i < 2; i++) {
    const { contributorsWei, stakersWei } = FeeSplit.split(FEE_WEI, chain.split)
    const half = (contributorsWei + stakersWei) / 2n
    const shares = [PEOPLE[i]!, PEOPLE[i + 1]!].map((account) => ({ account, amountWei: half }))
    const before = shown.at(-1)?.receipt
    const receipt: Receipt.Receipt = {
      sequence: BigInt(i + 1),
      previousHash: before === undefined ? Receipt.ZERO_HASH : Receipt.hash(before),
      payer: PAYER,
      modelId: 1n,
      promptHash: keccak256('0x01'),
      answerHash: keccak256('0x02'),
      inputTokens: 1,
      outputTokens: 1,
      feeWei: FEE_WEI,
      splitVersion: 1,
      stakeVersion: 0,
      sharesRoot: Receipt.sharesRoot(shares),
      attributionHash: keccak256('0x03'),
      inferenceCommitment: keccak256('0x04'),
      timestamp,
    }
    shown.push({
      receipt,
      signature: await operator.sign!({ hash: Receipt.digest(receipt, domain) }),
      shares,
    })
  }
  return { posted: pack(chain, shown), shown }
}

const linesOf = (shown: readonly Shown[]): Batch.PaymentLine[] =>
  shown.flatMap(({ receipt, shares }) => shares.map((share) => ({ ...share, sequence: receipt.sequence })))

function pack(
  chain: SettlementChain,
  shown: readonly Shown[],
  credits: readonly Batch.PaymentLine[] = linesOf(shown),
): Batch.Posted {
  const settled = shown.map((one) => ({ ...one, ...FeeSplit.split(FEE_WEI, chain.split), stakersWei: 0n }))
  return Batch.make(settled, credits, emptyBook()).posted
}

type Attack = {
  readonly name: string
  /** Makes an honest batch wrong. */
  readonly make: (chain: SettlementChain, made: Made) => Made
  /** Receipts that the operator keeps to itself. */
  readonly hidden?: bigint
}

const attacks: readonly Attack[] = [
  {
    name: 'charge for an answer with a forged signature',
    make: (chain, { posted, shown }) => {
      const forged = [shown[0]!, { ...shown[1]!, signature: shown[0]!.signature }]
      const { receiptsRoot } = pack(chain, forged).header
      return { posted: { ...posted, header: { ...posted.header, receiptsRoot } }, shown: forged }
    },
  },
  {
    name: 'charge for one answer twice',
    make: (chain, { posted, shown }) => {
      const doubled = [shown[0]!, shown[0]!]
      const { receiptsRoot } = pack(chain, doubled).header
      return { posted: { ...posted, header: { ...posted.header, receiptsRoot } }, shown: doubled }
    },
  },
  {
    name: 'charge a bystander for another’s answers',
    make: (_, { posted, shown }) => {
      const amount = posted.debits.slice(42)
      return { posted: { ...posted, debits: `0x${BYSTANDER.slice(2)}${amount}` }, shown }
    },
  },
  {
    name: 'credit a thief instead of the contributors',
    make: (chain, { posted, shown }) => {
      const stolen = linesOf(shown).map((line) => ({ ...line, account: THIEF }))
      const { segments, header } = pack(chain, shown, stolen)
      const { accountCount } = header
      return { posted: { ...posted, header: { ...posted.header, accountCount }, segments }, shown }
    },
  },
  {
    name: 'post a ledger in which a thief has everything',
    make: (chain, { posted, shown }) => {
      const stolen = linesOf(shown).map((line) => ({ ...line, account: THIEF }))
      const { ledgerRoot } = pack(chain, shown, stolen).segments[0]!
      const { credits } = posted.segments[0]!
      return { posted: { ...posted, segments: [{ credits, ledgerRoot }] }, shown }
    },
  },
  {
    name: 'credit a thief with more than is owed',
    make: (_, { posted, shown }) => {
      const book = emptyBook()
      const placed = [{ account: THIEF, amountWei: 4n * FEE_WEI, index: 0, isNew: true }]
      Credits.apply(book, placed)
      const segments = [{ credits: Credits.pack(placed), ledgerRoot: Bytes.toHex(book.tree.root().hash) }]
      return { posted: { ...posted, header: { ...posted.header, accountCount: 1 }, segments }, shown }
    },
  },
  {
    name: 'say that the ledger has more lines than its credits make',
    make: (_, { posted, shown }) => ({
      posted: { ...posted, header: { ...posted.header, accountCount: 99 } },
      shown,
    }),
  },
  { name: 'keep a receipt back', make: (_, made) => made, hidden: 2n },
]

export const claim: Claim = {
  says: 'An operator that posts a batch which does not follow loses more than it takes, whoever it charged gets it back, and nobody else waits.',
  async run({ say }) {
    const chain = await startSettlementChain(CHALLENGE_SECONDS)
    const rows: (string | number)[][] = [
      ['attack', 'found as', 'gas of the proof', 'attacker gains', 'payers lose'],
    ]
    const failures: string[] = []
    let most = Number.NEGATIVE_INFINITY
    try {
      for (const account of [PAYER, BYSTANDER]) {
        await chain.send(chain.settlement, Abi.settlementAbi, 'deposit', [account], 10n * FEE_WEI)
      }
      let snapshot = await chain.request('evm_snapshot', [])
      for (const attack of attacks) {
        await chain.request('evm_revert', [snapshot])
        snapshot = await chain.request('evm_snapshot', [])
        const { found, gas, gainWei, lossWei } = await run(chain, attack)
        const gain = Number(Open.format(gainWei))
        rows.push([
          attack.name,
          found,
          gas.toLocaleString('en'),
          `${gain} OPEN`,
          `${Open.format(lossWei)} OPEN`,
        ])
        say(`${attack.name}: found as ${found}, the attacker gains ${gain} OPEN`)
        most = Math.max(most, gain)
        if (lossWei > 0n) failures.push(`${attack.name}: payers lose ${Open.format(lossWei)} OPEN`)
      }
      return {
        figure: most,
        unit: 'OPEN gained by the best attack',
        goal: 0,
        sense: 'at most',
        failures,
        report: [
          table(rows),
          `Fees of ${Open.format(2n * FEE_WEI)} OPEN, a penalty of 100 OPEN. The attacker is the operator with the owner of the model and whoever it credits: counted for it is all that these have or can claim, against it what its bond lost. Half of the penalty goes to the challenger, so an operator that convicts itself loses the other half.`,
        ].join('\n\n'),
      }
    } finally {
      chain.close()
    }
  },
}

/** Makes one attack, audits, files what is found and carries it out. */
async function run(chain: SettlementChain, attack: Attack) {
  const { publicClient, settlement, court } = chain
  const read = <T>(address: Hex, abi: unknown, functionName: string, args: readonly unknown[]): Promise<T> =>
    publicClient.readContract({ address, abi, functionName, args } as never) as never
  const bonded = async () => (await read<[bigint]>(court, Abi.courtAbi, 'bondOf', [chain.operator]))[0]
  const prepaid = async () => {
    const each = [PAYER, BYSTANDER].map((who) =>
      read<bigint>(settlement, Abi.settlementAbi, 'prepaidOf', [who]),
    )
    return (await Promise.all(each)).reduce((sum, wei) => sum + wei, 0n)
  }
  const before = { bondWei: await bonded(), prepaidWei: await prepaid() }
  const { posted, shown } = attack.make(chain, await honest(chain))
  await chain.send(settlement, Abi.settlementAbi, 'settle', Batch.settleArguments(posted))

  let found: CourtCall.Finding | undefined
  let own: CourtCall.PostedArgument | undefined
  for await (const { finding } of auditBatches({
    publicClient,
    settlement,
    fromBlock: 0n,
    chainId: chain.chainId,
    feePolicy: chain.feePolicy,
    staking: await read<Hex>(settlement, Abi.settlementAbi, 'STAKING', []),
    show: async (sequence) => (sequence === attack.hidden ? undefined : shown[Number(sequence) - 1]),
  })) {
    found = finding
    own = finding?.call.args[0] as CourtCall.PostedArgument | undefined
  }
  if (found === undefined || own === undefined) {
    return { found: 'nothing', gas: 0n, gainWei: 2n * FEE_WEI, lossWei: 2n * FEE_WEI }
  }
  const gas = await chain.file(found.call)
  if (found.fault === 'Withheld') {
    await chain.request('evm_increaseTime', [Number(STEP_SECONDS) + 1])
    await chain.send(court, Abi.courtAbi, 'foreclose', [own, 0, attack.hidden! - 1n, own.ledger])
  }
  const [, isFree] = await read<[boolean, boolean]>(court, Abi.courtAbi, 'verdictOn', [1n])
  if (isFree) await chain.send(court, Abi.courtAbi, 'refund', [own, posted.debits, 0n, 10n])
  // what an attacker can have: the owner's part at once, the thief's line never, for it cannot be claimed any more
  const { ownerWei } = FeeSplit.split(2n * FEE_WEI, chain.split)
  const [ledgerSum] = await read<[bigint]>(settlement, Abi.settlementAbi, 'ledger', [])
  const stolen = found.fault === 'Total' || found.fault === 'Root' ? 0n : ledgerSum
  const lost = before.bondWei - (await bonded())
  const charged = before.prepaidWei - (await prepaid())
  // fees of answers that were given are no loss
  const lossWei = isFree ? charged : 0n
  return { found: found.fault, gas, gainWei: ownerWei + stolen - lost, lossWei }
}
