import { RLP } from '@ethereumjs/rlp'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Rlp from './Rlp.ts'

const item: fc.Arbitrary<Rlp.RlpInput> = fc.letrec<{ item: Rlp.RlpInput }>((tie) => ({
  item: fc.oneof(
    { depthSize: 'small' },
    fc.uint8Array({ maxLength: 80 }),
    fc.uint8Array({ minLength: 250, maxLength: 300 }),
    fc.bigInt(0n, 2n ** 256n - 1n),
    fc.nat(),
    fc.constantFrom(0, 1, 127, 128, 255, 256),
    fc.array(tie('item'), { maxLength: 12 }),
  ),
})).item

describe('RLP', () => {
  test('is read as EthereumJS reads it, and refused where it refuses', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 80 }), (bytes) => {
        let theirs: unknown
        try {
          theirs = RLP.decode(bytes)
        } catch {
          expect(() => Rlp.decode(bytes)).toThrow(Rlp.MalformedRlpError)
          return
        }
        expect(Rlp.decode(bytes)).toEqual(theirs)
      }),
      { numRuns: 2000 },
    )
  })

  test('is written as EthereumJS writes it', () => {
    fc.assert(
      fc.property(item, (input) => {
        expect(Rlp.encode(input)).toEqual(RLP.encode(input as never))
      }),
      {
        numRuns: 1000,
      },
    )
    const long = new Array<Uint8Array>(3000).fill(new Uint8Array(40))
    expect(Rlp.encode(long)).toEqual(RLP.encode(long))
    expect(Rlp.encode(new Uint8Array(70_000))).toEqual(RLP.encode(new Uint8Array(70_000)))
  })

  test('is taken from a stream item by item', () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 5 }), fc.uint8Array({ maxLength: 3 }), (inputs, tail) => {
        const stream = Uint8Array.from(inputs.flatMap((input) => [...Rlp.encode(input)]).concat([...tail]))
        let rest: Uint8Array = stream
        for (const input of inputs) {
          const first = Rlp.decodeFirst(rest)
          expect(first.item).toEqual(RLP.decode(Rlp.encode(input)))
          rest = first.rest
        }
        expect([...rest]).toEqual([...tail])
      }),
    )
  })

  test('that is not canonical, or of another shape, is refused with the field’s name', () => {
    for (const bytes of [
      [],
      [0x81, 0x05],
      [0xb8, 0x01, 0x05],
      [0x83, 1, 2],
      [0xc2, 0x01],
      [0x05, 0x05],
      [0xbf, 255, 255, 255, 255, 255, 255, 255, 255],
    ]) {
      expect(() => Rlp.decode(Uint8Array.from(bytes)), `${bytes}`).toThrow(Rlp.MalformedRlpError)
    }
    const nested = Rlp.encode(new Array(40).fill(0).reduce<Rlp.RlpInput>((inner) => [inner], []))
    expect(() => Rlp.decode(nested)).toThrow('nest deeper')
    expect(() => Rlp.uint(Uint8Array.of(0, 1), 'nonce')).toThrow('nonce must have no leading zero')
    expect(() => Rlp.uint(new Uint8Array(33).fill(1), 'value')).toThrow('value must fit 256 bits')
    expect(() => Rlp.uint64(new Uint8Array(9).fill(1), 'gas')).toThrow('gas must fit 64 bits')
    expect(() => Rlp.bytes([], 'to')).toThrow('to must be bytes')
    expect(() => Rlp.list([new Uint8Array()], 'log', 3)).toThrow('log must have 3 items')
  })
})
