import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTokenizer, Gguf } from '../index.ts'

// made by scripts/vectors/sentencepiece.py with Hugging Face tokenizers
const bytes = await readFile(join(import.meta.dirname, '../../test/fixtures/sentencepiece.json'))
const forms = JSON.parse(bytes.toString()) as Record<
  string,
  { tokenizer: unknown; cases: { text: string; ids: number[]; decoded: string }[] }
>
const settings = { bos_token: '<s>', eos_token: '</s>', pad_token: '</s>' }

describe('tokenizers in the forms of SentencePiece', () => {
  test('the reference is the one that was made', () => {
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(
      '51a1b241f2a7d7725c4eb909264149da8d29485a36f1b47f0c00eecceafe119c',
    )
  })

  test.for(Object.entries(forms))(
    '%s: the ids and texts of the tokenizers library',
    ([, { tokenizer, cases }]) => {
      const { encode, decode } = createTokenizer(tokenizer, settings)
      for (const { text, ids, decoded } of cases) {
        expect(encode(text), JSON.stringify(text)).toEqual(ids)
        expect(decode(ids), JSON.stringify(text)).toBe(decoded)
      }
    },
  )

  test.for(['llama 2', 'mistral', 'gemma'])('%s: text comes back, and offsets tile it', (name) => {
    const { encode, decode, offsets } = createTokenizer(forms[name]!.tokenizer, settings)
    // what stands for a space in the vocabulary is one afterwards, and Mistral takes a text's own first space for the one before it
    const text = fc
      .string({ unit: 'grapheme' })
      .map((each) => each.toWellFormed().replaceAll('▁', ' '))
      .filter((each) => name !== 'mistral' || !each.startsWith(' '))
    fc.assert(
      fc.property(text, (each) => {
        const ids = encode(each)
        expect(decode(ids)).toBe(each)
        const spans = offsets(ids)
        expect(spans.map(({ start, end }) => each.slice(start, end)).join('')).toBe(each)
        expect(spans.at(-1)?.end ?? 0).toBe(each.length)
      }),
    )
  })

  test('what cannot write every byte is refused, and so is what llama.cpp would read wrongly', () => {
    const { tokenizer } = forms['llama 2']! as { tokenizer: { model: Record<string, unknown> } }
    const without = { ...tokenizer, model: { ...tokenizer.model, byte_fallback: false } }
    expect(() => createTokenizer(without, settings)).toThrow('with no way to write every byte')
    const vocab = Object.fromEntries(
      Object.entries(tokenizer.model['vocab'] as Record<string, number>).filter(
        ([piece]) => piece !== '<0x07>',
      ),
    )
    expect(() => createTokenizer({ ...tokenizer, model: { ...tokenizer.model, vocab } }, settings)).toThrow(
      'no piece for every byte',
    )
    expect(() => Gguf.vocabularyOf(tokenizer, 420)).toThrow('SentencePiece')
  })
})
