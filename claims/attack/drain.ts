import type { Hex } from '@openledger/primitives'
import { Abi, FeeSplit, Receipt } from '@openledger/protocol'
import { Batch, claimCall, emptyBook, packClaims, proveRebuilt, rebuildLedger } from '@openledger/settlement'
import { BaseError, ContractFunctionRevertedError } from 'viem'
import { startSettlementChain } from '../bench/SettlementChain.ts'
import { type Claim, table } from '../Claim.ts'

/**
 * What an operator that has gone bad, and a stranger, can take out of the settlement contract: every attempt is made on a
 * real chain, and what counts is the money that moved.
 */

const PAYER = `0x${'a1'.repeat(20)}` as Hex
const VICTIM = `0x${'b2'.repeat(20)}` as Hex
const THIEF = `0x${'c3'.repeat(20)}` as Hex
const FEE_WEI = 10n ** 18n
const PREPAID_WEI = 10n * FEE_WEI

export const claim: Claim = {
  says: 'Neither the operator nor a stranger takes more out of settlement than payers were charged for, and everyone is paid when the operator is gone.',
  async run({ say }) {
    const chain = await startSettlementChain()
    try {
      const { publicClient, settlement, split, operator } = chain
      const read = <T>(functionName: string, args: readonly unknown[] = []): Promise<T> =>
        publicClient.readContract({
          address: settlement,
          abi: Abi.settlementAbi,
          functionName,
          args,
        } as never) as never
      await chain.send(settlement, Abi.settlementAbi, 'deposit', [PAYER], PREPAID_WEI)
      const ledger = emptyBook()
      let sequence = 0n
      let previousHash = Receipt.ZERO_HASH

      /** An honest batch of one answer that pays the victim. */
      const make = async (): Promise<Batch.Posted> => {
        const parts = FeeSplit.split(FEE_WEI, split)
        const receipt: Receipt.Receipt = {
          sequence: ++sequence,
          previousHash,
          payer: PAYER,
          modelId: 1n,
          feeWei: FEE_WEI,
          promptHash: previousHash,
          answerHash: previousHash,
          sharesRoot: previousHash,
          attributionHash: previousHash,
          inferenceCommitment: previousHash,
          inputTokens: 1,
          outputTokens: 1,
          splitVersion: 1,
          stakeVersion: 0,
          timestamp: await chain.nowSeconds(),
        }
        previousHash = Receipt.hash(receipt)
        return Batch.make(
          [{ receipt, signature: `0x${'11'.repeat(65)}`, ...parts, stakersWei: 0n }],
          [{ account: VICTIM, sequence, amountWei: parts.contributorsWei + parts.stakersWei }],
          ledger,
        ).posted
      }
      const settle = (posted: Batch.Posted) =>
        chain.send(settlement, Abi.settlementAbi, 'settle', Batch.settleArguments(posted))
      const first = await make()
      await settle(first)
      const settledAt = await chain.nowSeconds()
      const before = await publicClient.getBalance({ address: settlement })
      const second = await make()
      const group = second.groups[0]!
      const args = Batch.settleArguments(second)
      const claimArguments = (cumulativeWei: bigint, account: Hex) => [
        1n,
        {
          root: first.segments[0]!.ledgerRoot,
          sum: (FEE_WEI * 7n) / 10n,
          accountCount: 1n,
          settledAt,
          previous: 0n,
          operator,
          bodyHash: Batch.bodyHash(first),
        },
        packClaims([{ index: 0, account, cumulativeWei }]),
        '0x',
      ]
      const debit = (wei: bigint): Hex => `0x${PAYER.slice(2)}0c${wei.toString(16).padStart(24, '0')}`
      const attempts: [string, string, readonly unknown[], Hex?][] = [
        ['settle a batch again', 'settle', Batch.settleArguments(first)],
        ['settle as a stranger', 'settle', args, THIEF],
        ['leave a receipt out', 'settle', [{ ...second.header, lastSequence: 3n }, ...args.slice(1)]],
        [
          'charge more than was prepaid',
          'settle',
          [
            args[0],
            debit(PREPAID_WEI),
            [{ ...group, feeWei: PREPAID_WEI, platformWei: 10n ** 18n, ownerWei: 2n * 10n ** 18n }],
            [],
          ],
        ],
        ['charge one fee and book another', 'settle', [args[0], debit(FEE_WEI / 2n), args[2], args[3]]],
        [
          'take a wei a part too much',
          'settle',
          [args[0], args[1], [{ ...group, platformWei: group.platformWei + 1n }], []],
        ],
        [
          'take contributors’ parts for stakers that are none',
          'settle',
          [args[0], args[1], [{ ...group, stakersWei: 1n }], []],
        ],
        [
          'say that the ledger has fewer lines than before',
          'settle',
          [{ ...second.header, accountCount: 0 }, ...args.slice(1)],
        ],
        ['claim another’s line', 'claim', claimArguments((FEE_WEI * 7n) / 10n, THIEF), THIEF],
        ['claim more than a line says', 'claim', claimArguments(FEE_WEI, VICTIM), THIEF],
        ['withdraw a balance that was never earned', 'withdrawBalance', [THIEF], THIEF],
        ['name oneself operator', 'setOperator', [THIEF], THIEF],
      ]
      const rows: string[][] = [['attempt', 'refused with']]
      const failures: string[] = []
      for (const [what, functionName, words, account = operator] of attempts) {
        const refusal = await publicClient
          .simulateContract({
            address: settlement,
            abi: Abi.settlementAbi,
            functionName,
            args: words,
            account,
          } as never)
          .then(() => undefined, reasonOf)
        rows.push([what, refusal ?? 'nothing: it went through'])
        if (refusal === undefined) failures.push(what)
        say(`${what}: ${refusal ?? 'went through'}`)
      }
      const taken = before - (await publicClient.getBalance({ address: settlement }))
      await settle(second)

      // the operator is gone: what is left is the chain, and whoever cares to read it
      const rebuilt = await rebuildLedger({ publicClient, settlement, fromBlock: 0n })
      const accounts = rebuilt.lines.map(({ account }) => account)
      const proven = (await proveRebuilt(rebuilt, [], Number.MAX_SAFE_INTEGER, accounts))!
      const claiming = claimCall({ ...proven, batch: proven.batch.number })
      await chain.send(settlement, Abi.settlementAbi, claiming.functionName, claiming.args)
      const [ledgerSumWei, claimedWei] = await read<[bigint, bigint]>('ledger')
      const victimWei = await publicClient.getBalance({ address: VICTIM })
      if (claimedWei !== ledgerSumWei || victimWei !== ledgerSumWei) {
        failures.push(`contributors got ${victimWei} of ${ledgerSumWei} wei from the chain alone`)
      }
      rows.push([
        'the operator vanishes',
        `contributors claim ${victimWei} of ${ledgerSumWei} wei from posted data alone`,
      ])
      return {
        figure: Number(taken) + failures.length,
        unit: 'wei taken',
        goal: 0,
        sense: 'at most',
        failures,
        report: [
          table(rows),
          'What no contract can refuse, because only receipts tell: an operator that charges a payer for an answer which nobody asked for, up to what is prepaid, or that credits an answer to the wrong contributor. Both stand on chain for whoever rebuilds; `npm run attack -- settlement` shows what the operator loses by them.',
        ].join('\n\n'),
      }
    } finally {
      chain.close()
    }
  },
}

/** The name of the error that a contract refused with. */
function reasonOf(error: unknown): string {
  const reverted =
    error instanceof BaseError && error.walk((cause) => cause instanceof ContractFunctionRevertedError)
  if (reverted instanceof ContractFunctionRevertedError) {
    return reverted.data?.errorName ?? reverted.signature ?? reverted.shortMessage
  }
  throw error
}
