import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Bytes, type Hex, packSiblings, Share } from '@openledger/primitives'
import { Abi, FeeSplit, Receipt } from '@openledger/protocol'
import { Batch, Credits, emptyBook, packClaims } from '@openledger/settlement'
import { type Claim, table } from '../Claim.ts'
import { type SettlementChain, startSettlementChain } from './SettlementChain.ts'

/**
 * What a payment to a contributor costs on chain, everything included: taking the fee, dividing it, posting the data that
 * balances are rebuilt from, and claiming.
 */

/** The worked example: a day of a network that pays many people little. */
const ANSWERS_A_DAY = 100_000
const PAYEES = 100
const CONTRIBUTORS = 50_000
const CALLERS = 100
const BATCHES_A_DAY = 24
const CLAIMS_A_TRANSACTION = 100
const FEE_WEI = 10n ** 17n

type Answer = { readonly payer: Hex; readonly payees: readonly Hex[] }
type Cost = { readonly gas: number; readonly bytes: number }

const address = (kind: number, n: number): Hex =>
  Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(`${kind}/${n}`)).subarray(0, 20))
const contributor = (n: number): Hex => address(1, n)
const caller = (n: number): Hex => address(2, n)

/** A generator of its own, so that every run draws the same payees. */
function createDraw(seed: number) {
  let state = seed >>> 0
  return (below: number): number => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0
    const mixed = Math.imul(state ^ (state >>> 12), 0x297a2d39)
    return ((mixed ^ (mixed >>> 15)) >>> 0) % below
  }
}

/** The serving node's side: receipts, ledger and batches, as the settler makes them; measures what packing takes. */
function createNode(chain: SettlementChain) {
  const ledger = emptyBook()
  let sequence = 0n
  let batchNumber = 0n
  let previousHash = Receipt.ZERO_HASH
  let waiting: Batch.PaymentLine[] = []
  let packingMs = 0
  let credited = 0n
  let last:
    | {
        readonly posted: Batch.Posted
        readonly number: bigint
        readonly settledAt: bigint
        readonly previous: bigint
      }
    | undefined
  return {
    ledger,
    packingMs: () => packingMs,
    last: () => last!,
    /** Packs answers into a batch and settles it. @param isCrediting - Whether it posts the credits that wait. */
    async settle(answers: readonly Answer[], isCrediting: boolean): Promise<Cost> {
      const timestamp = await chain.nowSeconds()
      const started = performance.now()
      const receipts = answers.map(({ payer, payees }): Batch.SettledReceipt => {
        const { platformWei, ownerWei, stakersWei, contributorsWei } = FeeSplit.split(FEE_WEI, chain.split)
        const amounts = Share.split(
          contributorsWei + stakersWei,
          payees.map((_, i) => BigInt(1_000 + 37 * i)),
        )
        sequence++
        for (const [i, account] of payees.entries()) {
          waiting.push({ account, sequence, amountWei: amounts[i]! })
        }
        const receipt: Receipt.Receipt = {
          sequence,
          previousHash,
          payer,
          modelId: 1n,
          feeWei: FEE_WEI,
          timestamp,
          promptHash: previousHash,
          answerHash: previousHash,
          sharesRoot: previousHash,
          attributionHash: previousHash,
          inferenceCommitment: previousHash,
          inputTokens: 100,
          outputTokens: 100,
          splitVersion: 1,
          stakeVersion: 0,
        }
        previousHash = Receipt.hash(receipt)
        return { receipt, signature: `0x${'11'.repeat(65)}`, platformWei, ownerWei, stakersWei: 0n }
      })
      const { posted } = Batch.make(receipts, isCrediting ? waiting : [], ledger)
      if (isCrediting) waiting = []
      packingMs += performance.now() - started
      const args = Batch.settleArguments(posted)
      const { gas, bytes } = await chain.send(chain.settlement, Abi.settlementAbi, 'settle', args)
      batchNumber++
      last = { posted, number: batchNumber, settledAt: await chain.nowSeconds(), previous: credited }
      if (isCrediting) credited = batchNumber
      return { gas: Number(gas), bytes }
    },
    /** Claims for lines of the last ledger in one transaction. */
    async claim(lines: readonly number[]): Promise<Cost> {
      const { posted, number, settledAt, previous } = last!
      const sorted = [...lines].sort((a, b) => a - b)
      const { gas, bytes } = await chain.send(chain.settlement, Abi.settlementAbi, 'claim', [
        number,
        {
          root: Bytes.toHex(ledger.tree.root().hash),
          sum: ledger.tree.root().sum,
          accountCount: BigInt(ledger.lines.length),
          settledAt,
          previous,
          operator: chain.operator,
          bodyHash: Batch.bodyHash(posted),
        },
        packClaims(sorted.map((index) => ({ index, ...ledger.lines[index]! }))),
        Bytes.toHex(packSiblings(ledger.tree.prove(sorted))),
      ])
      return { gas: Number(gas), bytes }
    },
  }
}

