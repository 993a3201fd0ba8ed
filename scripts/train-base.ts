/**
 * Trains the base model that the repository ships, from scratch, on text of its own installed packages.
 *
 *   node scripts/train-base.ts [--steps 4400] [--seed 1] [--work .openledger/train-base] [--hidden 192] [--layers 4]
 *
 * Stopped at any moment, it continues from its last checkpoint. Writes `assets/base/` whenever the held-out loss is the
 * best so far, and `docs/base-training.jsonl`; `--output` and `--log` name other places, as for other sizes.
 */
import { createHash } from 'node:crypto'
import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import {
  type Batch,
  CheckpointFolder,
  createCheckpoint,
  createRandom,
  createTokenizer,
  createTrainer,
  type LlamaConfig,
  plainTemplate,
  type Tokenizer,
  trainTokenizer,
} from '@openledger/model'
import { type Corpus, type CorpusFile, gatherCorpus, isHeldOut } from './baseCorpus.ts'

const { values: options } = parseArgs({
  options: {
    steps: { type: 'string', default: '4400' },
    seed: { type: 'string', default: '1' },
    work: { type: 'string', default: '.openledger/train-base' },
    tokens: { type: 'string', default: '.openledger/train-base' },
    output: { type: 'string', default: 'assets/base' },
    log: { type: 'string', default: 'docs/base-training.jsonl' },
    workers: { type: 'string', default: '2' },
    hidden: { type: 'string', default: '192' },
    layers: { type: 'string', default: '4' },
  },
})
const root = join(import.meta.dirname, '..')
const [work, tokensFolder, output, log] = [options.work, options.tokens, options.output, options.log].map(
  (path) => resolve(root, path),
)
const seed = Number(options.seed)
const stepsTotal = Number(options.steps)
const hiddenSize = Number(options.hidden)
const headSize = 32

const config: LlamaConfig = {
  vocabularySize: 3072,
  hiddenSize,
  feedForwardSize: headSize * Math.round((8 * hiddenSize) / 3 / headSize),
  layers: Number(options.layers),
  heads: hiddenSize / headSize,
  keyValueHeads: hiddenSize / headSize / 2,
  headSize,
  contextMax: 512,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  isHeadTied: true,
  bosId: 1,
  eosId: 2,
  padId: 0,
}
const orders = { key: '', starts: [] as number[] }
const specialTokens = ['<|pad|>', '<|bos|>', '<|eos|>']
const learningRateMax = 3e-3
const warmUpSteps = 100
/** The learning rate is flat until this share of the steps, then falls to a hundredth in a straight line. */
const flatShare = 0.7
/** From this share on, sequences are as long as the context. */
const longShare = 0.85
const short = { rows: 16, tokens: 256 }
const long = { rows: 8, tokens: 512 }
const evaluateEvery = Math.min(250, Math.ceil(stepsTotal / 8))
const saveEvery = 100

await mkdir(work!, { recursive: true })
await mkdir(tokensFolder!, { recursive: true })
await mkdir(output!, { recursive: true })
const corpus = await gatherCorpus(join(root, 'node_modules'))
const { tokenizer, hash: tokenizerHash } = await prepareTokenizer(corpus)
const held = corpus.files.filter(isHeldOut)
const training = await encodeTraining()
const heldOut = windows(encodeAll(tokenizer, held), 256, 0).filter(
  (_, i, all) => i % Math.ceil(all.length / 96) === 0,
)
const characters = held.reduce((sum, file) => sum + file.text.length, 0)
const heldOutTokens = encodeAll(tokenizer, held).length

const trainer = createTrainer(createCheckpoint(config, seed), {
  mode: 'full',
  workers: Number(options.workers),
  rowsMax: 2,
  optimizer: { beta2: 0.95, weightDecay: 0.05 },
})
let step = 0
let best = Number.POSITIVE_INFINITY
const saved = await readFile(join(work!, 'state.safetensors')).catch(() => undefined)
if (saved) {
  trainer.restore(saved)
  const progress = JSON.parse(await readFile(join(work!, 'progress.json'), 'utf8'))
  ;({ step, best } = progress)
  if ((progress.corpusHash ?? corpus.hash) !== corpus.hash) {
    throw new Error(
      `The run in ${work} began on corpus ${progress.corpusHash}; installed now is ${corpus.hash}. Restore the packages or begin anew.`,
    )
  }
}
await record({
  event: saved ? 'resume' : 'start',
  step,
  seed,
  stepsTotal,
  learningRateMax,
  warmUpSteps,
  flatShare,
  longShare,
  short,
  long,
  parameters: [...createCheckpoint(config, seed).weights.values()].reduce(
    (sum, data) => sum + data.length,
    0,
  ),
  corpusHash: corpus.hash,
  corpusFiles: corpus.files.length,
  corpusBytes: corpus.sources.reduce((sum, { bytes }) => sum + bytes, 0),
  tokenizerHash,
  trainingTokens: training.length,
  heldOutTokens,
  charactersPerToken: round(characters / heldOutTokens, 3),
})

const started = performance.now()
let since = performance.now()
let sinceTokens = 0
let lossSum = 0
let lossCount = 0
while (step < stepsTotal) {
  const batch = batchAt(step)
  const result = await trainer.step(batch, learningRateAt(step))
  step++
  sinceTokens += result.tokens
  lossSum += result.loss
  lossCount++
  if (step % 50 === 0) {
    const seconds = (performance.now() - since) / 1000
    await record({
      event: 'train',
      step,
      loss: round(lossSum / lossCount, 4),
      gradientNorm: round(result.gradientNorm, 3),
      learningRate: learningRateAt(step - 1),
      tokensPerSecond: Math.round(sinceTokens / seconds),
      minutes: round((performance.now() - started) / 60_000, 1),
    })
    since = performance.now()
    sinceTokens = lossSum = lossCount = 0
  }
  if (step % evaluateEvery === 0 || step === stepsTotal) await evaluateAndKeep()
  if (step % saveEvery === 0 || step === stepsTotal) await save()
}
await trainer.release()

