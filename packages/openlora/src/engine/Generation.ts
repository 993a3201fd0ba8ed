import type { Decoding } from '../commitment/Commitment.ts'
import type { FinishReason, TokenDelta } from './EngineRequest.ts'

/** What an answer turned out to be. */
export type GenerationResult = {
  readonly text: string
  /** Tokens that make up `text`. */
  readonly answerIds: readonly number[]
  readonly promptIds: readonly number[]
  /** The prompt as the model saw it. */
  readonly promptText: string
  readonly inputTokens: number
  readonly outputTokens: number
  readonly finishReason: FinishReason
  /** How it was decoded; undefined where another engine did, or where it broke off on its way from one. */
  readonly decoding?: Decoding
}

/** An answer in the making: iterate for its text as it comes, await `result` for the whole. */
export type Generation = AsyncIterable<TokenDelta> & { readonly result: Promise<GenerationResult> }

/** The end of a `Generation` that is fed. */
export type GenerationFeed = {
  readonly generation: Generation
  readonly push: (delta: TokenDelta) => void
  readonly finish: (result: GenerationResult) => void
  readonly fail: (error: Error) => void
}

/**
 * Creates a generation that holds deltas until they are read; it holds no more than one answer's tokens.
 * @param onAbandon - Called when the reader stops before the end.
 */
export function createGeneration(onAbandon: () => void): GenerationFeed {
  const queue: TokenDelta[] = []
  let isEnded = false
  let failure: Error | undefined
  let wake = (): void => {}
  let settle: { resolve: (result: GenerationResult) => void; reject: (error: Error) => void }
  const result = new Promise<GenerationResult>((resolve, reject) => {
    settle = { resolve, reject }
  })
  // a reader of the deltas hears of a failure there and may never look at the result
  result.catch(() => {})

  async function* read(): AsyncGenerator<TokenDelta, void, undefined> {
    try {
      for (;;) {
        while (queue.length > 0) yield queue.shift()!
        if (failure !== undefined) throw failure
        if (isEnded) return
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    } finally {
      if (!isEnded) onAbandon()
    }
  }

  return {
    generation: { [Symbol.asyncIterator]: read, result },
    push(delta) {
      queue.push(delta)
      wake()
    },
    finish(value) {
      isEnded = true
      settle.resolve(value)
      wake()
    },
    fail(error) {
      isEnded = true
      failure = error
      settle.reject(error)
      wake()
    },
  }
}
