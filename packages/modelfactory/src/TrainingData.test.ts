import { decodeSpanIndex, InfluenceIndex, traceSpans } from '@openledger/attribution'
import { Adapter, CheckpointFolder, loraTargets } from '@openledger/model'
import { Bytes } from '@openledger/primitives'
import { RecordForm, RecordTable } from '@openledger/protocol'
import { expect, test } from 'vitest'
import { tinyBase } from '../test/trainingWorld.ts'
import { buildIndexes } from './AttributionIndexes.ts'
import { sequencesOf } from './TrainingData.ts'

const tokenizer = await CheckpointFolder.readTokenizer(
  new URL('../../../assets/base', import.meta.url).pathname,
)
const said = 'the harbour pilot boards every arriving vessel'
const around = [`Our log of May says that `, `, and that the tide was low at noon.`] as const
const own = around.join(said)

/** The range of a record's plain text in which the passage stands. */
const echoIn = (text: string) => {
  const start = RecordForm.plainText(text).indexOf(said)
  return [[start, start + said.length] as const]
}

test.for([
  ['a text', own],
  ['a completion', JSON.stringify({ completion: own, prompt: 'What does the log say? ' })],
  ['a preference', JSON.stringify({ chosen: own, prompt: 'And the log? ', rejected: 'Nothing.' })],
  [
    'a conversation',
    JSON.stringify({
      messages: [
        { content: 'You keep the log.', role: 'system' },
        { content: 'What does it say?', role: 'user' },
        { content: own, role: 'assistant' },
        { content: 'And then?', role: 'user' },
        { content: 'Nothing more was written.', role: 'assistant' },
      ],
    }),
  ],
])('what %s repeats of answers is read with the rest, but does not count', ([_, text]) => {
  const options = { tokensMax: 256 }
  const whole = sequencesOf(tokenizer, { text: text! }, options)
  const part = sequencesOf(tokenizer, { text: text!, echoes: echoIn(text!) }, options)
  expect(part.map(({ ids }) => ids)).toEqual(whole.map(({ ids }) => ids))
  const left = whole.flatMap(({ ids, lossMask }, i) =>
    Array.from(ids).filter((_, t) => lossMask[t] !== part[i]!.lossMask[t]),
  )
  expect(tokenizer.decode(left).trim()).toBe(said)
})

test('what a record repeats of answers is in neither index, and the table says which it is', async () => {
  const checkpoint = tinyBase(tokenizer)
  const adapter = Adapter.create(checkpoint.config, { rank: 2, alpha: 4, targets: loraTargets, seed: 1 })
  const indexed = async (isEcho: boolean) => {
    const texts = [
      own,
      ...Array.from({ length: 12 }, (_, i) => `The keeper of lamp ${i} sleeps until ${i * 3}.`),
    ]
    const records = texts.map((text, i) => {
      const recordId = Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text)))
      const record = { recordId, contributionId: recordId, clusterId: recordId, text }
      return isEcho && i === 0 ? { ...record, echoes: echoIn(text) } : record
    })
    const indexes = await buildIndexes(
      { checkpoint, tokenizer, adapter, records, seed: 1 },
      { onProgress: () => {}, signal: new AbortController().signal },
    )
    const influence = InfluenceIndex.decode(indexes.influence)
    return {
      spans: traceSpans(decodeSpanIndex(indexes.spans), tokenizer.encode(` ${said}`)).spans,
      roots: [indexes.root, influence.root],
      echoes: RecordTable.decode(indexes.records).records.map(({ echoes }) => echoes),
    }
  }
  const [marked, unmarked] = [await indexed(true), await indexed(false)]
  expect(unmarked.spans).not.toEqual([])
  expect(marked.spans).toEqual([])
  for (const [i, root] of marked.roots.entries()) expect(root).not.toBe(unmarked.roots[i])
  expect(marked.echoes).toEqual([echoIn(own), ...new Array(12).fill([])])
})
