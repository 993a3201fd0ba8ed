import type { Tokenizer } from '@openledger/model'
import { type Decoder, RowError, type RowOutput } from '@openledger/model/decoder/Decoder'
import type { PrefixSnapshot } from '@openledger/model/decoder/DecoderCache'
import { BaseError, type Clock } from '@openledger/primitives'
import type { AdapterSource } from '../adapters/AdapterLease.ts'
import type { RowReference } from '../adapters/MergedAdapter.ts'
import { createFormMatchers } from '../grammar/AnswerForm.ts'
import { createEngineRecord, type EngineMetrics } from './EngineMetrics.ts'
import type { EngineEvent, EngineRequest, FinishReason } from './EngineRequest.ts'
import { createParking, type Parked, sizeOf } from './Parking.ts'
import { createPrefixCache } from './PrefixCache.ts'
import { guessNext } from './PromptLookup.ts'
import { answerTokens, beginAnswer, type Entry, type Running } from './Running.ts'
import type { Choice, Scores } from './Sampler.ts'
import { createScheduler, type SchedulerLimits } from './Scheduler.ts'
import { toPlainError } from './WorkerLink.ts'

export type EngineLimits = Omit<SchedulerLimits, 'rows' | 'passesMax'> & {
  /** Prompt tokens read between two steps at most, so that those who decode are not kept waiting. */
  readonly prefillTokensPerStepMax: number
  /** Memory for starts of prompts that several requests share; 0 keeps none. */
  readonly prefixBytesMax: number
  /**
   * Tokens that one step reads at most when guesses are added, all rows together; 0 guesses none. Up to about 16 a step
   * costs what it costs for one, because reading the weights takes the time.
   */
  readonly guessedStepTokensMax: number
  /** Memory for keys and values of answers that gave their row to others; 0 lets nobody give way. */
  readonly parkedBytesMax: number
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
  readonly tokenizer: Pick<Tokenizer, 'decode' | 'encode' | 'bytes' | 'eosId'>
  readonly adapters: AdapterSource<RowReference>
  readonly clock: Clock
  /** Takes what happened since the last call, in order. */
  readonly emit: (events: readonly EngineEvent[]) => void
}

/** Tokens that an answer may make before it gives way, so that taking turns costs little. */
const TURN_TOKENS_MIN = 4
/** Later requests that may get a row before a waiting one, for each row: urgent ones take some turns, and no more. */
const PASSES_PER_ROW = 8
/** Text that a form leaves no choice about, looked at ahead of the model. */
const FORCED_BYTES_MAX = 64
const forcedText = new TextDecoder()

/**
 * Creates the continuous-batching loop: requests wait, get a row, read their prompt, and then decode together, each
 * under its own adapter, one token a step, joining and leaving between steps.
 */
