import type { Adapter } from '@openledger/model'
import type { Decoder } from '@openledger/model/Decoder'
import { BaseError, type Clock } from '@openledger/primitives'
import type { AdapterReference } from './AdapterCache.ts'
import type { AdapterSource } from './AdapterLease.ts'
import { type Choice, createSampler, type Sampler, type SamplingOptions } from './Sampler.ts'
import { createScheduler, type SchedulerLimits } from './Scheduler.ts'
import { createTextStream, type TextStream } from './TextStream.ts'
import { type PlainError, toPlainError } from './WorkerLink.ts'

/** One answer to make, everything about it decided. */
export type EngineRequest = {
  readonly id: number
  readonly caller: string
  readonly promptIds: readonly number[]
  /** Undefined for the base model alone. */
  readonly adapter: AdapterReference | undefined
  readonly outputTokensMax: number
  readonly stop: readonly string[]
  readonly sampling: SamplingOptions
  readonly topLogprobs: number
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
    }
  | { readonly kind: 'failed'; readonly id: number; readonly error: PlainError }

export type EngineLimits = Omit<SchedulerLimits, 'rows'> & {
  /** Prompt tokens read between two steps at most, so that those who decode are not kept waiting. */
  readonly prefillTokensPerStepMax: number
}

export type EngineMetrics = {
  readonly rows: number
  readonly running: number
  readonly waiting: number
  readonly requests: number
  readonly finished: number
  readonly cancelled: number
  readonly failed: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly steps: number
  readonly stepMs: number
  readonly prefillMs: number
}

export type Engine = {
  /** Takes a request; everything about it, refusal included, comes as events. */
  readonly submit: (request: EngineRequest) => void
  /** Ends a request between two steps; its row is free before the next one. Unknown ids are ignored. */
  readonly cancel: (id: number) => void
  readonly metrics: () => EngineMetrics
}

export type EngineDependencies = {
  readonly decoder: Decoder
  readonly tokenizer: { readonly decode: (ids: readonly number[]) => string; readonly eosId: number }
  readonly adapters: AdapterSource
  readonly clock: Clock
  /** Takes what happened since the last call, in order. */
  readonly emit: (events: readonly EngineEvent[]) => void
}

type Entry = EngineRequest & {
  /** The adapter once it is in memory; null for the base model. */
  resident: Adapter.Adapter | null | undefined
}

/** A request that has a row. */
type Running = {
  readonly entry: Entry
  readonly row: number
  readonly sampler: Sampler
  readonly stream: TextStream
  readonly answerIds: number[]
  readonly startedMs: number
}

/**
 * Creates the continuous-batching loop: requests wait, get a row, read their prompt, and then decode together, each
 * under its own adapter, one token a step, joining and leaving between steps.
 */