type Node = ReturnType<typeof createNode>

/** Distinct contributors, at random. */
function payeesOf(draw: (below: number) => number, count: number): Hex[] {
  const drawn = new Set<number>()
  while (drawn.size < count) drawn.add(draw(CONTRIBUTORS))
  return [...drawn].map(contributor)
}

/** What rivals cost for the same payments; accounts have been paid before. */
async function rivalsOf(chain: SettlementChain, payees: readonly Hex[], payers: readonly Hex[]) {
  const { token, pusher, distributor, rivals } = chain
  const distinct = [...new Set(payees)]
  const shares = (of: readonly Hex[]): Hex => `0x${of.map((to) => `${to.slice(2)}000064`).join('')}`
  const push = async (): Promise<number> => {
    let gas = 0n
    for (let at = 0; at < payees.length; at += 500) {
      const part = payees.slice(at, at + 500)
      gas += (
        await chain.send(pusher, rivals['Pusher']!.abi, 'distribute', [
          ...[token, chain.operator, 10n ** 18n, shares(part)],
        ])
      ).gas
    }
    return Number(gas)
  }
  await push()
  const pushed = await push()
  const transfer = await chain.send(token, rivals['Token']!.abi, 'transfer', [payees[0], 10n])
  for (const payer of payers) await chain.send(token, rivals['Token']!.abi, 'transfer', [payer, 10n ** 20n])
  const paidBy: Hex = `0x${payers.map((payer) => payer.slice(2) + (10n ** 17n).toString(16).padStart(24, '0')).join('')}`
  const data: Hex = `0x${distinct.map((to) => `${to.slice(2)}${(7n * 10n ** 14n + 123_457n).toString(16).padStart(24, '0')}`).join('')}`
  const fund = (root: string, posted: Hex) =>
    chain.send(distributor, rivals['Distributor']!.abi, 'fund', [
      token,
      paidBy,
      `0x${root.repeat(64)}`,
      posted,
    ])
  await fund('1', '0x')
  const rootOnly = await fund('2', '0x')
  const withData = await fund('3', data)
  return {
    push: pushed / payees.length,
    transfer: Number(transfer.gas),
    rootOnly: Number(rootOnly.gas) / payees.length,
    withData: Number(withData.gas) / payees.length,
  }
}

const round = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(value >= 10 ? 1 : 2)

/** Payments a batch against gas a payment, ours beside the rivals. */
async function measureBatches(chain: SettlementChain, node: Node, say: (line: string) => void) {
  const rows: (string | number)[][] = [
    [
      'payments a batch',
      'ours',
      'bytes',
      'ERC-20 transfer',
      'split that pushes',
      'Merkle root and its data',
      'Merkle root, data kept back',
    ],
  ]
  const failures: string[] = []
  for (const [payments, callers] of [
    [1, 1],
    [100, 1],
    [10_000, 10],
  ] as const) {
    const draw = createDraw(payments)
    const answers = Array.from({ length: Math.ceil(payments / PAYEES) }, (_, i) => ({
      payer: caller(i % callers),
      payees: payeesOf(draw, Math.min(payments, PAYEES)),
    }))
    const ours = await node.settle(answers, true)
    const payees = answers.flatMap((answer) => answer.payees)
    const rivals = await rivalsOf(chain, payees, [...new Set(answers.map(({ payer }) => payer))])
    const gas = ours.gas / payments
    const { transfer, push, withData, rootOnly } = rivals
    rows.push([
      payments.toLocaleString('en'),
      round(gas),
      round(ours.bytes / payments),
      ...[transfer, push, withData, rootOnly].map(round),
    ])
    say(`${payments} payments a batch: ${round(gas)} gas each`)
    // a root without its data is shown, but nobody can rebuild or check it: it is no rival for what is claimed here
    const rival = Math.min(transfer, push, withData)
    if (payments >= 100 && gas >= rival) {
      failures.push(
        `${payments} payments a batch cost ${round(gas)} gas each, the cheapest rival that posts its data ${round(rival)}`,
      )
    }
  }
  return { rows, failures }
}

