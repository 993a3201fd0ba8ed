import { FeeSplit, type Http } from '@openledger/protocol'

/** Prices of a model as the page has them. */
export type Prices = Pick<Http.Model, 'inputPriceWei' | 'outputPriceWei'>

/**
 * The most that an answer can cost, in wei.
 *
 * The tokenizer joins bytes and never divides one, so a prompt has at most as many tokens as bytes, and one that begins
 * it; an answer ends at its limit.
 */
export const mostWei = (prompt: string, answerTokens: number, prices: Prices): bigint =>
  FeeSplit.feeWei(
    new TextEncoder().encode(prompt).length + 1,
    answerTokens,
    BigInt(prices.inputPriceWei),
    BigInt(prices.outputPriceWei),
  )
