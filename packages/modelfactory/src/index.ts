export {
  createModelFactory,
  type ModelFactory,
  type ModelFactoryDeps,
  ModelNotFoundError,
  NameTakenError,
  NotRunOwnerError,
  RunOverError,
  type ServedModel,
  TooManyRunsError,
} from './ModelFactory.ts'
export { type ModelInput, modelHashOf, modelInputOf, RunNotTrainedError } from './Publication.ts'
export { RunNotFoundError, VersionNotFoundError } from './Runs.ts'
export { TrainingFailedError } from './TrainingThread.ts'
