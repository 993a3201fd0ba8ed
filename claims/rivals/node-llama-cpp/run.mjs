// Answers a list of requests with llama.cpp and tells how long that took. Reads one JSON job from standard input:
// { modelPath, threads, concurrency, contextSize, requests: [{ promptIds, outputTokens, lora? }] }.
// A LoRA belongs to a whole context here: requests of one adapter share a context, and are batched there; where adapters
// differ, contexts are kept by adapter and the one used longest ago makes room.
import { text } from 'node:stream/consumers'
import { getLlama } from 'node-llama-cpp'

const job = JSON.parse(await text(process.stdin))
const CONTEXTS_MAX = Math.max(16, job.concurrency)
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: job.threads, logLevel: 'error' })
const model = await llama.loadModel({
  modelPath: job.modelPath,
  defaultContextFlashAttention: job.flash ?? false,
})
const [onlyLora, ...otherLoras] = new Set(job.requests.map(({ lora }) => lora))

const contextOptions = { contextSize: job.contextSize, batchSize: 512, threads: job.threads }
const withLora = (lora) => (lora === undefined ? {} : { lora })
const shared =
  otherLoras.length > 0
    ? undefined
    : await model.createContext({ ...contextOptions, ...withLora(onlyLora), sequences: job.concurrency })
const idle = []
let count = 0
async function take(lora) {
  const at = idle.findIndex((entry) => entry.lora === lora)
  if (at >= 0) return idle.splice(at, 1)[0]
  while (count >= CONTEXTS_MAX && idle.length > 0) {
    await idle.shift().context.dispose()
    count--
  }
  count++
  const context = await model.createContext({ ...contextOptions, ...withLora(lora), sequences: 1 })
  return { lora, context, sequence: context.getSequence() }
}

const sequences = shared && Array.from({ length: job.concurrency }, () => shared.getSequence())
const answers = []
const firstMs = []
async function answer(request, sequence) {
  await sequence.clearHistory()
  const started = performance.now()
  const tokens = []
  const options = { temperature: 0, yieldEogToken: true }
  for await (const token of sequence.evaluate(request.promptIds, options)) {
    if (tokens.length === 0) firstMs.push(performance.now() - started)
    tokens.push(token)
    if (tokens.length >= request.outputTokens) break
  }
  return tokens
}

async function runAll() {
  let next = 0
  const startedMs = performance.now()
  await Promise.all(
    Array.from({ length: job.concurrency }, async (_, worker) => {
      while (next < job.requests.length) {
        const index = next++
        const request = job.requests[index]
        if (sequences) answers[index] = await answer(request, sequences[worker])
        else {
          const entry = await take(request.lora)
          answers[index] = await answer(request, entry.sequence)
          idle.push(entry)
        }
      }
    }),
  )
  return (performance.now() - startedMs) / 1000
}

const seconds = []
const cpuSeconds = []
for (let round = 0; round < job.rounds; round++) {
  const before = process.cpuUsage()
  seconds.push(await runAll())
  const { user, system } = process.cpuUsage(before)
  cpuSeconds.push((user + system) / 1e6)
}
firstMs.sort((a, b) => a - b)
const result = {
  seconds,
  cpuSeconds,
  answers,
  firstMs: firstMs[firstMs.length >> 1],
  rssBytes: process.memoryUsage().rss,
}
process.stdout.write(`\n${JSON.stringify(result)}\n`, () => process.exit(0))