export function createEngine(
  { decoder, tokenizer, adapters, clock, emit }: EngineDependencies,
  {
    prefillTokensPerStepMax,
    prefixBytesMax,
    guessedStepTokensMax,
    parkedBytesMax,
    ...waitingLimits
  }: EngineLimits,
): Engine {
  const scheduler = createScheduler<Entry>({
    ...waitingLimits,
    rows: decoder.rows,
    passesMax: PASSES_PER_ROW * decoder.rows,
  })
  /** Requests that decode. */
  const running = new Map<number, Running>()
  /** Requests that have a row and read their prompt, in order of admission. */
  const reading = new Map<number, Running>()
  const parking = createParking<Running>(parkedBytesMax)
  const prefixes = createPrefixCache<PrefixSnapshot>(prefixBytesMax, sizeOf)
  const matcherOf = createFormMatchers(tokenizer, decoder.vocabularySize)
  const cancelled = new Set<number>()
  const known = new Map<number, Entry>()
  let events: EngineEvent[] = []
  let isPumping = false
  const record = createEngineRecord(clock)

  function leave(entry: Entry): void {
    known.delete(entry.id)
    const row = scheduler.remove(entry.id)
    if (row !== undefined) decoder.free(row)
    running.delete(entry.id)
    reading.delete(entry.id)
    parking.take(entry.id)
    cancelled.delete(entry.id)
    if (entry.adapter !== undefined && entry.resident !== undefined) adapters.release(entry.adapter)
  }

  const stateOf = (id: number): Running | undefined => running.get(id) ?? parking.find(id)

  /** Takes an answer out of its row, to go on later from where it was. */
  function park({ id }: Entry): void {
    const state = running.get(id)!
    parking.put(id, state, decoder.snapshot(state.row, decoder.length(state.row)))
    record.counts.parkings++
    running.delete(id)
    decoder.free(scheduler.park(id))
  }

  /** Puts an answer that gave way into a row again. */
  function resume({ state, snapshot }: Parked<Running>, row: number): void {
    state.row = row
    state.tokensAtStart = state.answerIds.length
    decoder.setAdapter(row, state.entry.resident ?? undefined)
    decoder.restore(row, snapshot, snapshot.tokens)
    running.set(state.entry.id, state)
  }

  const canGiveWay = ({ id }: Entry): boolean => {
    const state = running.get(id)
    return (
      parking.hasRoom() &&
      state !== undefined &&
      state.answerIds.length - state.tokensAtStart >= TURN_TOKENS_MIN
    )
  }

  function fail(entry: Entry, error: unknown): void {
    if (!known.has(entry.id)) return
    leave(entry)
    record.counts.failed++
    events.push({ kind: 'failed', id: entry.id, error: toPlainError(error) })
  }

  function finish(entry: Entry, finishReason: FinishReason): void {
    const state = stateOf(entry.id)
    leave(entry)
    record.observeEnd(entry.submittedMs, state?.firstMs, state?.answerIds.length ?? 0)
    if (finishReason === 'cancelled') record.counts.cancelled++
    else record.counts.finished++
    const text = state?.stream.text() ?? ''
    const answerIds = state === undefined ? [] : answerTokens(tokenizer, text, state.answerIds)
    record.counts.outputTokens += answerIds.length
    if (state !== undefined) scheduler.observe(clock.nowMs() - state.startedMs)
    const { precision } = decoder
    const decoding = { precision, proofs: state?.activations.prove(answerIds.length) ?? [] }
    events.push({ kind: 'finished', id: entry.id, answerIds, text, finishReason, decoding })
  }

  /** Whether the scores of all tokens are looked at for the next one. */
  const needsLogits = ({ sampler, form }: Running): boolean => sampler.needsLogits || form !== undefined

  /** Adds the token that is chosen from what a run gave for one place. */
  function accept(state: Running, output: RowOutput, at = 0): void {
    const { entry, sampler, stream, form, answerIds } = state
    const { vocabularySize, hiddenSize } = decoder
    const scores: Scores = {
      logits: output.logits.subarray(at * vocabularySize, (at + 1) * vocabularySize),
      likeliest: output.likeliest[at]!,
      logprob: output.logprobs[at]!,
    }
    let choice: Choice
    try {
      choice = sampler.next(scores, form?.matcher.mask(form.place))
      if (form !== undefined) form.place = form.matcher.advance(form.place, choice.tokenId)
    } catch (error) {
      fail(entry, error)
      return
    }
    if (state.firstMs === undefined) {
      state.firstMs = clock.nowMs()
      record.observeFirstToken(entry.submittedMs, state.firstMs)
    }
    // products of whole numbers may hide what is not finite in the states that they are made of
    if (!Number.isFinite(choice.logprob) || !Number.isFinite(output.hidden[at * hiddenSize])) {
      fail(entry, new AdapterOutputError(entry.adapter?.hash))
      return
    }
    if (choice.tokenId === tokenizer.eosId) {
      end(state, 'stop')
      return
    }
    answerIds.push(choice.tokenId)
    state.activations.push(output.hidden.subarray(at * hiddenSize, (at + 1) * hiddenSize))
    const { text, isStopped } = stream.push(choice.tokenId)
    events.push({ kind: 'token', id: entry.id, delta: { ...choice, text } })
    const isFull = entry.promptIds.length + answerIds.length >= decoder.context
    if (isStopped) finish(entry, 'stop')
    else if (form?.place.mustEnd) end(state, 'stop')
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
      const state = stateOf(id)
      if (state !== undefined) end(state, 'cancelled')
      else if (entry !== undefined) finish(entry, 'cancelled')
    }
    cancelled.clear()
    const nowMs = clock.nowMs()
    for (const entry of known.values()) {
      if (entry.deadlineMs === undefined || entry.deadlineMs > nowMs) continue
      const state = stateOf(entry.id)
      if (state === undefined) fail(entry, new DeadlineError(entry.withinMs!))
      else end(state, 'length')
    }
  }

  const scopeOf = ({ adapterKey }: Entry): string => adapterKey

  const isSame = (a: Entry, b: Entry): boolean =>
    scopeOf(a) === scopeOf(b) &&
    a.promptIds.length === b.promptIds.length &&
    a.promptIds.every((id, i) => id === b.promptIds[i])

  const isReady = (entry: Entry): boolean =>
    entry.resident !== undefined &&
    !(
      entry.isShared &&
      [...reading.values()].some((other) => other.entry.isShared && isSame(other.entry, entry))
    )

  /** Gives rows to those who wait, as long as the prompts that are being read leave budget. */
  function admit(): void {
    for (;;) {
      let unread = 0
      for (const { entry, readTokens } of reading.values()) unread += entry.promptIds.length - readTokens
      if (unread >= prefillTokensPerStepMax) return
      const waitsFor = scheduler.giveWay(isReady, canGiveWay)
      if (waitsFor !== undefined) park(waitsFor)
      const admitted = scheduler.admit(isReady)
      if (admitted === undefined) return
      const { request: entry, row } = admitted
      try {
        const begun = parking.take(entry.id)
        if (begun !== undefined) {
          resume(begun, row)
          continue
        }
        const { promptIds } = entry
        if (promptIds.length === 0 || promptIds.length > decoder.context) {
          throw new RowError(row, `1 to ${decoder.context} tokens`, `${promptIds.length}`)
        }
        const matcher = entry.form && matcherOf(entry.form)
        const state = beginAnswer(entry, { row, matcher, startedMs: clock.nowMs(), tokenizer })
        decoder.setAdapter(row, entry.resident ?? undefined)
        const known = prefixBytesMax > 0 ? prefixes.find(scopeOf(entry), promptIds) : undefined
        if (known !== undefined) {
          decoder.restore(row, known.snapshot, known.tokens)
          state.readTokens = known.tokens
        }
        record.observeAdmission(entry.submittedMs)
        reading.set(entry.id, state)
      } catch (error) {
        fail(entry, error)
      }
    }
  }

  /** Reads the next parts of prompts, within the budget of one step; whoever has read all gets its first token. */
  async function read(): Promise<void> {
    const startedMs = clock.nowMs()
    let budget = prefillTokensPerStepMax
    const parts: { state: Running; ids: readonly number[]; isLast: boolean }[] = []
    for (const state of reading.values()) {
      if (budget <= 0) break
      const { promptIds } = state.entry
      const ids = promptIds.slice(state.readTokens, state.readTokens + budget)
      budget -= ids.length
      parts.push({ state, ids, isLast: state.readTokens + ids.length === promptIds.length })
    }
    if (parts.length === 0) return
    try {
      const outputs = await decoder.extendWithHidden(
        parts.map(({ state, ids, isLast }) => ({
          row: state.row,
          ids,
          logitsFrom: isLast ? ids.length - 1 : ids.length,
          isLikeliestEnough: !needsLogits(state),
        })),
      )
      for (const [i, { state, ids, isLast }] of parts.entries()) {
        const { entry, row } = state
        state.readTokens += ids.length
        if (!isLast) continue
        reading.delete(entry.id)
        record.counts.inputTokens += entry.promptIds.length
        running.set(entry.id, state)
        const isSound = Number.isFinite(outputs[i]!.logprobs[0])
        if (isSound && prefixBytesMax > 0) {
          const copy = (tokens: number): PrefixSnapshot => decoder.snapshot(row, tokens)
          prefixes.remember(scopeOf(entry), entry.promptIds, copy, { isShared: entry.isShared ?? false })
        }
        accept(state, outputs[i]!)
      }
    } catch (error) {
      for (const { state } of parts) fail(state.entry, error)
    }
    record.counts.prefillMs += clock.nowMs() - startedMs
  }

  /** Guesses the next tokens of a request, as many as the step has room for. */
  function guess({ entry, answerIds, form, guessing }: Running, stepMax: number): number[] {
    if (!guessing.isDue()) return []
    const room = decoder.context - entry.promptIds.length - answerIds.length
    const wanted = entry.outputTokensMax - answerIds.length - 1
    const countMax = Math.max(0, Math.min(stepMax, room, wanted))
    const forced = form?.matcher.forced(form.place, FORCED_BYTES_MAX)
    if (forced !== undefined && forced.length > 0)
      return tokenizer.encode(forcedText.decode(forced)).slice(0, countMax)
    return guessNext([...entry.promptIds, ...answerIds], countMax)
  }

  /**
   * Adds to every row the token that comes next, and further ones where a guess was right: the sampler chooses each from
   * the scores that it would have had without guessing, so that the answer is the same.
   */
  async function step(): Promise<void> {
    const states = [...running.values()]
    if (states.length === 0) return
    const guessMax = Math.floor(guessedStepTokensMax / states.length) - 1
    const guessed = states.map((state) => guess(state, guessMax))
    const startedMs = clock.nowMs()
    try {
      const outputs = await decoder.extendWithHidden(
        states.map((state, i) => ({
          row: state.row,
          ids: [state.answerIds.at(-1)!, ...guessed[i]!],
          logitsFrom: 0,
          isLikeliestEnough: !needsLogits(state),
        })),
      )
      for (const [i, state] of states.entries()) acceptGuessed(state, guessed[i]!, outputs[i]!)
    } catch (error) {
      for (const { entry } of states) fail(entry, error)
    }
    record.counts.steps++
    record.counts.stepMs += clock.nowMs() - startedMs
  }

  function acceptGuessed(state: Running, guessed: readonly number[], output: RowOutput): void {
    const { entry, row, answerIds } = state
    let right = 0
    for (;;) {
      accept(state, output, right)
      if (!running.has(entry.id)) break
      if (right < guessed.length && answerIds.at(-1) === guessed[right]) right++
      else {
        if (right < guessed.length) decoder.truncate(row, decoder.length(row) - (guessed.length - right))
        break
      }
    }
    if (guessed.length === 0) return
    record.counts.guessedTokens += guessed.length
    record.counts.guessedRightTokens += right
    state.guessing.learn(right)
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
        admit()
        await read()
        carryOutCancellations()
        flush()
        await step()
        flush()
      } while (
        running.size > 0 ||
        reading.size > 0 ||
        cancelled.size > 0 ||
        scheduler.waiting().some(isReady)
      )
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
      record.counts.requests++
      const submittedMs = clock.nowMs()
      const { withinMs } = request
      const entry: Entry = {
        ...request,
        resident: undefined,
        submittedMs,
        adapterKey: request.adapter?.hash ?? 'base',
        ...(withinMs === undefined ? {} : { deadlineMs: submittedMs + withinMs }),
      }
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
      running: running.size + reading.size,
      waiting: scheduler.waiting().length,
      parked: parking.count(),
      prefix: prefixes.state(),
      ...record.state(),
    }),
  }
}

export class DeadlineError extends BaseError {
  constructor(withinMs: number) {
    super({
      code: 'openlora.deadline',
      message: `Expected an answer to begin within ${withinMs} ms, but no row was free. Nothing is charged; try again in 1 s, or allow more time.`,
      context: { withinMs, retryAfterSeconds: 1 },
      severity: 'retry',
    })
  }
}

export class AdapterOutputError extends BaseError {
  constructor(hash: string | undefined) {
    super({
      code: 'engine.adapter_output',
      message: `Expected finite scores, but the adapter ${hash ?? 'none'} computed others. Its adapter does not work on this base.`,
      context: { hash },
    })
  }
}
