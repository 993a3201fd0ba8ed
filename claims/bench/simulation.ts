import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createNode, type Node } from '@openledger/node'
import { Bytes, type Hex, Open, systemClock } from '@openledger/primitives'
import { Abi, createSender, DevelopmentKeys, FeeSplit } from '@openledger/protocol'
import {
  type AttributionDraft,
  Credits,
  createSettlement,
  emptyBook,
  rebuildLedger,
} from '@openledger/settlement'
import { createDatabase } from '@openledger/store'
import { createPublicClient, createWalletClient, defineChain, http, keccak256, toHex } from 'viem'
import {
  contribute,
  INPUT_PRICE_WEI,
  OUTPUT_PRICE_WEI,
  publishModel,
} from '../../packages/settlement/test/house.ts'
import { type Claim, table } from '../Claim.ts'

/**
 * A million answers that pay fifty contributors each, at a reduced scale and through everything that a network runs: L1,
 * deposits, sequencer, batcher, the contracts, the database on disk, receipts, settler and ledger. Only the model is left out,
 * because it is not what is measured. `npm run bench -- simulation 400` takes
 * another number of answers.
 */

const ANSWERS = 1_000_000
const PAYEES = 50
/** Answers that end at the same time: a million a day that take 0.4 seconds each overlap like this. */
const ANSWERS_AT_ONCE = 5
/** Receipts wait so long for the others of their batch. */
const GATHER_MS = 5_000
/** The payments of a million answers in a day. */
const PAYMENTS_A_SECOND_GOAL = Math.ceil((ANSWERS * PAYEES) / 86_400)
const TOKENS = { inputTokens: 100, outputTokens: 100 }

/** A part of the run: what passed of time, of processor time and of waiting for single receipts, and memory at its end. */
type Quarter = {
  readonly answers: number
  readonly wallMs: number
  readonly processorMs: number
  readonly receiptMs: number
  readonly memoryBytes: number
}

/** Fifty of the contributions, at random but the same in every run, with shares that sum to four fifths. */
function draftOf(answer: number, contributionIds: readonly Hex[], commons: Hex): AttributionDraft {
  const digest = Bytes.keccak256(Bytes.fromUtf8(`answer ${answer}`))
  const start = Number(Bytes.toUint(digest.subarray(0, 4)))
  const sharePpm = 800_000 / PAYEES
  return {
    engineVersion: 'simulation',
    policy: { influenceBps: 5_000, spansBps: 5_000 },
    liftMilliNats: 1_000,
    shares: Array.from({ length: PAYEES }, (_, i) => ({
      contributionId: contributionIds[(start + i) % contributionIds.length]!,
      sharePpm,
      reasons: [{ kind: 'influence', recordId: keccak256(toHex(i)), milliZ: 3_000, sharePpm }],
    })),
    commons: { sharePpm: 200_000, beneficiary: commons, reason: 'What no record explains.' },
  }
}

/** A market on the chain of a node: a Datanet with contributions, a model, a caller with money, and a serving node. */
async function open(node: Node, directory: string, contributionCount: number) {
  const { deployment } = node
  const chain = defineChain({
    id: deployment.l2ChainId,
    name: 'OpenLedger',
    nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [node.l2RpcUrl] } },
  })
  const transport = http()
  const publicClient = createPublicClient({ chain, transport, pollingInterval: 50, cacheTime: 0 })
  const senders = new Map<DevelopmentKeys.Role, ReturnType<typeof createSender>>()
  const senderOf = (role: DevelopmentKeys.Role) => {
    const account = DevelopmentKeys.account(role)
    const sender =
      senders.get(role) ??
      createSender({ walletClient: createWalletClient({ account, chain, transport }), publicClient })
    senders.set(role, sender)
    return sender
  }
  const database = await createDatabase({ directory: join(directory, 'database') })
  const known = { database, publicClient, deployment, senderOf }
  const contributionIds = await contribute(known, contributionCount)
  const modelId = await publishModel(known, 'simulation-1')
  await senderOf('caller').send({
    address: deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [senderOf('caller').account],
    valueWei: Open.parse('90000'),
  })
  const settlement = createSettlement(
    {
      database,
      publicClient,
      sender: senderOf('operator'),
      operator: DevelopmentKeys.account('operator'),
      deployment,
      clock: systemClock,
    },
    { gatherMs: GATHER_MS, intervalMs: GATHER_MS, onError: (error) => console.error(error) },
  )
  const [caller, commons] = [senderOf('caller').account, senderOf('builder').account]
  return { database, publicClient, contributionIds, modelId, settlement, caller, commons }
}