export function createEngine(
  { decoder, tokenizer, adapters, clock, emit }: EngineDependencies,
  { prefillTokensPerStepMax, ...waitingLimits }: EngineLimits,
): Engine {
  const scheduler = createScheduler<Entry>({ ...waitingLimits, rows: decoder.rows })
  const running = new Map<number, Running>()
  const cancelled = new Set<number>()
  const known = new Map<number, Entry>()
  let events: EngineEvent[] = []
  let isPumping = false
  const counts = { requests: 0, finished: 0, cancelled: 0, failed: 0, inputTokens: 0, outputTokens: 0 }
  const times = { steps: 0, stepMs: 0, prefillMs: 0 }

  function leave(entry: Entry): void {
    known.delete(entry.id)
    const row = scheduler.remove(entry.id)
    if (row !== undefined) decoder.free(row)
    running.delete(entry.id)
    cancelled.delete(entry.id)
    if (entry.adapter !== undefined && entry.resident !== undefined) adapters.release(entry.adapter)
  }

  function fail(entry: Entry, error: unknown): void {
    if (!known.has(entry.id)) return
    leave(entry)
    counts.failed++
    events.push({ kind: 'failed', id: entry.id, error: toPlainError(error) })
  }

  function finish(entry: Entry, finishReason: FinishReason): void {
    const state = running.get(entry.id)
    leave(entry)
    if (finishReason === 'cancelled') counts.cancelled++
    else counts.finished++
    const text = state?.stream.text() ?? ''
    const answerIds = state === undefined ? [] : tokensOf(text, state.answerIds)
    counts.outputTokens += answerIds.length
    if (state !== undefined) scheduler.observe(clock.nowMs() - state.startedMs)
    events.push({ kind: 'finished', id: entry.id, answerIds, text, finishReason })
  }

  /** Drops tokens at the end that only made up a stop string. */
  function tokensOf(text: string, answerIds: readonly number[]): readonly number[] {
    let count = answerIds.length
    while (count > 0 && tokenizer.decode(answerIds.slice(0, count - 1)).startsWith(text)) count--
    return answerIds.slice(0, count)
  }

  function accept(state: Running, logits: Float32Array): void {
    const { entry, sampler, stream, answerIds } = state
    const choice = sampler.next(logits)
    if (!Number.isFinite(choice.logprob)) {
      fail(entry, new AdapterOutputError(entry.adapter?.cid))
      return
    }
    if (choice.tokenId === tokenizer.eosId) {
      end(state, 'stop')
      return
    }
    answerIds.push(choice.tokenId)
    const { text, isStopped } = stream.push(choice.tokenId)
    events.push({ kind: 'token', id: entry.id, delta: { ...choice, text } })
    const isFull = entry.promptIds.length + answerIds.length >= decoder.context
    if (isStopped) finish(entry, 'stop')
    else if (answerIds.length >= entry.outputTokensMax || isFull) end(state, 'length')
  }

  function end(state: Running, finishReason: FinishReason): void {
    const text = state.stream.flush()
    if (text !== '') {
      const delta = { text, tokenId: null, logprob: 0, top: [] }
      events.push({ kind: 'token', id: state.entry.id, delta })
    }
    finish(state.entry, finishReason)
  }

  function carryOutCancellations(): void {
    for (const id of cancelled) {
      const entry = known.get(id)
      const state = running.get(id)
      if (state !== undefined) end(state, 'cancelled')
      else if (entry !== undefined) finish(entry, 'cancelled')
    }
    cancelled.clear()
  }

  const isReady = (entry: Entry): boolean => entry.resident !== undefined

  async function admit(): Promise<void> {
    for (let budget = prefillTokensPerStepMax; budget > 0; ) {
      const admitted = scheduler.admit(isReady)
      if (admitted === undefined) return
      const { request: entry, row } = admitted
      budget -= entry.promptIds.length
      const startedMs = clock.nowMs()
      try {
        const state: Running = {
          entry,
          row,
          sampler: createSampler(entry.sampling, entry.promptIds, entry.topLogprobs),
          stream: createTextStream(tokenizer.decode, entry.stop),
          answerIds: [],
          startedMs,
        }
        decoder.setAdapter(row, entry.resident ?? undefined)
        const logits = await decoder.prefill(row, entry.promptIds)
        counts.inputTokens += entry.promptIds.length
        running.set(entry.id, state)
        accept(state, logits)
      } catch (error) {
        fail(entry, error)
      }
      times.prefillMs += clock.nowMs() - startedMs
    }
  }

  async function step(): Promise<void> {
    const states = [...running.values()]
    if (states.length === 0) return
    const tokens: (number | undefined)[] = new Array(decoder.rows).fill(undefined)
    for (const { row, answerIds } of states) tokens[row] = answerIds.at(-1)!
    const startedMs = clock.nowMs()
    try {
      const logits = await decoder.step(tokens)
      for (const state of states) accept(state, logits[state.row]!)
    } catch (error) {
      for (const { entry } of states) fail(entry, error)
    }
    times.steps++
    times.stepMs += clock.nowMs() - startedMs
  }

  function flush(): void {
    if (events.length === 0) return
    const happened = events
    events = []
    emit(happened)
  }

  async function pump(): Promise<void> {
    if (isPumping) return
    isPumping = true
    try {
      do {
        carryOutCancellations()
        await admit()
        carryOutCancellations()
        flush()
        await step()
        flush()
      } while (running.size > 0 || cancelled.size > 0 || scheduler.waiting().some(isReady))
    } finally {
      isPumping = false
    }
  }

  /** Brings the adapter into memory while others decode. */
  async function prepare(entry: Entry): Promise<void> {
    if (entry.adapter === undefined) entry.resident = null
    else {
      try {
        const adapter = await adapters.acquire(entry.adapter)
        // the caller may have left while it loaded
        if (known.has(entry.id)) entry.resident = adapter
        else adapters.release(entry.adapter)
      } catch (error) {
        fail(entry, error)
      }
    }
    await pump()
    flush()
  }

  return {
    submit(request) {
      counts.requests++
      const entry: Entry = { ...request, resident: undefined }
      known.set(entry.id, entry)
      try {
        scheduler.enqueue(entry)
      } catch (error) {
        fail(entry, error)
        flush()
        return
      }
      void prepare(entry)
    },
    cancel(id) {
      if (!known.has(id)) return
      cancelled.add(id)
      void pump()
    },
    metrics: () => ({
      rows: decoder.rows,
      running: running.size,
      waiting: scheduler.waiting().length,
      ...counts,
      ...times,
    }),
  }
}

export class AdapterOutputError extends BaseError {
  constructor(cid: string | undefined) {
    super({
      code: 'engine.adapter_output',
      message: `Expected finite scores, but the model ${cid ?? 'base'} computed others. Its adapter does not work on this base.`,
      context: { cid },
    })
  }
}