/** Asks what a claim costs, alone and together with others, of accounts that claimed before. */
async function measureClaims(chain: SettlementChain, node: Node) {
  const draw = createDraw(7)
  const lines = [
    ...new Set(Array.from({ length: 3 * CLAIMS_A_TRANSACTION }, () => draw(CONTRIBUTORS))),
  ].slice(0, CLAIMS_A_TRANSACTION + 1)
  await chain.wake(lines.map((line) => node.ledger.lines[line]!.account))
  await node.claim(lines)
  await node.settle(
    [{ payer: caller(0), payees: lines.map((line) => node.ledger.lines[line]!.account) }],
    true,
  )
  const alone = await node.claim(lines.slice(0, 1))
  const together = await node.claim(lines.slice(1))
  return {
    alone,
    together: { gas: together.gas / CLAIMS_A_TRANSACTION, bytes: together.bytes / CLAIMS_A_TRANSACTION },
  }
}

/** A day of the worked example, measured part by part. */
async function measureDay(node: Node, claims: Awaited<ReturnType<typeof measureClaims>>) {
  const answers = Array.from({ length: Math.round(ANSWERS_A_DAY / BATCHES_A_DAY) }, (_, i) => ({
    payer: caller(i % CALLERS),
    // who is paid does not matter to a batch that does not credit; the day's credits are measured below
    payees: [contributor(i % CONTRIBUTORS)],
  }))
  const batch = await node.settle(answers, false)
  const everyone = Array.from({ length: CONTRIBUTORS / PAYEES }, (_, i) => ({
    payer: caller(i % CALLERS),
    payees: Array.from({ length: PAYEES }, (_, j) => contributor(i * PAYEES + j)),
  }))
  const crediting = await node.settle(everyone, true)
  const creditGas = crediting.gas - batch.gas
  const creditBytes = crediting.bytes - batch.bytes
  const payments = ANSWERS_A_DAY * PAYEES
  const claimsADay = CONTRIBUTORS / 30
  const parts = [
    {
      what: `${BATCHES_A_DAY} batches, ${CALLERS} callers in each`,
      gas: BATCHES_A_DAY * batch.gas,
      bytes: BATCHES_A_DAY * batch.bytes,
    },
    { what: `${CONTRIBUTORS.toLocaleString('en')} credits, once a day`, gas: creditGas, bytes: creditBytes },
    {
      what: `${Math.round(claimsADay).toLocaleString('en')} claims, ${CLAIMS_A_TRANSACTION} in a transaction`,
      gas: claimsADay * claims.together.gas,
      bytes: claimsADay * claims.together.bytes,
    },
  ]
  const total = parts.reduce((sum, { gas, bytes }) => ({ gas: sum.gas + gas, bytes: sum.bytes + bytes }), {
    gas: 0,
    bytes: 0,
  })
  return { batch, creditGas, creditBytes, parts, payments, total, claimsADay }
}

/** 1,000,000 inferences x 50 contributors, at a reduced scale: packed by the node's code, settled by the contract. */
async function simulate(node: Node, inferences: number, say: (line: string) => void) {
  const payeeCount = 50
  const batchSize = 500
  const draw = createDraw(11)
  const before = node.packingMs()
  const cost = { gas: 0, bytes: 0 }
  for (let made = 0; made < inferences; ) {
    const answers = Array.from({ length: Math.min(batchSize, inferences - made) }, () => ({
      payer: caller(draw(CALLERS)),
      payees: payeesOf(draw, payeeCount),
    }))
    made += answers.length
    // credits are gathered from 5,000 inferences, a few minutes of the worked example's hour
    const { gas, bytes } = await node.settle(answers, made % 5_000 === 0 || made === inferences)
    cost.gas += gas
    cost.bytes += bytes
    if (made % 2_000 === 0) say(`${made} inferences settled`)
  }
  const payments = inferences * payeeCount
  const seconds = (node.packingMs() - before) / 1_000
  return { inferences, payments, seconds, ...cost }
}