type Market = Awaited<ReturnType<typeof open>>

async function serve(market: Market, answer: number): Promise<void> {
  const { settlement, modelId, contributionIds, caller, commons } = market
  const { inputTokens, outputTokens } = TOKENS
  const feeWei = FeeSplit.feeWei(inputTokens, outputTokens, INPUT_PRICE_WEI, OUTPUT_PRICE_WEI)
  const hold = await settlement.accounts.hold({ account: caller, amountWei: feeWei })
  await settlement.receipts.nextReceipt({
    hold,
    modelId,
    promptHash: keccak256(toHex(answer)),
    answerHash: keccak256(toHex(answer + 1)),
    ...TOKENS,
    feeWei,
    inferenceCommitment: keccak256('0x03'),
    attribution: draftOf(answer, contributionIds, commons),
  })
}

/** Gas and call data of every batch that was settled, from the chain. */
async function costOf(market: Market, node: Node) {
  const events = await market.publicClient.getContractEvents({
    address: node.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    eventName: 'BatchSettled',
    fromBlock: 0n,
  })
  let gas = 0
  let bytes = 0
  for (const { transactionHash } of events) {
    const [receipt, transaction] = await Promise.all([
      market.publicClient.getTransactionReceipt({ hash: transactionHash }),
      market.publicClient.getTransaction({ hash: transactionHash }),
    ])
    gas += Number(receipt.gasUsed)
    bytes += (transaction.input.length - 2) / 2
  }
  return { gas, bytes, batches: events.length }
}

/** A ledger of so many lines, and nothing else that lives. */
function ledgerOf(size: number): Credits.Lines {
  const book = emptyBook()
  const credits = Array.from({ length: size }, (_, index) => ({
    account: Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(`line ${index}`)).subarray(0, 20)),
    amountWei: 10n ** 16n,
    index,
    isNew: true,
  }))
  Credits.apply(book, credits)
  return book
}

