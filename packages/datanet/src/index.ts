export {
  AlreadyContributedError,
  ContributionExpiredError,
  ContributionWithdrawnError,
  DatanetNotFoundError,
  WrongChainError,
} from './Contributions.ts'
export * from './Datanets.ts'
export { NothingToJudgeError, NotValidatorError, UnknownRecordError } from './Judgements.ts'
export { openZeppelinModules, type SourceModule } from './OpenZeppelin.ts'
export {
  createPanelKeeper,
  type PanelKeeper,
  type PanelKeeperOptions,
  type PanelKeeperStatus,
  type PanelStep,
} from './PanelKeeper.ts'
export { ContributionNotFoundError } from './Queries.ts'
export { mayRead, ReadElsewhereError, type Reader, ReadForbiddenError, type ReadRequest } from './Reading.ts'
export * from './Records.ts'
export { createSimilarityIndex, type Similar, type SimilarityIndex } from './Similarity.ts'
