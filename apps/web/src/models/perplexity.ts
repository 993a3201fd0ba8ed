/** Perplexity says between how many next tokens a model hesitates; `loss` is in nats per token. */
export const perplexity = (loss: number): string => Math.exp(loss).toFixed(1)
