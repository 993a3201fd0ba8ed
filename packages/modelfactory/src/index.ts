export { AdapterHashError, modelFiles, wholeModelFiles } from './export/ModelFiles.ts'
export { type FullTrainingState, trainFull } from './FullTraining.ts'
export { type IndexEvent, IndexLostError, IndexRebuildingError } from './IndexFiles.ts'
export { JudgeFailedError, JudgeMissingError, type JudgeOptions } from './JudgeEndpoint.ts'
export {
  createModelFactory,
  type ModelFactory,
  type ModelFactoryDeps,
  ModelNotFoundError,
  NameTakenError,
  NotModelOwnerError,
  NotRunOwnerError,
  RunNotPausedError,
  RunOverError,
  type ServedModel,
  TooManyRunsError,
} from './ModelFactory.ts'
export {
  configHashOf,
  GateClosedError,
  type ModelInput,
  modelHashOf,
  modelInputOf,
  RunNotTrainedError,
} from './Publication.ts'
export { RunNotFoundError, VersionNotFoundError } from './Runs.ts'
export { type TrainingInput, type TrainingResult, trainAdapter } from './Training.ts'
export { joinRecords, type TrainingRecord } from './TrainingPlan.ts'
export type { QueueLimits } from './TrainingQueue.ts'
export { TrainingFailedError } from './TrainingThread.ts'
export { createTrainingWorker, type TrainingWorker } from './TrainingWorker.ts'
export { recordsOf, type VersionRecord } from './VersionRecords.ts'
