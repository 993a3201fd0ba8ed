export { AdapterHashError, modelFiles, wholeModelFiles } from './export/ModelFiles.ts'
export { NotModelOwnerError } from './export/OwnModels.ts'
export { type FullTrainingResult, trainFull } from './FullTraining.ts'
export { fetchBase, HubError, type HubModel } from './Hub.ts'
export { type IndexEvent, IndexLostError, IndexRebuildingError } from './IndexFiles.ts'
export { JudgeFailedError, JudgeMissingError, type JudgeOptions } from './JudgeEndpoint.ts'
export {
  createModelFactory,
  type ModelFactory,
  type ModelFactoryDeps,
  ModelNotFoundError,
  type ServedModel,
} from './ModelFactory.ts'
export {
  configHashOf,
  GateClosedError,
  type ModelInput,
  modelHashOf,
  modelInputOf,
  RunNotTrainedError,
} from './Publication.ts'
export {
  NameTakenError,
  NotRunOwnerError,
  RunNotPausedError,
  RunOverError,
  TooManyRunsError,
} from './RunRules.ts'
export { RunNotFoundError, VersionNotFoundError } from './Runs.ts'
export { type TrainingInput, type TrainingResult, trainAdapter } from './Training.ts'
export { joinRecords, type TrainingRecord } from './TrainingPlan.ts'
export type { QueueLimits } from './TrainingQueue.ts'
export * as TrainingState from './TrainingState.ts'
export type { TrainingCheckpoint } from './TrainingSteps.ts'
export { TrainingFailedError } from './TrainingThread.ts'
export { createTrainingWorker, type TrainingWorker } from './TrainingWorker.ts'
export { recordsOf, type VersionRecord } from './VersionRecords.ts'
