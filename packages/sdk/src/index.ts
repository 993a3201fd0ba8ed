export {
  type Client,
  type ClientOptions,
  createClient,
  ProblemError,
  type Signer,
  trainingEvents,
} from './Client.ts'
