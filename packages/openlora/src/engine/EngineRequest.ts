import type { RowReference } from '../adapters/MergedAdapter.ts'
import type { Decoding } from '../commitment/Commitment.ts'
import type { AnswerForm } from '../grammar/AnswerForm.ts'
import type { Choice, SamplingOptions } from './Sampler.ts'
import type { PlainError } from './WorkerLink.ts'

/** One answer to make, everything about it decided. */
export type EngineRequest = {
  readonly id: number
  readonly caller: string
  readonly promptIds: readonly number[]
  /** Undefined for the base model alone. */
  readonly adapter: RowReference | undefined
  readonly outputTokensMax: number
  readonly stop: readonly string[]
  readonly sampling: SamplingOptions
  readonly topLogprobs: number
  /** What the answer is held to. */
  readonly form?: AnswerForm
  /** Others ask the same at the same time: whoever comes later waits until the prompt is read. */
  readonly isShared?: boolean
  /** Smaller goes first, and takes the row of a larger one; default 0. */
  readonly priority?: number
  /** The answer ends with what it is then; one that had no row yet fails. */
  readonly withinMs?: number
}

/** One token of an answer, or (`tokenId` null) text that was held back until the end. */
export type TokenDelta = {
  readonly text: string
  readonly tokenId: number | null
  readonly logprob: number
  readonly top: Choice['top']
}

/** `stop`: the model ended, or a stop string came; `length`: a limit; `cancelled`: the caller left. */
export type FinishReason = 'stop' | 'length' | 'cancelled'

export type EngineEvent =
  | { readonly kind: 'token'; readonly id: number; readonly delta: TokenDelta }
  | {
      readonly kind: 'finished'
      readonly id: number
      /** Tokens that make up `text`: without the end token and without those only a stop string needed. */
      readonly answerIds: readonly number[]
      readonly text: string
      readonly finishReason: FinishReason
      readonly decoding: Decoding
    }
  | { readonly kind: 'failed'; readonly id: number; readonly error: PlainError }
