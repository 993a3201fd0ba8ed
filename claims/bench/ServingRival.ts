import { spawn, spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Gguf, type LlamaConfig } from '@openledger/model'
import type { AdapterShelf } from './ServingRun.ts'
import type { WorkRequest } from './ServingWorkload.ts'

const folder = join(import.meta.dirname, '..', 'rivals', 'node-llama-cpp')

/** Version of the rival that its lock file names. */
export const RIVAL = 'node-llama-cpp 3.22.1'

/** Installs the rival from its own lock file when it is not there; false where it cannot run. */
export function installRival(say: (line: string) => void): boolean {
  if (process.platform !== 'linux' || process.arch !== 'x64') return false
  if (existsSync(join(folder, 'node_modules', 'node-llama-cpp'))) return true
  say(`Installing ${RIVAL} (85 MB, once) ...`)
  // not `ci`: npm leaves optional packages of other platforms out of the lock that it then misses
  const npm = spawnSync(
    'npm',
    ['install', '--no-save', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund'],
    {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  return npm.status === 0
}

export type RivalFigures = {
  /** Best of the rounds. */
  readonly requestsPerSecond: number
  readonly tokensPerSecond: number
  readonly cpuSeconds: number
  readonly answers: readonly (readonly number[])[]
  readonly rssBytes: number
}

/** Writes the same model and adapters for the rival. */
export function writeForRival(
  checkpoint: { readonly config: LlamaConfig; readonly weights: ReadonlyMap<string, Float32Array> },
  directory: string,
  type: Gguf.GgufType,
): string {
  const { vocabularySize } = checkpoint.config
  // tokens are passed as ids, so their texts only have to differ
  const tokens = Array.from({ length: vocabularySize }, (_, id) => `t${id}`)
  const vocabulary: Gguf.GgufVocabulary = {
    tokens,
    merges: [],
    preTokenizer: 'gpt-2',
    controlIds: new Set([0, 1, 2]),
  }
  const path = join(directory, `model-${type}.gguf`)
  if (!existsSync(path)) {
    writeFileSync(path, Gguf.encodeModel(checkpoint, { type, name: 'noise', vocabulary }))
  }
  return path
}

/** Runs a workload, all arriving at once, at the given concurrency, `rounds` times. */
export async function runRival(options: {
  readonly modelPath: string
  readonly directory: string
  readonly config: LlamaConfig
  readonly shelf: AdapterShelf
  readonly requests: readonly WorkRequest[]
  readonly concurrency: number
  readonly rounds: number
  readonly threads: number
}): Promise<RivalFigures> {
  const { modelPath, directory, config, shelf, requests, concurrency, rounds, threads } = options
  const loraOf = (adapter: number): string => {
    const path = join(directory, `adapter-${adapter}.gguf`)
    if (!existsSync(path)) writeFileSync(path, Gguf.encodeAdapter(config, shelf.adapterOf(adapter)))
    return path
  }
  const job = {
    modelPath,
    threads,
    concurrency,
    rounds,
    contextSize: 256,
    requests: requests.map(({ promptIds, outputTokens, adapter }) => ({
      promptIds,
      outputTokens,
      ...(adapter === undefined ? {} : { lora: loraOf(adapter) }),
    })),
  }
  // sequences share what a context holds
  if (new Set(requests.map(({ adapter }) => adapter)).size === 1) job.contextSize = 256 * concurrency
  const child = spawn(process.execPath, ['run.mjs'], { cwd: folder, stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify(job))
  const line = (await text(child.stdout)).trim().split('\n').at(-1)!
  const result = JSON.parse(line) as {
    seconds: number[]
    cpuSeconds: number[]
    answers: number[][]
    rssBytes: number
  }
  const seconds = Math.min(...result.seconds)
  return {
    requestsPerSecond: requests.length / seconds,
    tokensPerSecond: result.answers.reduce((sum, answer) => sum + answer.length, 0) / seconds,
    cpuSeconds: Math.min(...result.cpuSeconds),
    answers: result.answers,
    rssBytes: result.rssBytes,
  }
}