/** The proof of one line and the memory of the ledger, at a size. */
function measureLedger(size: number): { readonly proofBytes: number; readonly bytesPerAccount: number } {
  setFlagsFromString('--expose_gc')
  const collect = runInNewContext('gc') as () => void
  const used = (): number => {
    for (let round = 0; round < 3; round++) collect()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const before = used()
  const book = ledgerOf(size)
  const bytesPerAccount = (used() - before) / size
  // a claim's own 36 bytes, and 44 for each sibling
  const proofBytes = 36 + 44 * book.tree.prove([Math.floor(size / 3)]).length
  return { proofBytes, bytesPerAccount }
}

/** Serves several callers at once while the settler works beside them, as a server does; ends when all is settled. */
async function run(market: Market, answers: number, say: (line: string) => void): Promise<Quarter[]> {
  const { settler } = market.settlement
  const quarters: Quarter[] = []
  let [begun, ended, receiptMs] = [0, 0, 0]
  let [since, processor] = [performance.now(), process.cpuUsage()]
  const closeQuarter = (): void => {
    const { user, system } = process.cpuUsage(processor)
    const count = ended - quarters.reduce((sum, quarter) => sum + quarter.answers, 0)
    const quarter = {
      answers: count,
      wallMs: performance.now() - since,
      processorMs: (user + system) / 1_000,
      receiptMs,
      memoryBytes: process.memoryUsage().rss,
    }
    quarters.push(quarter)
    say(`${ended} answers: ${(quarter.wallMs / count).toFixed(1)} ms each`)
    ;[since, processor, receiptMs] = [performance.now(), process.cpuUsage(), 0]
  }
  const caller = async (): Promise<void> => {
    while (begun < answers) {
      const started = performance.now()
      await serve(market, begun++)
      receiptMs += performance.now() - started
      ended++
      if (ended % (answers / 4) === 0 && ended < answers) closeQuarter()
    }
  }
  settler.start()
  await Promise.all(Array.from({ length: ANSWERS_AT_ONCE }, caller))
  await settler.settle()
  await settler.close()
  closeQuarter()
  return quarters
}

export const claim: Claim = {
  says: 'A million answers a day that pay fifty contributors each are charged, divided and settled by one node on two cores, and all of it adds up.',
  async run({ isQuick, words, say }) {
    const [usual, contributions] = isQuick ? [120, 60] : [1_200, 200]
    // a multiple of four: the run is told in quarters
    const answers = 4 * Math.ceil(Number(words[0] ?? usual) / 4)
    const directory = mkdtempSync(join(tmpdir(), 'openledger-simulation-'))
    const failures: string[] = []
    try {
      await using node = await createNode({
        directory,
        l1: { blockTimeSeconds: 1 },
        l2: { blockTimeSeconds: 1, submissionInterval: 10, batchIntervalSeconds: 4 },
      })
      const market = await open(node, directory, contributions)
      say(`${contributions} contributions stand on the chain`)
      const memoryBefore = process.memoryUsage().rss
      const started = performance.now()
      const quarters = await run(market, answers, say)
      const seconds = (performance.now() - started) / 1_000
      const { gas, bytes, batches } = await costOf(market, node)
      const payments = answers * PAYEES
      const { book } = await rebuildLedger({
        publicClient: market.publicClient,
        settlement: node.deployment.l2.settlement,
        fromBlock: 0n,
      })
      const held = await market.publicClient.getBalance({ address: node.deployment.l2.settlement })
      const state = await market.settlement.contract.state()
      if (state.lastSequence !== answers)
        failures.push(`${state.lastSequence} of ${answers} receipts are settled`)
      if (book.tree.root().sum !== state.ledgerSumWei) failures.push('the rebuilt ledger is not the chain’s')
      const feesWei = BigInt(answers) * FeeSplit.feeWei(100, 100, INPUT_PRICE_WEI, OUTPUT_PRICE_WEI)
      if (held !== Open.parse('90000')) failures.push(`Settlement holds ${held} wei of what was deposited`)
      await market.database.close()

      const rate = payments / seconds
      const perAnswer = ({
        answers: count,
        wallMs,
        processorMs,
        receiptMs,
        memoryBytes,
      }: Quarter): string[] => [
        ...[wallMs, processorMs, receiptMs].map((ms) => (ms / count).toFixed(1)),
        mebibytes(memoryBytes),
      ]
      const sizes = isQuick ? [10_000, 40_000] : [10_000, 100_000, 400_000]
      const ledgers = sizes.map((size) => ({ size, ...measureLedger(size) }))
      const last = ledgers.at(-1)!
      const lastQuarter = quarters.at(-1)!
      const lastAnswerMs = lastQuarter.wallMs / lastQuarter.answers
      return {
        figure: rate,
        unit: 'payments/s',
        goal: PAYMENTS_A_SECOND_GOAL,
        sense: 'at least',
        failures,
        report: [
          table([
            ['measured', 'value'],
            ['answers, contributors of each, contributors in all', `${answers}, ${PAYEES}, ${contributions}`],
            ['payments a second, until the last is settled', rate.toFixed(0)],
            ['gas a payment, settling', (gas / payments).toFixed(1)],
            ['bytes of call data a payment', (bytes / payments).toFixed(2)],
            ['batches', batches],
            ['fees, all of them divided to the wei', `${Open.format(feesWei)} OPEN`],
            ['memory of the process before', `${mebibytes(memoryBefore)} MiB`],
          ]),
          table([
            [
              'quarter of the run',
              'ms an answer',
              'processor ms an answer',
              'ms until a receipt is there',
              'MiB of the process at its end',
            ],
            ...quarters.map((quarter, at) => [at + 1, ...perAnswer(quarter)]),
          ]),
          table([
            ['accounts in the ledger', 'bytes of a claim’s proof', 'memory an account (bytes)'],
            ...ledgers.map(({ size, proofBytes, bytesPerAccount }) => [
              size,
              proofBytes,
              bytesPerAccount.toFixed(0),
            ]),
          ]),
          `Everything runs in one process on the machine's cores: L1, the L2's node, the database on disk, ${ANSWERS_AT_ONCE} callers whose answers end at once, and the settler, which gathers ${GATHER_MS / 1_000} seconds of receipts. Extrapolated to ${ANSWERS.toLocaleString('en')} answers: time by the last quarter (${lastAnswerMs.toFixed(1)} ms an answer, the settling of the last batch in it), which is ${((lastAnswerMs * ANSWERS) / 3_600_000).toFixed(1)} hours of one node; gas and bytes in proportion to payments, because a batch costs by its callers and accounts and not by its answers; a proof by one sibling of 44 bytes for each doubling of the accounts; memory by ${last.bytesPerAccount.toFixed(0)} bytes an account.`,
        ].join('\n\n'),
      }
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  },
}

const mebibytes = (bytes: number): string => String(Math.round(bytes / 2 ** 20))
