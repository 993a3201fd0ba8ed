export * as Adapter from './checkpoint/Adapter.ts'
export * as AdapterFolder from './checkpoint/AdapterFolder.ts'
export {
  type Checkpoint,
  createCheckpoint,
  decodeWeights,
  encodeWeights,
  fromWeights,
  hashFiles,
} from './checkpoint/Checkpoint.ts'
export * as CheckpointFolder from './checkpoint/CheckpointFolder.ts'
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
} from './checkpoint/Config.ts'
export { type Family, type FamilyName, families } from './checkpoint/Family.ts'
export * as Gguf from './checkpoint/Gguf.ts'
export * as Merge from './checkpoint/Merge.ts'
export * as OnnxModel from './checkpoint/OnnxModel.ts'
export * as Safetensors from './checkpoint/Safetensors.ts'
export * as Llama from './Llama.ts'
export { createRandom, type Random } from './Random.ts'
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
  tokensWithin,
} from './Sequence.ts'
export {
  createTokenizer,
  type Message,
  type Offset,
  plainTemplate,
  type Tokenizer,
  type Tool,
} from './tokenizer/Tokenizer.ts'
export { trainTokenizer } from './tokenizer/TokenizerTrainer.ts'
export { type AdamWOptions, adamWDefaults } from './training/AdamW.ts'
export {
  createGradients,
  type ExampleGradient,
  type GradientBlock,
  type Gradients,
  type GradientsOptions,
} from './training/Gradients.ts'
export {
  createPreferenceTrainer,
  type PreferenceLoss,
  type PreferencePair,
  type PreferenceTrainer,
} from './training/Preferences.ts'
export { writeOwnTexts } from './training/Rehearsal.ts'
export { learningRateAt, type Schedule } from './training/Schedule.ts'
export { softLabelBytes, withSoftLabels } from './training/SoftLabels.ts'
export {
  type Batch,
  createTrainer,
  NotFiniteError,
  type StepResult,
  type Trainer,
  type TrainerOptions,
} from './training/Trainer.ts'
export { trainingBytes } from './training/TrainingMemory.ts'
