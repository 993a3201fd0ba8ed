import { Attribution, type Http } from '@openledger/protocol'
import type { Connection } from './Connection.ts'
import { bold, dim, open, percent, table } from './Output.ts'

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`

/** Prints a receipt: how its fee was divided, and whom it pays because of what. */
export async function printShares(connection: Connection, receipt: Http.SignedReceipt): Promise<void> {
  const titles = new Map(
    (await connection.client.contributions()).map((contribution) => [contribution.id, contribution.title]),
  )
  console.log(
    `${bold(`Receipt ${receipt.sequence}`)}: fee ${open(receipt.feeWei)} = contributors ${open(receipt.contributorsWei)} + owner ${open(receipt.ownerWei)} + stakers ${open(receipt.stakersWei)} + platform ${open(receipt.platformWei)}`,
  )
  const { shares, commons, merge, pin } = receipt.attribution
  if (pin !== undefined) {
    console.log(
      `${receipt.modelName} is kept in memory until ${new Date(pin.untilSeconds * 1_000).toISOString()}: ${pin.sizeBytes} bytes for ${pin.seconds / 3_600} hours`,
    )
  }
  if (merge !== undefined) {
    const { weightPpm } = merge.models[merge.index]!
    console.log(
      `${receipt.modelName} answered with weight ${weightPpm / 1e6}, one of ${merge.models.length}: paid for ${receipt.inputTokens} of ${merge.inputTokens} tokens of prompt and ${receipt.outputTokens} of ${merge.outputTokens} of answer`,
    )
  }
  table([
    ['paid to', 'share', 'amount', 'because'],
    ...[...shares]
      .sort((a, b) => b.sharePpm - a.sharePpm)
      .map((share) => {
        const { moved, passages, given } = Attribution.tally(share.reasons)
        return [
          titles.get(share.contributionId) ?? share.contributionId,
          percent(share.sharePpm),
          open(share.amountWei),
          [
            moved > 0 ? `${count(moved, 'record')} moved the answer` : '',
            passages > 0 ? `${count(passages, 'passage')} word for word` : '',
            given > 0 ? `${count(given, 'record')} in the prompt` : '',
          ]
            .filter((part) => part !== '')
            .join(', '),
        ]
      }),
    ['the commons', percent(commons.sharePpm), open(commons.amountWei), commons.reason],
  ])
  console.log(
    dim(
      receipt.settlementTransaction === null
        ? 'not settled yet'
        : `settled in ${receipt.settlementTransaction}`,
    ),
  )
}