/** Gives the batch of a step: a function of seed and step alone, so that a resumed run sees what it would have seen. */
function batchAt(at: number): Batch {
  const { rows, tokens } = at < stepsTotal * longShare ? short : long
  const ids: Int32Array[] = []
  const perEpoch = Math.floor((training.length - tokens - 1) / tokens)
  for (let row = 0; row < rows; row++) {
    const index = at * rows + row
    const epoch = Math.floor(index / perEpoch)
    const start = orderOf(epoch, tokens, perEpoch)[index % perEpoch]!
    ids.push(training.slice(start, start + tokens + 1))
  }
  return { ids, lossMask: ids.map((row) => new Float32Array(row.length).fill(1)) }
}

function orderOf(epoch: number, tokens: number, perEpoch: number): readonly number[] {
  const key = `${epoch} ${tokens}`
  if (orders.key !== key) {
    const random = createRandom(seed * 1000 + epoch)
    const offset = random.below(tokens)
    orders.key = key
    orders.starts = random.shuffle(Array.from({ length: perEpoch }, (_, i) => offset + i * tokens))
  }
  return orders.starts
}

function learningRateAt(at: number): number {
  if (at < warmUpSteps) return (learningRateMax * (at + 1)) / warmUpSteps
  const flat = stepsTotal * flatShare
  const left = at < flat ? 1 : Math.max(0.01, 1 - (at - flat) / (stepsTotal - flat))
  return learningRateMax * left
}

async function evaluateAndKeep(): Promise<void> {
  const { loss } = await trainer.evaluate({
    ids: heldOut,
    lossMask: heldOut.map((row) => new Float32Array(row.length).fill(1)),
  })
  await record({
    event: 'evaluate',
    step,
    heldOutLoss: round(loss, 4),
    bitsPerCharacter: round((loss / Math.LN2) * (heldOutTokens / characters), 4),
  })
  if (loss >= best) return
  best = loss
  await CheckpointFolder.write(output!, config, trainer.weights(), 'F16')
}

async function save(): Promise<void> {
  // progress last and both by rename: a kill in between repeats at most the steps since the state before
  await writeFile(join(work!, 'state.part'), trainer.state())
  await writeFile(join(work!, 'progress.part'), JSON.stringify({ step, best, corpusHash: corpus.hash }))
  await rename(join(work!, 'state.part'), join(work!, 'state.safetensors'))
  await rename(join(work!, 'progress.part'), join(work!, 'progress.json'))
}

/** Trains the tokenizer once and keeps it: ids are part of the model. */
async function prepareTokenizer({ files, sources }: Corpus): Promise<{ tokenizer: Tokenizer; hash: string }> {
  const path = join(output!, 'tokenizer.json')
  const tokenizerConfig = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    pad_token: specialTokens[0],
    bos_token: specialTokens[1],
    eos_token: specialTokens[2],
    model_max_length: config.contextMax,
    clean_up_tokenization_spaces: false,
    add_bos_token: false,
    chat_template: plainTemplate,
  }
  if (!(await readFile(path).catch(() => undefined))) {
    const sample = createRandom(seed)
      .shuffle(files)
      .slice(0, Math.ceil(files.length / 3))
    const texts = sample.map(({ text }) => text)
    const json = trainTokenizer(texts, { vocabularySize: config.vocabularySize, specialTokens })
    await writeFile(path, `${JSON.stringify(json)}\n`)
    await writeFile(join(output!, 'tokenizer_config.json'), `${JSON.stringify(tokenizerConfig, null, 2)}\n`)
    await writeFile(join(output!, 'sources.json'), `${JSON.stringify(sources, null, 1)}\n`)
  }
  const text = await readFile(path, 'utf8')
  return {
    tokenizer: createTokenizer(JSON.parse(text), tokenizerConfig),
    hash: createHash('sha256').update(text).digest('hex'),
  }
}

/** Encodes the training files once per corpus and tokenizer; a minute's work that no other run need repeat. */
async function encodeTraining(): Promise<Int32Array> {
  const path = join(tokensFolder!, `tokens-${corpus.hash.slice(0, 16)}-${tokenizerHash.slice(0, 16)}.bin`)
  const known = await readFile(path).catch(() => undefined)
  if (known) return new Int32Array(known.buffer.slice(known.byteOffset, known.byteOffset + known.byteLength))
  const ids = encodeAll(
    tokenizer,
    corpus.files.filter((file) => !isHeldOut(file)),
  )
  await writeFile(`${path}.part`, ids)
  await rename(`${path}.part`, path)
  return ids
}

function encodeAll(own: Tokenizer, files: readonly CorpusFile[]): Int32Array {
  const ids: number[] = []
  for (const { text } of files) {
    ids.push(own.bosId)
    for (const id of own.encode(text)) ids.push(id)
    ids.push(own.eosId)
  }
  return Int32Array.from(ids)
}

function windows(ids: Int32Array, tokens: number, offset: number): Int32Array[] {
  const found: Int32Array[] = []
  for (let start = offset; start + tokens < ids.length; start += tokens)
    found.push(ids.slice(start, start + tokens + 1))
  return found
}

async function record(entry: Record<string, unknown>): Promise<void> {
  const line = JSON.stringify(entry)
  process.stdout.write(`${line}\n`)
  await appendFile(log!, `${line}\n`)
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