/** Bytes of memory that a line of the ledger takes. */
function memoryOfLine(): number {
  const used = (): number => {
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  setFlagsFromString('--expose_gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const before = used()
  const book = emptyBook()
  const count = 100_000
  Credits.apply(
    book,
    Array.from({ length: count }, (_, index) => ({
      account: contributor(index),
      amountWei: 10n ** 15n,
      index,
      isNew: true,
    })),
  )
  collect()
  return (used() - before) / book.lines.length
}

export const claim: Claim = {
  says: 'Paying one contributor for one answer costs at most 10 gas, all that it takes included, and everybody can rebuild who is owed what.',
  async run({ isQuick, say }) {
    const chain = await startSettlementChain()
    try {
      const node = createNode(chain)
      for (let n = 0; n < CALLERS; n++) {
        await chain.send(
          chain.settlement,
          Abi.settlementAbi,
          'deposit',
          [caller(n)],
          (5_000n * 10n ** 18n) / BigInt(CALLERS),
        )
      }
      // a ledger of the worked example's size, so that lines exist and proofs are as deep as they would be
      for (let at = 0; at < CONTRIBUTORS; at += 5_000) {
        const payees = Array.from({ length: 5_000 }, (_, i) => contributor(at + i))
        await node.settle([{ payer: caller(0), payees }], true)
      }
      say(`a ledger of ${CONTRIBUTORS} accounts stands`)
      const { rows, failures } = await measureBatches(chain, node, say)
      const claims = await measureClaims(chain, node)
      const day = await measureDay(node, claims)
      const simulated = await simulate(node, isQuick ? 1_000 : 2_000, say)
      const perPayment = day.total.gas / day.payments
      const floor = (40 * day.total.bytes) / day.payments
      const lineBytes = memoryOfLine()
      const perSecond = simulated.payments / simulated.seconds
      return {
        figure: perPayment,
        unit: 'gas a payment',
        goal: 10,
        sense: 'at most',
        failures,
        report: [
          'Gas of whole transactions as their receipts say (the 21,000 of each and EIP-7623 included), anvil, Prague rules. A batch of ours takes the fees from the callers, divides them, pays platform and owner and posts what every balance is rebuilt from; so does a rival that takes the fee by one ERC-20 transfer a caller. Accounts have been paid before; the ledger has 50,000.',
          table(rows),
          'A bare Merkle root costs less where few are paid at once, and always less where its data is kept back: it divides nothing by a policy, keeps no books for payers, and knows no stake. [Where a batch’s gas goes](../settlement.md#where-the-gas-of-a-batch-goes) says what of it is fixed. What decides is the day below, where everything is netted and people claim.',
          `The worked example: ${ANSWERS_A_DAY.toLocaleString('en')} answers x ${PAYEES} payees a day, ${CONTRIBUTORS.toLocaleString('en')} people claiming once a month.`,
          table([
            ['a day of', 'gas', 'gas a payment', 'bytes'],
            ...day.parts.map(({ what, gas, bytes }) => [
              what,
              Math.round(gas).toLocaleString('en'),
              round(gas / day.payments),
              Math.round(bytes).toLocaleString('en'),
            ]),
            [
              'all',
              Math.round(day.total.gas).toLocaleString('en'),
              round(perPayment),
              Math.round(day.total.bytes).toLocaleString('en'),
            ],
          ]),
          `Floor: ${(day.total.bytes / day.payments).toFixed(3)} bytes a payment x 40 gas = ${round(floor)} gas. A claim alone costs ${claims.alone.gas.toLocaleString('en')} gas; with everybody claiming alone the day costs ${round((day.total.gas + day.claimsADay * (claims.alone.gas - claims.together.gas)) / day.payments)} gas a payment. A batch of ${CALLERS} callers costs ${day.batch.gas.toLocaleString('en')} gas however many answers it has, and crediting all accounts ${Math.round(day.creditGas).toLocaleString('en')} (${(day.creditBytes / CONTRIBUTORS).toFixed(1)} bytes each): a batch every minute instead of every hour makes ${round((day.total.gas + (1_440 - BATCHES_A_DAY) * day.batch.gas) / day.payments)} gas, crediting every hour instead of every day ${round((day.total.gas + 23 * day.creditGas) / day.payments)}.`,
          'L1 is priced apart: the bytes above reach it once, compressed, in batches: at most one unit of blob gas a byte (EIP-4844), or 40 gas a byte as L1 call data. Merkle rivals that keep their data back put 32 bytes there and nobody can check or rebuild them.',
          `Simulation of 1,000,000 inferences x 50 contributors at ${simulated.inferences.toLocaleString('en')} inferences: ${Math.round(perSecond).toLocaleString('en')} payments/s of packing (shares, hashing, lines, ledger, call data; signing and the database left out), ${(simulated.bytes / simulated.payments).toFixed(2)} bytes and ${round(simulated.gas / simulated.payments)} gas a payment. In proportion, 1,000,000 inferences take ${Math.round(50e6 / perSecond).toLocaleString('en')} s of one core; batches grow with callers, not with answers, and credits with accounts, so bytes and gas a payment fall as inferences grow. A claim's proof has one sibling of 44 bytes for each doubling of the accounts: ${44 * 16} bytes at 50,000, ${44 * 20} at 1,000,000. A line of the ledger takes ${Math.round(lineBytes)} bytes of memory: ${(lineBytes / 1_000).toFixed(2)} GB at 1,000,000 accounts.`,
        ].join('\n\n'),
      }
    } finally {
      chain.close()
    }
  },
}
