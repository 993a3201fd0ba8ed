import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  buildInfluenceIndex,
  buildSpanIndex,
  commitSpans,
  encodeInfluenceIndex,
  encodeSpanIndex,
} from '@openledger/attribution'
import {
  Adapter,
  CheckpointFolder,
  createGradients,
  fromText,
  type LlamaConfig,
  loraTargets,
  Safetensors,
  trainTokenizer,
} from '@openledger/model'
import type { DecoderPrecision } from '@openledger/model/decoder/DecoderGraph'
import { BaseError, Bytes, CanonicalJson, type Hex } from '@openledger/primitives'
import { RecordTable } from '@openledger/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { noise, noiseWeights, tinyConfig } from '../test/tinyModel.ts'
import type { AttributionReference } from './attribution/AttributionIndex.ts'
import type { AttributionModel } from './attribution/Attributor.ts'
import { decode } from './attribution/Evidence.ts'
import { verifyShown } from './attribution/ShownSpans.ts'
import { createAuditor } from './commitment/Auditor.ts'
import type { Decoding } from './commitment/Commitment.ts'
import { hashText } from './commitment/Verification.ts'
import { createOpenLora, type OpenLora } from './OpenLora.ts'
import type { GenerateRequest, ServedModel } from './Prepared.ts'

const config = { ...tinyConfig, vocabularySize: 300, feedForwardSize: 64, contextMax: 128 }
const hexOfZeros: Hex = `0x${'00'.repeat(32)}`
const HUGE = { r: '4096', lora_alpha: '8', target_modules: 'q_proj' }
const silent = { info: () => {}, error: () => {} }

