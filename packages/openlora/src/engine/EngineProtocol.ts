import type { DecoderPrecision } from '@openledger/model/decoder/DecoderGraph'
import type { Hex } from '@openledger/primitives'
import type { AdapterHostMethods } from '../adapters/AdapterLease.ts'
import type { EngineLimits } from './Engine.ts'
import type { EngineMetrics } from './EngineMetrics.ts'
import type { EngineEvent, EngineRequest } from './EngineRequest.ts'

/** What the engine's thread needs to start. */
export type EngineWorkerData = {
  readonly baseDirectory: string
  readonly rows: number
  readonly context: number
  readonly rankMax: number
  readonly threads: number
  readonly precision: DecoderPrecision
  readonly limits: EngineLimits
}

export type EngineReady = {
  readonly vocabularySize: number
  readonly context: number
  readonly baseHash: Hex
}

/** What the engine's thread can do. */
export type EngineMethods = {
  readonly submit: { readonly in: EngineRequest; readonly out: unknown }
  readonly cancel: { readonly in: number; readonly out: unknown }
  readonly metrics: { readonly in: undefined; readonly out: EngineMetrics }
}

/** What the engine's thread asks of its host. */
export type EngineHostMethods = AdapterHostMethods & {
  readonly events: { readonly in: readonly EngineEvent[]; readonly out: unknown }
}
