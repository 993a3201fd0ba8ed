import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTokenizer, trainTokenizer } from '../index.ts'

const settings = { pad_token: '<|pad|>', bos_token: '<|bos|>', eos_token: '<|eos|>' }
const specialTokens = Object.values(settings)
const texts = [
  'function add(a, b) {\n  return a + b\n}\n',
  'function subtract(a, b) {\n  return a - b\n}\n',
  'const total = add(1, subtract(12345, 6))\n',
]
const trained = trainTokenizer(texts, { vocabularySize: 287, specialTokens })
const tokenizer = createTokenizer(trained, settings)
const anyText = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }))
const wellFormed = anyText.map((text) => text.toWellFormed())

describe('the tokenizer', () => {
  test('equal texts train equal tokenizers, and frequent words become one token', () => {
    expect(trainTokenizer(texts, { vocabularySize: 287, specialTokens })).toEqual(trained)
    expect(tokenizer.vocabularySize).toBe(287)
    expect(tokenizer.encode('function').length).toBe(1)
    expect([tokenizer.padId, tokenizer.bosId, tokenizer.eosId]).toEqual([0, 1, 2])
  })

  test('a merge joins the most frequent pair: checked against counting by hand', () => {
    // in "abababab cc" the pair ab comes 4 times, then (ab)(ab) twice
    const json = trainTokenizer(['abababab cc'], { vocabularySize: 258, specialTokens: [] }) as {
      model: { merges: [string, string][] }
    }
    expect(json.model.merges).toEqual([
      ['a', 'b'],
      ['ab', 'ab'],
    ])
  })

  test('text comes back as it was', () => {
    void fc.assert(
      fc.property(wellFormed, (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
      }),
    )
  })

  test('offsets tile the decoded text, whatever the ids', () => {
    const ids = fc.array(fc.nat(tokenizer.vocabularySize - 1))
    void fc.assert(
      fc.property(fc.oneof(wellFormed.map(tokenizer.encode), ids), (ids) => {
        const text = tokenizer.decode(ids)
        const offsets = tokenizer.offsets(ids)
        expect(offsets.length).toBe(ids.length)
        let at = 0
        for (const { start, end } of offsets) {
          expect(start).toBe(at)
          at = end
        }
        expect(at).toBe(text.length)
      }),
    )
  })

  test('text that looks like a special token is text', () => {
    const ids = tokenizer.encode('a<|eos|>b')
    expect(ids).not.toContain(tokenizer.eosId)
    expect(tokenizer.decode(ids)).toBe('a<|eos|>b')
    expect(tokenizer.decode([tokenizer.bosId, ...ids, tokenizer.eosId])).toBe('a<|eos|>b')
  })

  test('a conversation is its contents, line after line', () => {
    const prompt = tokenizer.chat([
      { role: 'system', content: 'contract Token {' },
      { role: 'user', content: '  function mint' },
    ])
    expect(prompt).toBe('contract Token {\n  function mint\n')
  })

  test('the chat template of a checkpoint is used when it has one', () => {
    const own = createTokenizer(trained, {
      ...settings,
      chat_template: '{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}',
    })
    expect(own.chat([{ role: 'user', content: 'hi' }])).toBe('[user]hi<|eos|>')
  })

  test('other tokenizers are refused by name', () => {
    expect(() => createTokenizer({ model: { type: 'Unigram' } }, {})).toThrow('no way to write every byte')
    expect(() => createTokenizer(null, {})).toThrow('no way to write every byte')
    expect(() => createTokenizer(trained, { eos_token: '</s>' })).toThrow('eos_token')
    expect(() => trainTokenizer(texts, { vocabularySize: 200, specialTokens })).toThrow('at least 259')
  })

  test("the shipped tokenizer gives the ids of Hugging Face's own implementation", async () => {
    const root = join(import.meta.dirname, '../../../..')
    const read = async (path: string) => JSON.parse(await readFile(join(root, path), 'utf8'))
    const shipped = createTokenizer(
      await read('assets/base/tokenizer.json'),
      await read('assets/base/tokenizer_config.json'),
    )
    const reference = await read('packages/model/test/fixtures/reference.json')
    expect(reference.tokenizer.length).toBeGreaterThan(3)
    for (const { text, ids } of reference.tokenizer) {
      expect(shipped.encode(text)).toEqual(ids)
      expect(shipped.decode(ids)).toBe(text)
    }
  })
})