describe('createOpenLora', () => {
  let directory: string
  let openLora: OpenLora
  let adapter: Adapter.Adapter
  let second: Adapter.Adapter
  let index: Required<AttributionReference>
  const blobs = new Map<string, Uint8Array>()

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'openledger-openlora-'))
    const weights = noiseWeights(config)
    await CheckpointFolder.write(directory, config, weights)
    const text = 'contract Token { function transfer(address to, uint256 value) external returns (bool); } '
    const tokenizer = trainTokenizer([text.repeat(3)], {
      vocabularySize: 300,
      specialTokens: ['<|end|>', '<|begin|>'],
    })
    await writeFile(join(directory, 'tokenizer.json'), JSON.stringify(tokenizer))
    const names = { bos_token: '<|begin|>', eos_token: '<|end|>', pad_token: '<|end|>' }
    await writeFile(join(directory, 'tokenizer_config.json'), JSON.stringify(names))
    const empty = Adapter.create(config, { rank: 4, alpha: 8, targets: loraTargets, seed: 1 })
    const tensors = new Map(
      [...empty.tensors].map(([name, { a, b }], j) => [name, { a, b: noise(j, b.length, 0.3) }]),
    )
    adapter = Adapter.from({ ...empty, tensors })
    blobs.set('adapter', Adapter.encode(adapter))
    const narrow = Adapter.create(config, { rank: 2, alpha: 4, targets: ['q_proj', 'up_proj'], seed: 2 })
    second = Adapter.from({
      ...narrow,
      tensors: new Map(
        [...narrow.tensors].map(([name, { a, b }], j) => [name, { a, b: noise(50 + j, b.length, 0.3) }]),
      ),
    })
    blobs.set('second', Adapter.encode(second))
    index = await buildIndex()
    openLora = await start()
  })

  async function buildIndex(): Promise<AttributionReference> {
    const tokenizer = await CheckpointFolder.readTokenizer(directory)
    const documents = ['contract Token { bool value; }', 'uint256 transfer', 'address to external'].map(
      (text) => {
        const recordId = Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text)))
        return {
          recordId,
          contributionId: recordId,
          clusterId: recordId,
          text,
          tokens: tokenizer.encode(text),
        }
      },
    )
    const checkpoint = await CheckpointFolder.read(directory)
    const gradients = createGradients(checkpoint, adapter, { batchSize: 4 })
    const sequences = documents.map(({ text }) => fromText(tokenizer, text, { tokensMax: 64 })[0]!)
    const rows = (await gradients.perExample(sequences)).map(({ gradient }) => gradient)
    await gradients.release()
    const recordIds = documents.map(({ recordId }) => recordId)
    const influence = await buildInfluenceIndex({ blocks: gradients.blocks, rows, fisher: rows, recordIds })
    const spans = commitSpans(buildSpanIndex({ documents, vocabularySize: tokenizer.vocabularySize }))
    const table = RecordTable.encode({ records: documents })
    blobs
      .set('influence', encodeInfluenceIndex(influence))
      .set('spans', encodeSpanIndex(spans))
      .set('records', table)
    const tableHash = Bytes.toHex(Bytes.sha256(table))
    const roots = { influenceRoot: influence.root, spansRoot: spans.root, tableHash }
    const attributionRoot = RecordTable.attributionRoot(roots)
    return { influenceCid: 'influence', spansCid: 'spans', recordsCid: 'records', attributionRoot }
  }
  afterAll(async () => {
    await openLora.close()
    await rm(directory, { recursive: true, force: true })
  })

  const model = (cid: string): ServedModel => ({ ...index, adapterCid: cid, adapterHash: adapter.hash })
  const start = (precision: DecoderPrecision = 'f32'): Promise<OpenLora> =>
    createOpenLora(
      {
        blobs: {
          get: async (cid) => {
            const bytes = blobs.get(cid)
            if (bytes === undefined) throw new BaseError({ code: 'blob.not_found', message: `no ${cid}` })
            return bytes
          },
        },
        lookup: async (name) => {
          if (name === 'solidity') return model('adapter')
          if (name === 'second') return { adapterCid: 'second', adapterHash: second.hash }
          if (name === 'lost') return model('lost')
          if (name.startsWith('hostile')) return { adapterCid: name, adapterHash: adapter.hash }
          if (name === 'other') return { ...model('adapter'), baseHash: hexOfZeros }
          return undefined
        },
        logger: silent,
      },
      { baseDirectory: directory, baseName: 'base', precision, limits: { rows: 4 } },
    )
  const ask = (changes: Partial<GenerateRequest> = {}): Promise<ReturnType<OpenLora['generate']>> =>
    openLora
      .prepare({
        model: 'solidity',
        caller: 'a',
        prompt: 'contract Token {',
        outputTokensMax: 20,
        ...changes,
      })
      .then((prepared) => openLora.generate(prepared))

  test('streams an answer and tells what it was made of', async () => {
    const generation = await ask()
    let text = ''
    const ids: number[] = []
    for await (const delta of generation) {
      text += delta.text
      if (delta.tokenId !== null) ids.push(delta.tokenId)
    }
    const result = await generation.result
    expect(result).toMatchObject({
      text,
      answerIds: ids,
      promptText: 'contract Token {',
      finishReason: 'length',
    })
    expect(result.promptIds).toEqual([config.bosId, ...openLora.tokenizer.encode('contract Token {')])
    expect(result.inputTokens).toBe(result.promptIds.length)
    expect(result.outputTokens).toBe(20)
    expect(openLora.tokenizer.decode(ids)).toBe(text)
  })

  test('answers under an adapter otherwise than the base alone, and the same each time', async () => {
    const [adapted, again, base] = await Promise.all([ask(), ask(), ask({ model: 'base' })])
    const texts = await Promise.all([adapted, again, base].map(async (one) => (await one.result).text))
    expect(texts[0]).toBe(texts[1])
    expect(texts[0]).not.toBe(texts[2])
  })

  test('attributes an answer in its own thread, with the same result each time', async () => {
    const { promptIds, answerIds, text } = await (await ask()).result
    const request = {
      model: {
        adapter: { cid: 'adapter', hash: adapter.hash },
        index,
        policy: { influenceBps: 2_000, spansBps: 8_000 },
        commons: `0x${'c0'.repeat(20)}` as Hex,
      },
      promptIds,
      answerIds,
      text,
      excludedContributions: [],
    }
    const [first, second] = await Promise.all([openLora.attribute(request), openLora.attribute(request)])
    const shown = await openLora.showSpans(index, first!.evidence)
    expect(verifyShown(shown, index.attributionRoot, decode(first!.evidence)).trace.tokenCount).toBe(
      request.answerIds.length,
    )
    expect(first).toEqual(second)
    const { shares, commons } = first!.attribution
    expect(shares.reduce((sum, { sharePpm }) => sum + sharePpm, commons.sharePpm)).toBe(1_000_000)
    expect(first!.inferenceCommitment).toMatch(/^0x[0-9a-f]{64}$/)
    const { adapters, indexes } = await openLora.metrics()
    expect([adapters.entryCount, indexes.entryCount, indexes.misses]).toEqual([1, 1, 1])
  })

  test('an auditor finds an answer of two models again, and none of it with another weight', async () => {
    const adapters = [
      { name: 'second', weightPpm: -600_000 },
      { name: 'solidity', weightPpm: 700_000 },
    ]
    const request = { model: 'solidity', caller: 'a', prompt: 'contract Token {', outputTokensMax: 40 }
    const result = await openLora.generate(await openLora.prepare({ ...request, adapters })).result
    const alone = await openLora.generate(await openLora.prepare(request)).result
    expect(result.answerIds).not.toEqual(alone.answerIds)
    const { promptIds, answerIds, text, promptText, decoding } = result
    const commons: Hex = `0x${'c0'.repeat(20)}`
    const sold: AttributionModel = {
      adapter: { cid: 'adapter', hash: adapter.hash },
      index,
      policy: { influenceBps: 2_000, spansBps: 8_000 },
      commons,
    }
    const mergeOf = (weightPpm: number) => ({
      parts: [
        { cid: 'second', hash: second.hash, weightPpm: -600_000 },
        { cid: 'adapter', hash: adapter.hash, weightPpm },
      ],
      index: 1,
    })
    const answer = await openLora.attribute({
      model: sold,
      promptIds,
      answerIds,
      text,
      excludedContributions: [],
      decoding: decoding!,
      merge: mergeOf(700_000),
    })
    blobs.set(answer.attribution.evidenceCid!, answer.evidence)
    const money = { beneficiary: commons, amountWei: '1' }
    const { attribution: drawn } = answer
    const shares = drawn.shares.map((share) => ({ ...share, reasons: [...share.reasons], ...money }))
    const tokens = { inputTokens: promptIds.length, outputTokens: answerIds.length }
    const attribution = {
      ...drawn,
      shares,
      commons: { ...drawn.commons, amountWei: '1' },
      merge: { models: adapters.map(({ weightPpm }) => ({ modelId: '1', weightPpm })), index: 1, ...tokens },
    }
    const receipt = {
      promptHash: hashText(promptText),
      answerHash: hashText(text),
      inputTokens: 1,
      outputTokens: 1,
      attributionHash: CanonicalJson.hash(attribution),
      inferenceCommitment: answer.inferenceCommitment,
      attribution,
    }
    const auditor = createAuditor({
      baseDirectory: directory,
      fetchShown: () => expect.fail('whoever has the index needs no openings of it'),
      fetchBlob: async (cid) => blobs.get(cid)!,
    })
    const { baseHash } = openLora
    const about = { receipt, model: sold, isOpen: true, baseHash, answer: result, excludedContributions: [] }
    expect(await auditor.audit({ ...about, merge: mergeOf(700_000) })).toEqual({
      status: 'same',
      precision: 'f32',
    })
    expect(await auditor.audit({ ...about, merge: mergeOf(500_000) })).toMatchObject({
      status: 'different',
      line: expect.stringMatching(/^evidence/),
    })
  })

  test('refuses to merge what is not published, what is named twice, and what weighs nothing or too much', async () => {
    const refused = (...adapters: readonly { name: string; weightPpm: number }[]) =>
      openLora.prepare({ model: 'solidity', caller: 'a', prompt: 'a', adapters }).then(
        () => 'taken',
        (error: BaseError) => error.code,
      )
    const own = { name: 'solidity', weightPpm: 500_000 }
    expect(await refused(own)).toBe('taken')
    expect(await refused(own, { name: 'nobody', weightPpm: 1 })).toBe('openlora.model_not_found')
    expect(await refused(own, { name: 'other', weightPpm: 1 })).toBe('engine.base_mismatch')
    for (const adapters of [
      [own, own],
      [{ name: 'second', weightPpm: 1 }],
      [own, { name: 'base', weightPpm: 1 }],
      [{ ...own, weightPpm: 0 }],
      [{ ...own, weightPpm: 4_000_001 }],
      [{ ...own, weightPpm: 0.5 }],
    ]) {
      expect(await refused(...adapters)).toBe('openlora.generation_option')
    }
  })

  test.for([
    ['f32', 'int4'],
    ['int8', 'f32'],
    ['int4', 'f32'],
  ] as const)('an auditor finds an answer decoded in %s, and not in %s', async ([precision, other]) => {
    const serving = await start(precision)
    const prompt = 'contract Token {'
    const prepared = await serving.prepare({ model: 'solidity', caller: 'a', prompt, outputTokensMax: 40 })
    const result = await serving.generate(prepared).result
    const { promptIds, answerIds, text, promptText, decoding } = result
    const commons: Hex = `0x${'c0'.repeat(20)}`
    const sold: AttributionModel = {
      adapter: { cid: 'adapter', hash: adapter.hash },
      index,
      policy: { influenceBps: 2_000, spansBps: 8_000 },
      commons,
    }
    const auditor = createAuditor({
      baseDirectory: directory,
      fetchShown: () => expect.fail('whoever has the index needs no openings of it'),
      fetchBlob: async (cid) => blobs.get(cid)!,
    })
    async function audit(claimed: Decoding | undefined) {
      const excludedContributions: Hex[] = []
      const request = { model: sold, promptIds, answerIds, text, excludedContributions }
      const answer = await serving.attribute(
        claimed === undefined ? request : { ...request, decoding: claimed },
      )
      blobs.set(answer.attribution.evidenceCid!, answer.evidence)
      const money = { beneficiary: commons, amountWei: '1' }
      const attribution = {
        ...answer.attribution,
        shares: answer.attribution.shares.map((share) => ({
          ...share,
          reasons: [...share.reasons],
          ...money,
        })),
        commons: { ...answer.attribution.commons, amountWei: '1' },
      }
      const receipt = {
        promptHash: hashText(promptText),
        answerHash: hashText(text),
        inputTokens: promptIds.length,
        outputTokens: answerIds.length,
        attributionHash: CanonicalJson.hash(attribution),
        inferenceCommitment: answer.inferenceCommitment,
        attribution,
      }
      const { baseHash } = serving
      const about = { receipt, model: sold, isOpen: true, baseHash }
      return auditor.audit({ ...about, answer: result, excludedContributions })
    }
    expect(decoding!.precision).toBe(precision)
    expect(await audit(decoding)).toEqual({ status: 'same', precision })
    expect(await audit({ ...decoding!, precision: other })).toMatchObject({
      status: 'different',
      line: 'evidence.decoding.proofs[0]',
    })
    expect(await audit(undefined)).toEqual({ status: 'same' })
    await serving.close()
  })

  test('keeps prompts that are too long, a flood, and readers who never read to their caller', async () => {
    const long = { caller: 'mallory', prompt: 'contract '.repeat(2_000) }
    await expect(openLora.prepare({ model: 'solidity', ...long })).rejects.toMatchObject({
      code: 'openlora.prompt',
    })
    // whose deltas nobody reads: what is asked for runs to its end all the same, and its row is free
    const unread = await Promise.all(Array.from({ length: 60 }, () => ask({ caller: 'mallory' })))
    const asked = ask({ caller: 'neighbour' }).then(({ result }) => result)
    const [flood, good] = await Promise.all([Promise.allSettled(unread.map(({ result }) => result)), asked])
    expect(good).toMatchObject({ outputTokens: 20, finishReason: 'length' })
    const refused = flood.filter(({ status }) => status === 'rejected')
    expect(refused.length).toBeGreaterThan(10)
    for (const one of refused) {
      expect(one).toMatchObject({
        reason: { code: 'openlora.queue_full', context: { retryAfterSeconds: expect.any(Number) } },
      })
    }
    expect(await openLora.metrics()).toMatchObject({ running: 0, waiting: 0, parked: 0 })
  })

  test.for([
    ['cut short', (good: Uint8Array) => good.slice(0, -40), 'safetensors.malformed'],
    ['no file', () => new Uint8Array([1, 2, 3]), 'safetensors.malformed'],
    ['a header longer than any file', () => new Uint8Array(16).fill(255), 'safetensors.malformed'],
    ['not finite', () => encoded(({ b }) => b.fill(Number.NaN)), 'adapter.malformed'],
    ['another base', () => Adapter.encode(ofBase({ hiddenSize: 64 }, 4)), 'adapter.malformed'],
    ['another adapter than published', () => Adapter.encode(ofBase({}, 4)), 'engine.adapter_hash_mismatch'],
    ['rank 4,096', () => Safetensors.encode(new Map(), 'F32', HUGE), 'adapter.malformed'],
    [
      'names that are paths',
      () => Safetensors.encode(new Map([['../../etc/passwd', { shape: [1], data: new Float32Array(1) }]])),
      'adapter.malformed',
    ],
  ] as const)('keeps a hostile adapter (%s) to its caller', async ([name, make, code]) => {
    blobs.set(`hostile ${name}`, make(blobs.get('adapter')!))
    const [bad, good] = await Promise.allSettled([
      ask({ model: `hostile ${name}`, caller: 'mallory' }).then(({ result }) => result),
      ask().then(({ result }) => result),
    ])
    expect(bad).toMatchObject({ status: 'rejected', reason: { code } })
    expect(good).toMatchObject({ status: 'fulfilled' })
    expect((await openLora.metrics()).running).toBe(0)
  })

  const ofBase = (changes: Partial<LlamaConfig>, rank: number): Adapter.Adapter =>
    Adapter.create({ ...config, ...changes }, { rank, alpha: 8, targets: loraTargets, seed: 5 })
  function encoded(change: (pair: Adapter.AdapterPair) => void): Uint8Array {
    const made = ofBase({}, 4)
    for (const pair of made.tensors.values()) change(pair)
    return Adapter.encode(made)
  }

  test('keeps an adapter in memory for whoever asks for it, until it is let go', async () => {
    const { isNew, sizeBytes } = await openLora.pin('solidity')
    expect(isNew).toBe(true)
    expect(await openLora.pin('solidity')).toEqual({ isNew: false, sizeBytes })
    expect(openLora.unpin('solidity')).toBe(true)
    expect(openLora.unpin('solidity')).toBe(false)
    await expect(openLora.pin('nobody')).rejects.toMatchObject({ code: 'openlora.model_not_found' })
  })

  test('reads conversations by the chat template', async () => {
    const prepared = await openLora.prepare({
      model: 'base',
      caller: 'a',
      prompt: [{ role: 'user', content: 'value' }],
    })
    expect(prepared).toMatchObject({
      promptText: 'value\n',
      outputTokensMax: 128 - prepared.promptIds.length,
    })
  })

  test('ends within a step when the signal aborts or the reader leaves', async () => {
    const controller = new AbortController()
    const prepared = await openLora.prepare({
      model: 'base',
      caller: 'a',
      prompt: 'bool',
      outputTokensMax: 120,
    })
    const aborted = openLora.generate(prepared, { signal: controller.signal })
    for await (const _ of aborted) controller.abort()
    expect(await aborted.result).toMatchObject({ finishReason: 'cancelled' })
    const left = openLora.generate(prepared)
    for await (const _ of left) break
    expect((await left.result).outputTokens).toBeLessThan(120)
    const before = openLora.generate(prepared, { signal: AbortSignal.abort() })
    expect((await before.result).outputTokens).toBeLessThan(120)
  })

  test('refuses bad requests by name', async () => {
    const codeOf = (changes: Partial<GenerateRequest>) =>
      ask(changes).then(
        (one) =>
          one.result.then(
            () => 'answered',
            (error) => error.code,
          ),
        (error) => error.code,
      )
    expect(
      await Promise.all([
        codeOf({ model: 'nobody' }),
        codeOf({ model: 'lost' }),
        codeOf({ model: 'other' }),
        codeOf({ prompt: '' }),
        codeOf({ prompt: 'x'.repeat(10_000) }),
        codeOf({ prompt: Array.from({ length: 128 }, () => 5) }),
        codeOf({ prompt: [3, 300] }),
        codeOf({ outputTokensMax: 0 }),
        codeOf({ stop: [''] }),
        codeOf({ sampling: { temperature: 9 } }),
      ]),
    ).toEqual([
      'openlora.model_not_found',
      'blob.not_found',
      'engine.base_mismatch',
      'openlora.prompt',
      'openlora.prompt',
      'openlora.prompt',
      'openlora.prompt',
      'openlora.generation_option',
      'openlora.generation_option',
      'openlora.sampling_option',
    ])
  })

  test('fails what runs when it is closed', async () => {
    const other = await start()
    const prepared = await other.prepare({ model: 'base', caller: 'a', prompt: 'bool', outputTokensMax: 120 })
    const generation = other.generate(prepared)
    await other.close()
    await expect(generation.result).rejects.toMatchObject({ code: 'engine.stopped', severity: 'retry' })
  })
})
