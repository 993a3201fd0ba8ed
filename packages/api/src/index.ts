export {
  type AnswerEvent,
  type Answering,
  type AnsweringModel,
  createAnswering,
  PublishedModelNotFoundError,
  type Serving,
} from './Answering.ts'
export type { ApiRouteDependencies } from './apiRoutes.ts'
export { type Api, type ApiDependencies, createApi, type Logger } from './createApi.ts'
export { createSupply, type Supply } from './Network.ts'
export type { NetworkFacts } from './networkRoutes.ts'
