import { join } from 'node:path'
import { decoderPrecisions } from '@openledger/model/decoder/DecoderGraph'
import { BaseError } from '@openledger/primitives'
import { z } from 'zod'

const root = join(import.meta.dirname, '../../..')
const port = (fallback: number) => z.coerce.number().int().min(0).max(65_535).default(fallback)
const forkTime = (fork: string) =>
  z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe(`When ${fork} begins, in seconds: 0 for genesis, or a time that lies ahead; else never`)

/** Name of the base on the OpenAI interface. */
export const BASE_NAME = 'openledger-base'

/** Every setting of the server: the variable's name is `OPENLEDGER_` and the key in upper snake case. */
export const configSchema = z.object({
  dataDirectory: z
    .string()
    .default(join(root, '.openledger'))
    .describe('Where everything that must survive is kept'),
  host: z.string().default('127.0.0.1').describe('Address to listen on'),
  port: port(8080).describe('Port of the page and the API; 0 picks a free one'),
  publicUrl: z
    .string()
    .optional()
    .describe('Address that others reach the server by; by default host and port'),
  network: z
    .string()
    .optional()
    .describe('Folder of a network of your own, made by `openledger create-network`; else development'),
  l1RpcUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('An L1 to use instead of the development chain started here'),
  l1Port: port(8545).describe('Port of the development L1'),
  l2RpcPort: port(9545).describe('Port of the L2 JSON-RPC'),
  adminPort: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe('Port on loopback for handing the sequencer over; without it there is none'),
  blockTimeSeconds: z.coerce.number().int().min(1).max(12).default(2).describe('Seconds between L2 blocks'),
  engineUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Engine API of an execution client that executes the L2 in place of the embedded engine'),
  engineJwtSecret: z
    .string()
    .optional()
    .describe('File with the secret (64 hexadecimal digits) that this node shares with that client'),
  historyBlocks: z
    .union([z.literal('archive'), z.coerce.bigint().min(256n)])
    .default(302_400n)
    .describe('How many L2 blocks back balances, calls and proofs can be asked for; `archive` keeps all'),
  jovianTime: forkTime('Jovian'),
  karstTime: forkTime('Karst'),
  upgrades: z
    .string()
    .optional()
    .describe('Folder with what forks after genesis deploy, taken from the OP Stack’s releases'),
  l1BeaconUrl: z
    .string()
    .optional()
    .describe('Beacon API of that L1, for batches in blobs; by default the same address'),
  publicL1RpcUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('L1 JSON-RPC that wallets are told; by default the one that the server uses'),
  publicL2RpcUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('L2 JSON-RPC that wallets are told; by default host and port'),
  batches: z.enum(['span', 'singular']).default('span').describe('How L2 blocks are put into batches'),
  batchData: z
    .enum(['calldata', 'blobs', 'cheaper'])
    .default('calldata')
    .describe('Where batches go on L1; the development L1 forgets blobs when it is started again'),
  databaseUrl: z.string().optional().describe('PostgreSQL to use instead of the embedded database'),
  s3Url: z.string().optional().describe('S3-compatible bucket URL to use instead of the data directory'),
  s3AccessKeyId: z.string().optional().describe('Access key of that bucket'),
  s3SecretAccessKey: z.string().optional().describe('Secret of that bucket; never printed'),
  s3Region: z.string().default('us-east-1').describe('Region of that bucket'),
  baseModel: z
    .string()
    .default(join(root, 'assets/base'))
    .describe('Folder of the base model, in Hugging Face format'),
  trainingRunsMax: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(4)
    .describe('Training runs of one account that may wait, be paused or run'),
  trainingRunningMax: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000)
    .default(2)
    .describe('Training runs of one account that may run at once, over all workers'),
  judgeModel: z
    .string()
    .optional()
    .describe('Model that compares answers for training runs that ask for it; without it there is no judge'),
  judgeUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Where that model is asked, what stands before `/chat/completions`; by default this server'),
  judgeKey: z.string().optional().describe('API key for it; never printed'),
  engineThreads: z.coerce.number().int().min(1).max(64).default(2).describe('Threads of the model engine'),
  gatherSeconds: z.coerce
    .number()
    .min(0)
    .max(43_200)
    .default(0.2)
    .describe('Answers of so many seconds are settled in one batch; more are cheaper'),
  creditSeconds: z.coerce
    .number()
    .int()
    .min(0)
    .max(43_200)
    .default(3_600)
    .describe('Credits for more than 1,024 accounts are gathered for so long'),
  servingRows: z.coerce.number().int().min(1).max(256).default(8).describe('Requests decoded in one batch'),
  pinPrice: z
    .string()
    .regex(/^\d+(\.\d{1,18})?$/, 'expected an amount of OPEN')
    .default('0.001')
    .describe('OPEN for keeping a MiB of adapters in memory for an hour'),
  panelFeeMin: z
    .string()
    .regex(/^(off|\d+(\.\d{1,18})?)$/, 'expected an amount of OPEN, or off')
    .default('0.01')
    .describe('Disputes for so much OPEN or more are drawn, counted and recorded at your cost; `off`: none'),
  drainSeconds: z.coerce
    .number()
    .min(0)
    .max(600)
    .default(25)
    .describe('Told to stop, the server gives answers in the making so long to end'),
  basePrecision: z
    .enum(decoderPrecisions)
    .default('f32')
    .describe(
      'How exactly the base is kept for answers; int8 is several times as fast and a little different, int4 takes half its memory',
    ),
  vllmUrls: z
    .string()
    .optional()
    .describe('vLLM servers of the same base that answer too, separated by commas'),
  vllmAdapterDirectory: z
    .string()
    .optional()
    .describe('Folder that those servers read too, for adapters; by default in the data directory'),
  replicaUrls: z
    .string()
    .optional()
    .describe('Replicas of this engine that answer too (`npm run replica`), separated by commas'),
  replicaSecret: z.string().min(16).optional().describe('What servers and replicas know of each other'),
  replicaPort: port(8090).describe('Port of a replica'),
  otlpUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('OpenTelemetry collector for traces of answers, over OTLP/HTTP; else none are made'),
  seed: z
    .enum(['on', 'off'])
    .default('on')
    .describe('Fill a fresh development network with a Datanet and a model'),
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('How much is logged'),
  logFormat: z
    .enum(['auto', 'json', 'text'])
    .default('auto')
    .describe('The log as JSON for machines or as text for people; `auto` is text in a terminal'),
})

