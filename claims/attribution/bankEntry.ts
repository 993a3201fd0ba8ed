import { parentPort, workerData } from 'node:worker_threads'
import { Adapter, CheckpointFolder, createScorer, loraTargets } from '@openledger/model'
import { createRetrainer, type Retrainer } from '@openledger/modelfactory/Retraining'
import type { BankTask, Query } from './Bank.ts'
import { readCorpus, sequenceOf } from './Corpus.ts'

const task = workerData as BankTask
const checkpoint = await CheckpointFolder.read(task.baseDirectory)
const tokenizer = await CheckpointFolder.readTokenizer(task.baseDirectory)
const { bosId } = checkpoint.config
const { records } = readCorpus(task.corpus, tokenizer, task.size)
const sequences = records.map(({ tokens }) => sequenceOf(bosId, tokens))
const scorer = createScorer(
  checkpoint,
  Adapter.create(checkpoint.config, {
    rank: task.config.rank,
    alpha: task.config.alpha,
    targets: loraTargets,
    seed: 0,
  }),
)
let current: { seed: number; retrainer: Retrainer } | undefined
for (const { seed, leftOut } of task.retrainings) {
  if (current?.seed !== seed) {
    await current?.retrainer.release()
    current = { seed, retrainer: createRetrainer(checkpoint, sequences, { ...task.config, seed }) }
  }
  const adapter = await current.retrainer.without(new Set(leftOut))
  parentPort!.postMessage(
    task.queries.length === 0 ? Adapter.encode(adapter) : await measure(adapter, task.queries),
  )
}
await current?.retrainer.release()
await scorer.release()

async function measure(adapter: Adapter.Adapter, queries: readonly Query[]): Promise<number[]> {
  const own = scorer.withAdapter(adapter)
  const likelihoods: number[] = []
  for (const { tokens, prompt } of queries) {
    const values = await own.logProbabilities(Int32Array.of(bosId, ...tokens))
    likelihoods.push(values.subarray(prompt + 1).reduce((sum, value) => sum + value, 0))
  }
  return likelihoods
}
