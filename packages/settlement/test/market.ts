import { type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys, type Http, type Receipt } from '@openledger/protocol'
import type { TransactionReceipt } from 'viem'
import { type RebuiltLedger, rebuildLedger } from '../src/rebuildLedger.ts'
import { createSettlement, type Settlement } from '../src/Settlement.ts'
import { type AnswerSize, serve } from './answering.ts'
import { type House, startHouse } from './house.ts'

export const caller = DevelopmentKeys.account('caller').address.toLowerCase() as Hex
export const contributor = (i: number): Hex => DevelopmentKeys.contributor(i).address.toLowerCase() as Hex

/** A house whose caller has prepaid ten OPEN, and who sells answers there. */
export type Market = {
  readonly house: House
  readonly settlement: Settlement
  readonly deposit: (account: Hex, valueWei: bigint) => Promise<TransactionReceipt>
  /** Sells the caller one answer. @param shares - Parts per million for each of the house's three contributions. */
  readonly answer: (
    shares: readonly number[],
    size?: AnswerSize,
    apiKeyId?: string,
  ) => Promise<Http.SignedReceipt>
  /** The ledger as the chain alone tells it. */
  readonly audit: () => Promise<RebuiltLedger>
}

/** Opens a market of its own for one test file. */
export async function openMarket(): Promise<Market> {
  const house = await startHouse(3)
  const settlement = createSettlement(house)
  const deposit: Market['deposit'] = (account, valueWei) =>
    house.senderOf('caller').send({
      address: house.deployment.l2.settlement,
      abi: Abi.settlementAbi,
      functionName: 'deposit',
      args: [account],
      valueWei,
    })
  await deposit(caller, Open.parse('10'))
  return {
    house,
    settlement,
    deposit,
    answer: (shares, size, apiKeyId) => serve(house, settlement, caller, shares, size, apiKeyId),
    audit: () =>
      rebuildLedger({
        publicClient: house.publicClient,
        settlement: house.deployment.l2.settlement,
        fromBlock: 0n,
      }),
  }
}

/** A receipt in the form that is signed. */
export const asSigned = (receipt: Http.SignedReceipt): Receipt.Receipt => ({
  ...receipt,
  sequence: BigInt(receipt.sequence),
  modelId: BigInt(receipt.modelId),
  feeWei: BigInt(receipt.feeWei),
  timestamp: BigInt(receipt.timestamp),
})
