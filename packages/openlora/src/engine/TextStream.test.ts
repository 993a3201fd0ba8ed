import { createRandom } from '@openledger/model'
import { describe, expect, test } from 'vitest'
import { createTextStream } from './TextStream.ts'

/** A byte tokenizer: the hardest case, since every character beyond ASCII is split. */
const decoder = new TextDecoder()
const decode = (ids: readonly number[]): string => decoder.decode(Uint8Array.from(ids))
const encode = (text: string): number[] => [...new TextEncoder().encode(text)]

function run(ids: readonly number[], stop: readonly string[] = []) {
  const stream = createTextStream(decode, stop)
  const deltas: string[] = []
  for (const id of ids) {
    const delta = stream.push(id)
    deltas.push(delta.text)
    if (delta.isStopped) return { deltas, text: stream.text(), isStopped: true }
  }
  deltas.push(stream.flush())
  return { deltas, text: stream.text(), isStopped: false }
}

describe('createTextStream', () => {
  test('never gives out half a character', () => {
    const { deltas, text } = run(encode('naïve 漢字 😀!'))
    expect(text).toBe('naïve 漢字 😀!')
    expect(deltas.join('')).toBe(text)
    expect(deltas.some((delta) => delta.includes('\ufffd'))).toBe(false)
  })

  test('joins to the whole decoding for any bytes, broken ones too', () => {
    const random = createRandom(11).next
    const pieces = [0x41, 0xe2, 0x82, 0xac, 0x80, 0xf0, 0x9f, 0x98, 0x80, 0xc3, 0xa9, 0xff]
    for (let round = 0; round < 500; round++) {
      const ids = Array.from({ length: 24 }, () => pieces[Math.floor(random() * pieces.length)]!)
      expect(run(ids).text).toBe(decode(ids))
    }
  })

  test('ends before the earliest stop string, also one that spans tokens', () => {
    const { text, deltas, isStopped } = run(encode('one END two'), ['two', 'END'])
    expect(isStopped).toBe(true)
    expect(text).toBe('one ')
    expect(deltas.join('')).toBe('one ')
  })

  test('holds back the start of a stop string and gives it out when it was none', () => {
    const stream = createTextStream(decode, ['</s>'])
    expect(encode('a</').map((id) => stream.push(id).text)).toEqual(['a', '', ''])
    expect(encode('bc').map((id) => stream.push(id).text)).toEqual(['</b', 'c'])
    expect(encode('<').map((id) => stream.push(id).text)).toEqual([''])
    expect(stream.flush()).toBe('<')
    expect(stream.text()).toBe('a</bc<')
  })

  test('finds stop strings that overlap with themselves', () => {
    expect(run(encode('aabaabaac'), ['aabaac']).text).toBe('aab')
    expect(run(encode('ééé'), ['éé']).text).toBe('')
  })
})
