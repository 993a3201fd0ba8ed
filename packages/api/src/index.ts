export {
  type AnswerEvent,
  type Answering,
  type AnsweringModel,
  createAnswering,
  PublishedModelNotFoundError,
  type Serving,
} from './completions/Answering.ts'
export { type Api, type ApiDependencies, createApi, type Logger } from './createApi.ts'
export { createSupply, type Supply } from './Network.ts'
export type { ApiRouteDependencies } from './routes/apiRoutes.ts'
export type { NetworkFacts } from './routes/networkRoutes.ts'
