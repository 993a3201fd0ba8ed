import { BaseError } from '@openledger/primitives'
import type { DataType, Tensor, TensorData } from './Graph.ts'
import { dataTypeOf } from './Graph.ts'
import * as Onnx from './Onnx.ts'
import { format } from './Shape.ts'

/** How a session uses the machine. */
export type SessionOptions = {
  /** Threads inside one operation; physical cores are best. Default 1. */
  readonly threads?: number
  /**
   * Whether waiting threads burn their core. Faster alone (403 against 312 GF/s on 2 cores), much slower with a busy
   * neighbour (127-159 against 198). Default false.
   */
  readonly spinning?: boolean
  /**
   * Whether equal runs lay out their memory once: saves allocations, which tells in small graphs that run often, and needs
   * the memory of the first run twice (measured in training: 570 against 400 MB, at the same speed). Default true.
   */
  readonly plansMemory?: boolean
  /** Execution providers of ONNX Runtime in order of preference. Default `['cpu']`. */
  readonly providers?: readonly string[]
}

/** Elements with lengths for the named axes. Plain elements do where the input has no named axis. */
export type Feed = TensorData | { readonly data: TensorData; readonly shape: readonly number[] }

/** Elements that a run returned; a fresh array each time. */
export type Fetched = { readonly data: TensorData; readonly shape: readonly number[] }

/** A graph made ready to run. */
export type Session<Output extends string = string> = {
  /**
   * Runs the graph once. Feeds are read in place, without a copy; the calling thread is blocked meanwhile, so that a
   * server keeps its sessions in worker threads.
   * @param wanted - Results that are copied out; default all.
   * @throws {FeedError} when a feed is missing or of another type or shape.
   */
  readonly run: <Wanted extends Output = Output>(
    feeds: Readonly<Record<string, Feed>>,
    wanted?: readonly Wanted[],
  ) => Promise<Record<Wanted, Fetched>>
  /** The values that each run must feed. */
  readonly inputs: readonly Tensor[]
  readonly release: () => Promise<void>
}

/** Compiles the part of a graph that the outputs need for ONNX Runtime. */
export async function createSession<Output extends string>(
  outputs: Readonly<Record<Output, Tensor>>,
  options: SessionOptions = {},
): Promise<Session<Output>> {
  const runtime = await loadRuntime()
  const model = Onnx.encode(outputs)
  const names = Object.keys(outputs) as Output[]
  const session = await runtime.InferenceSession.create(model.bytes, {
    executionProviders: [...(options.providers ?? ['cpu'])],
    intraOpNumThreads: options.threads ?? 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    enableMemPattern: options.plansMemory ?? true,
    logSeverityLevel: 3,
    extra: { session: { intra_op: { allow_spinning: options.spinning ? '1' : '0' } } },
  })
  return {
    inputs: model.inputs,
    run: async (feeds, wanted) => {
      const fed: Record<string, InstanceType<typeof runtime.Tensor>> = {}
      for (const input of model.inputs) {
        const { data, shape } = checkFeed(input, feeds[input.name])
        fed[input.name] = new runtime.Tensor(input.dataType, data, shape)
      }
      const fetches = wanted ?? names
      const results = await session.run(fed, fetches)
      const fetched: Record<string, Fetched> = {}
      for (const name of fetches) {
        const result = results[name]!
        fetched[name] = { data: result.data as TensorData, shape: result.dims }
      }
      return fetched
    },
    release: () => session.release(),
  }
}

async function loadRuntime() {
  try {
    return await import('onnxruntime-node')
  } catch (cause) {
    throw new RuntimeMissingError(cause)
  }
}

function checkFeed(input: Tensor, feed: Feed | undefined): { data: TensorData; shape: readonly number[] } {
  if (feed === undefined) throw new FeedError(input, 'nothing')
  const data = 'shape' in feed ? feed.data : feed
  const shape = 'shape' in feed ? feed.shape : (input.shape as readonly number[])
  const fits =
    shape.length === input.shape.length &&
    shape.every((length, axis) => {
      const wanted = input.shape[axis]
      return typeof length === 'number' && (typeof wanted === 'string' || wanted === length)
    }) &&
    shape.reduce((product, length) => product * length, 1) === data.length
  // bytes are what their input says they are
  const found: DataType =
    data instanceof Uint8Array && input.dataType === 'uint8' ? 'uint8' : dataTypeOf(data)
  if (!fits || found !== input.dataType) {
    throw new FeedError(input, `${found} ${format(shape)} with ${data.length} elements`)
  }
  return { data, shape }
}

export class FeedError extends BaseError {
  constructor(input: Tensor, found: string) {
    super({
      code: 'tensor.wrong_feed',
      message: `Expected ${input.dataType} ${format(input.shape)} for input ${input.name}, got ${found}. Feed that.`,
      context: { name: input.name, shape: input.shape },
    })
  }
}

export class RuntimeMissingError extends BaseError {
  constructor(cause: unknown) {
    super({
      code: 'tensor.runtime_missing',
      message:
        'Expected the native module of onnxruntime-node, but it did not load. Install again with ' +
        '`npm install --onnxruntime-node-install=skip`; on linux/x64 its install step stops where NuGet is not reachable.',
      cause,
    })
  }
}
