export type { AdapterReference } from './AdapterCache.ts'
export { AdapterHashMismatchError } from './AdapterCache.ts'
export { type AnswerForm, grammarOf } from './AnswerForm.ts'
export { AttributionIndexError, type AttributionReference } from './AttributionIndex.ts'
export {
  type AttributedAnswer,
  type AttributionDraft,
  type AttributionModel,
  type AttributionRequest,
  ENGINE_VERSION,
} from './Attributor.ts'
export { AuditedAdapterError, AuditedBaseError, type Auditor, createAuditor } from './Auditor.ts'
export { commitmentOf, type FingerprintEntry, fingerprintOf } from './Commitment.ts'
export { AdapterOutputError, type FinishReason, type TokenDelta } from './Engine.ts'
export { EvidenceError } from './Evidence.ts'
export type { Generation, GenerationResult } from './Generation.ts'
export { type JsonSchema, SchemaError } from './JsonSchema.ts'
export {
  BaseMismatchError,
  createOpenLora,
  type GenerateRequest,
  GenerationOptionError,
  ModelNotFoundError,
  type OpenLora,
  type OpenLoraDependencies,
  type OpenLoraLimits,
  type OpenLoraMetrics,
  type OpenLoraOptions,
  PinsFullError,
  type Prepared,
  PromptError,
  type ServedModel,
} from './OpenLora.ts'
export { createReplicaBackend, ReplicaGoneError, type ReplicaOptions } from './ReplicaBackend.ts'
export { createReplicaServer, type ReplicaServer } from './ReplicaServer.ts'
export {
  type Backend,
  createRouter,
  NoBackendError,
  type Router,
  type RouterOptions,
  type RouterState,
  UnknownBackendError,
} from './Router.ts'
export { GREEDY, SamplingOptionError, type SamplingOptions } from './Sampler.ts'
export { QueueFullError } from './Scheduler.ts'
export { type CallEvent, createToolCallReader } from './ToolCalls.ts'
export {
  type AnswerInputs,
  type ComputedReceipt,
  hashText,
  type Verdict,
  verify,
  verifyInfluence,
} from './Verification.ts'
export { createVllmBackend, type VllmOptions, VllmRefusedError, VllmUnreachableError } from './VllmBackend.ts'
export { type Logger, WorkerStoppedError } from './WorkerHost.ts'
