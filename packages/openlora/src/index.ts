export type { AdapterReference } from './adapters/AdapterCache.ts'
export { AdapterHashMismatchError } from './adapters/AdapterCache.ts'
export type { WeightedReference } from './adapters/MergedAdapter.ts'
export { PinsFullError } from './adapters/Pins.ts'
export { AttributionIndexError, type AttributionReference } from './attribution/AttributionIndex.ts'
export {
  type AttributedAnswer,
  type AttributionDraft,
  type AttributionModel,
  type AttributionRequest,
  ENGINE_VERSION,
} from './attribution/Attributor.ts'
export { EvidenceError } from './attribution/Evidence.ts'
export { type Passage, PassagesError } from './attribution/Passages.ts'
export type { ShownSpans } from './attribution/ShownSpans.ts'
export { AuditedAdapterError, AuditedBaseError, type Auditor, createAuditor } from './commitment/Auditor.ts'
export { commitmentOf, type Decoding } from './commitment/Commitment.ts'
export {
  type AnswerInputs,
  type ComputedReceipt,
  hashText,
  type Verdict,
  verify,
  verifyWithoutAnswer,
} from './commitment/Verification.ts'
export { AdapterOutputError } from './engine/Engine.ts'
export type { FinishReason, TokenDelta } from './engine/EngineRequest.ts'
export type { Generation, GenerationResult } from './engine/Generation.ts'
export { GREEDY, SamplingOptionError, type SamplingOptions } from './engine/Sampler.ts'
export { QueueFullError } from './engine/Scheduler.ts'
export { type Logger, WorkerStoppedError } from './engine/WorkerHost.ts'
export { type AnswerForm, grammarOf } from './grammar/AnswerForm.ts'
export { type JsonSchema, SchemaError } from './grammar/JsonSchema.ts'
export { type CallEvent, createToolCallReader } from './grammar/ToolCalls.ts'
export {
  createOpenLora,
  type OpenLora,
  type OpenLoraDependencies,
  type OpenLoraLimits,
  type OpenLoraMetrics,
  type OpenLoraOptions,
} from './OpenLora.ts'
export {
  BaseMismatchError,
  type GenerateRequest,
  GenerationOptionError,
  MERGE_WEIGHT_MAX,
  MERGED_MAX,
  ModelNotFoundError,
  type Prepared,
  PromptError,
  type ServedModel,
  type WeightedModel,
} from './Prepared.ts'
export { createReplicaBackend, ReplicaGoneError, type ReplicaOptions } from './router/ReplicaBackend.ts'
export { createReplicaServer, type ReplicaServer } from './router/ReplicaServer.ts'
export {
  type Backend,
  createRouter,
  NoBackendError,
  type Router,
  type RouterOptions,
  type RouterState,
  UnknownBackendError,
} from './router/Router.ts'
export {
  createVllmBackend,
  type VllmOptions,
  VllmRefusedError,
  VllmUnreachableError,
} from './router/VllmBackend.ts'