export type Config = z.infer<typeof configSchema>

const SECRETS: readonly (keyof Config)[] = [
  's3SecretAccessKey',
  'judgeKey',
  'replicaSecret',
  'databaseUrl',
  'l1RpcUrl',
  'l1BeaconUrl',
]

/** Names the variable that sets a key: `dataDirectory` is `OPENLEDGER_DATA_DIRECTORY`. */
export const variableOf = (key: string): string =>
  `OPENLEDGER_${key.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase()}`

/**
 * Reads the configuration from an environment.
 * @throws {ConfigError} naming the variable, what was expected and what came.
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const known = new Map(Object.keys(configSchema.shape).map((key) => [variableOf(key), key]))
  const input: Record<string, string> = {}
  for (const [variable, key] of known) {
    const value = environment[variable]
    if (value !== undefined && value !== '') input[key] = value
  }
  const result = configSchema.safeParse(input)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new ConfigError(variableOf(String(issue!.path[0])), issue!.message)
}

/** The judge that a configuration names, this server's own interface unless it says otherwise. */
export const judgeOf = ({
  judgeModel,
  judgeUrl,
  judgeKey,
  publicUrl,
  host,
  port,
}: Config): { url: string; model: string; key: string | undefined } | undefined =>
  judgeModel === undefined
    ? undefined
    : {
        url: judgeUrl ?? `${publicUrl ?? `http://${host}:${port}`}/v1`,
        model: judgeModel,
        key: judgeKey,
      }

/** Lists every setting with its variable, value and meaning, secrets left out. */
export function describeConfig(config: Config): string {
  return Object.entries(configSchema.shape)
    .map(([key, schema]) => {
      const value = config[key as keyof Config]
      const shown =
        value === undefined ? '(unset)' : SECRETS.includes(key as keyof Config) ? '(set)' : String(value)
      return `${variableOf(key)}=${shown}\n    ${schema.description}`
    })
    .join('\n')
}

export class ConfigError extends BaseError {
  constructor(variable: string, problem: string) {
    super({
      code: 'config.invalid',
      message: `${variable}: ${problem}. Nothing was started; npm start -- --print-config lists every setting.`,
      context: { variable },
    })
  }
}
