import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Bytes } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeTinyBase } from '../test/trainingWorld.ts'
import { runTraining } from './TrainingThread.ts'

const records = Array.from({ length: 24 }, (_, i) => {
  const id = Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(`record ${i}`)))
  return { recordId: id, contributionId: id, clusterId: id, text: `The tower ${i} has ${i * 7} steps.` }
})

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openledger-thread-'))
  await writeTinyBase(directory)
})
afterEach(() => rm(directory, { recursive: true }))

const train = () =>
  runTraining(
    {
      baseDirectory: directory,
      records,
      config: Http.trainingConfigSchema.parse({ epochs: 1 }),
      workers: 0,
    },
    {
      signal: new AbortController().signal,
      onStart: async () => {},
      onMetric: async () => {},
      onCheckpoint: async () => {},
      onIndexing: async () => {},
    },
  )

/** Rewrites a part of the tokenizer's file. */
async function changeTokenizer(change: (file: { model: { vocab: Record<string, number> } }) => void) {
  const path = join(directory, 'tokenizer.json')
  const file = JSON.parse(await readFile(path, 'utf8'))
  change(file)
  await writeFile(path, JSON.stringify(file))
}

test('a training without enough memory ends in words that help, and its process goes on', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '--max-old-space-size=100',
    join(import.meta.dirname, '../test/starved.ts'),
  ])
  expect(stdout).toContain('it ran out of memory. Shorten the sequences, lower the rank')
})

test('a tokenizer of another model is refused with what to do', async () => {
  await changeTokenizer(({ model }) => {
    for (const token of Object.keys(model.vocab).slice(300)) model.vocab[token]! += 1_000_000
  })
  await expect(train()).rejects.toThrow(/Expected token ids below/)
})

test('a base model whose file was cut is refused with what to do', async () => {
  await truncate(join(directory, 'model.safetensors'), 4_000)
  await expect(train()).rejects.toThrow(/Expected a whole safetensors file/)
})
