export { type AdamWOptions, adamWDefaults } from './AdamW.ts'
export * as Adapter from './Adapter.ts'
export * as AdapterFolder from './AdapterFolder.ts'
export { type Checkpoint, createCheckpoint, encodeWeights, fromWeights, hashFiles } from './Checkpoint.ts'
export * as CheckpointFolder from './CheckpointFolder.ts'
export {
  familyOf,
  type LlamaConfig,
  type LoraTarget,
  linearName,
  linearSize,
  loraTargets,
  parseConfig,
  type RopeScaling,
  targetsOf,
  UnsupportedConfigError,
  weightShapes,
} from './Config.ts'
export { type Family, type FamilyName, families } from './Family.ts'
export * as Gguf from './Gguf.ts'
export {
  createGradients,
  type ExampleGradient,
  type GradientBlock,
  type Gradients,
  type GradientsOptions,
} from './Gradients.ts'
export * as Llama from './Llama.ts'
export {
  createPreferenceTrainer,
  type PreferenceLoss,
  type PreferencePair,
  type PreferenceTrainer,
} from './Preferences.ts'
export { createRandom, type Random } from './Random.ts'
export * as Safetensors from './Safetensors.ts'
export { learningRateAt, type Schedule } from './Schedule.ts'
export { createScorer, type Scorer } from './Scorer.ts'
export {
  buildSequenceGraph,
  collate,
  fromCompletion,
  fromText,
  type Packed,
  pack,
  type Sequence,
  SequenceLengthError,
  type TextOptions,
  TokenRangeError,
} from './Sequence.ts'
export {
  createTokenizer,
  type Message,
  type Offset,
  plainTemplate,
  type Tokenizer,
  type Tool,
} from './Tokenizer.ts'
export { trainTokenizer } from './TokenizerTrainer.ts'
export {
  type Batch,
  createTrainer,
  NotFiniteError,
  type StepResult,
  type Trainer,
  type TrainerOptions,
} from './Trainer.ts'
export { trainingBytes } from './TrainingMemory.ts'
