import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AdapterFolder, CheckpointFolder, type LlamaConfig } from '@openledger/model'
import type { AdapterShelf } from './ServingRun.ts'
import type { WorkRequest } from './ServingWorkload.ts'

const python = process.env.OPENLEDGER_PYTHON ?? 'python3'
/** How the program ends where Python lacks a package. */
const PACKAGES_MISSING = 3

export type PeftFigures = { readonly tokensPerSecond: number; readonly versions: string }

/**
 * Has PEFT answer requests of equal lengths in one batch, each under its own adapter.
 * @returns Undefined where no Python has torch, transformers and peft.
 * @see PEFT's documentation, "Inference with different LoRA adapters in the same batch".
 */
export async function generateWithPeft(options: {
  readonly checkpoint: { readonly config: LlamaConfig; readonly weights: ReadonlyMap<string, Float32Array> }
  readonly directory: string
  readonly shelf: AdapterShelf
  readonly requests: readonly WorkRequest[]
  readonly threads: number
}): Promise<PeftFigures | undefined> {
  const { checkpoint, directory, shelf, requests, threads } = options
  const model = join(directory, 'peft')
  await CheckpointFolder.write(model, checkpoint.config, checkpoint.weights)
  const adapters = requests.map((_, i) => join(directory, `peft-${i}`))
  for (const [i, { adapter }] of requests.entries()) {
    await AdapterFolder.write(adapters[i]!, shelf.adapterOf(adapter!), model)
  }
  const { outputTokens } = requests[0]!
  const job = join(directory, 'peft.json')
  const promptIds = requests.map((request) => request.promptIds)
  writeFileSync(job, JSON.stringify({ model, adapters, promptIds, outputTokens, threads }))
  const ran = spawnSync(python, [join(import.meta.dirname, 'serving/rival.py'), job], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (ran.error !== undefined || ran.status === PACKAGES_MISSING) return undefined
  if (ran.status !== 0)
    throw new Error(`Expected PEFT to answer, but it ended with ${ran.status}: see above.`)
  const { seconds, versions } = JSON.parse(ran.stdout.trim().split('\n').at(-1)!) as {
    seconds: number
    versions: string
  }
  return { tokensPerSecond: (requests.length * outputTokens) / seconds, versions }
}
