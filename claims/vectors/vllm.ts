import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ServerType, serve } from '@hono/node-server'
import { type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys } from '@openledger/protocol'
import { schema } from '@openledger/store'
import { type ApiHouse, startApiHouse } from '../../packages/api/test/apiHouse.ts'
import { type Claim, type Finding, table } from '../Claim.ts'

/** vLLM 0.7.3's serving benchmark, the last that needs no vLLM to run; files by their SHA-256. */
const CLIENT = {
  'benchmark_serving.py': '02ead008104e89a0f8d5a309d31ffbe8443cd7614012d1bacc90734346153bde',
  'backend_request_func.py': 'c2ec9a4f566394835634db81ae444d2a0a930355d3fc51d7d74cc7dc8cfe50a2',
  'benchmark_utils.py': '09ac4be616b2245f38f3106bc43fd5c641c8dd50a47786d7102ab288fe15de1a',
}
const MODEL = 'solidity-1'
const BASE = join(import.meta.dirname, '..', '..', 'assets', 'base')
const PROMPT_TOKENS = 48
const ANSWER_TOKENS = 12

/** What the client writes of a run. */
type Run = {
  readonly completed: number
  readonly total_input_tokens: number
  readonly total_output_tokens: number
  readonly output_lens: readonly number[]
  readonly errors: readonly string[]
  readonly request_throughput: number
  readonly median_ttft_ms: number
  readonly median_tpot_ms: number
}

const REMEDY =
  "the folder benchmarks of vLLM 0.7.3's source package goes to $OPENLEDGER_VECTORS/vllm, and what it imports (aiohttp, datasets, pillow, transformers) into the Python that OPENLEDGER_PYTHON names"

/** Finds the client's files, each of the hash that is known. */
function findClient(): string {
  const vectors = process.env['OPENLEDGER_VECTORS']
  const folder = join(vectors ?? '', 'vllm')
  for (const [name, hash] of Object.entries(CLIENT)) {
    const path = join(folder, name)
    if (vectors === undefined || !existsSync(path)) throw new Error(`${name} is missing: ${REMEDY}`)
    if (createHash('sha256').update(readFileSync(path)).digest('hex') !== hash)
      throw new Error(`${name} is another than 0.7.3's: ${REMEDY}`)
  }
  return folder
}

async function run(
  folder: string,
  url: string,
  apiKey: string,
  backend: 'openai' | 'openai-chat',
  prompts: number,
): Promise<Run> {
  const directory = mkdtempSync(join(tmpdir(), 'openledger-vllm-'))
  const result = join(directory, 'result.json')
  const endpoint = backend === 'openai' ? '/v1/completions' : '/v1/chat/completions'
  const words = [
    ...['--backend', backend, '--base-url', url, '--endpoint', endpoint],
    ...['--model', MODEL, '--tokenizer', BASE, '--dataset-name', 'random', '--ignore-eos'],
    ...['--random-input-len', `${PROMPT_TOKENS}`, '--random-output-len', `${ANSWER_TOKENS}`],
    ...['--num-prompts', `${prompts}`, '--request-rate', '8', '--max-concurrency', '8'],
    ...['--disable-tqdm', '--save-result', '--result-filename', result],
  ]
  const python = process.env['OPENLEDGER_PYTHON'] ?? 'python3'
  try {
    const child = spawn(python, ['-W', 'ignore', join(folder, 'benchmark_serving.py'), ...words], {
      env: { ...process.env, OPENAI_API_KEY: apiKey, HF_HUB_OFFLINE: '1' },
    })
    let said = ''
    child.stdout.on('data', (text: Buffer) => {
      said += text
    })
    child.stderr.on('data', (text: Buffer) => {
      said += text
    })
    const code = await new Promise((resolve) => child.on('close', resolve))
    if (code !== 0) throw new Error(said.trim().split('\n').slice(-3).join(' '))
    return JSON.parse(readFileSync(result, 'utf8')) as Run
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function listen({ fetch }: ApiHouse) {
  return new Promise<{ server: ServerType; url: string }>((resolve) => {
    const server = serve({ fetch: (request) => fetch(request), hostname: '127.0.0.1', port: 0 }, ({ port }) =>
      resolve({ server, url: `http://127.0.0.1:${port}` }),
    )
  })
}

async function openAccess(house: ApiHouse): Promise<string> {
  const account = DevelopmentKeys.account('caller').address.toLowerCase() as Hex
  await house.senderOf('caller').send({
    address: house.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [account],
    valueWei: Open.parse('50'),
  })
  const key = { account, name: 'benchmark', limitWei: Open.parse('50') }
  return (await house.settlement.apiKeys.create(key)).secret
}

export const claim: Claim = {
  says: "vLLM's own serving benchmark, unmodified, drives the server: every answer arrives in full, and every token is on a receipt.",
  async run({ isQuick, say }): Promise<Finding> {
    const prompts = isQuick ? 12 : 64
    const rows: string[][] = [
      [
        'endpoint',
        'answers',
        'prompt tokens',
        'answer tokens',
        'on receipts',
        'first token ms',
        'ms a token',
      ],
    ]
    const failures: string[] = []
    let right = 0
    try {
      const folder = findClient()
      const house = await startApiHouse({ isReal: true })
      const { server, url } = await listen(house)
      try {
        const apiKey = await openAccess(house)
        const billed = async (): Promise<number> =>
          (await house.database.orm.select({ tokens: schema.receipts.outputTokens }).from(schema.receipts))
            .map(({ tokens }) => tokens)
            .reduce((sum, tokens) => sum + tokens, 0)
        for (const backend of ['openai', 'openai-chat'] as const) {
          const before = await billed()
          const found = await run(folder, url, apiKey, backend, prompts)
          // the client asks once before it measures
          const onReceipts = (await billed()) - before - ANSWER_TOKENS
          right += found.completed
          const isWhole = found.output_lens.every((tokens) => tokens === ANSWER_TOKENS)
          if (!isWhole)
            failures.push(
              `${backend}: answers of ${[...new Set(found.output_lens)]} tokens, not ${ANSWER_TOKENS}`,
            )
          if (onReceipts !== found.total_output_tokens)
            failures.push(
              `${backend}: ${found.total_output_tokens} tokens arrived, receipts say ${onReceipts}`,
            )
          for (const error of new Set(found.errors.filter((text) => text !== '')))
            failures.push(`${backend}: ${error.slice(0, 200)}`)
          rows.push([
            backend,
            `${found.completed} of ${prompts}`,
            ...[found.total_input_tokens, found.total_output_tokens, onReceipts].map(String),
            found.median_ttft_ms.toFixed(0),
            found.median_tpot_ms.toFixed(1),
          ])
          say(`${backend}: ${found.completed} of ${prompts} answers`)
        }
      } finally {
        await new Promise((resolve) => server.close(resolve))
        await house.close()
      }
    } catch (error) {
      failures.push((error as Error).message)
    }
    return {
      figure: right,
      unit: `of ${2 * prompts} answers`,
      goal: 2 * prompts,
      sense: 'at least',
      failures,
      report: `${table(rows)}\n\nRandom prompts of ${PROMPT_TOKENS} tokens, ${ANSWER_TOKENS} tokens each whatever the model says (\`ignore_eos\`), at most 8 at a time, the shipped base model.`,
    }
  },
}
