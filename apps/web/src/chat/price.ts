import { Attribution, FeeSplit, type Http } from '@openledger/protocol'

/** Prices of a model as the page has them. */
export type Prices = Pick<Http.Model, 'inputPriceWei' | 'outputPriceWei'>

/**
 * The most that an answer can cost, in wei.
 *
 * @param weight - Where the model answers together with others: it is paid for that part of the tokens.
 *
 * The tokenizer joins bytes and never divides one, so a prompt has at most as many tokens as bytes, and one that begins
 * it; an answer ends at its limit.
 */
export function mostWei(prompt: string, answerTokens: number, prices: Prices, weight = 1): bigint {
  const partOf = (tokens: number): number => Attribution.mergedTokens(tokens, Math.round(weight * 1e6))
  return FeeSplit.feeWei(
    partOf(new TextEncoder().encode(prompt).length + 1),
    partOf(answerTokens),
    BigInt(prices.inputPriceWei),
    BigInt(prices.outputPriceWei),
  )
}
