import { Bytes, type Hex } from '@openledger/primitives'
import { concatHex, keccak256 } from 'viem'
import { expect, test } from 'vitest'
import * as Manifest from './Manifest.ts'
import * as RecordTable from './RecordTable.ts'

const hash = (byte: string): Hex => `0x${byte.repeat(32)}`
const row = {
  recordId: hash('01'),
  contributionId: hash('02'),
  clusterId: hash('03'),
  text: 'contract A {}\n"ünïcode"',
  tokens: [1, 2, 65_536],
  echoes: [[0, 8] as const],
}

test('a record table comes back as it was, and equal tables give equal bytes', () => {
  const bytes = RecordTable.encode({ records: [row] })
  expect(RecordTable.decode(bytes)).toEqual({ records: [row] })
  const { text, ...rest } = row
  expect(RecordTable.encode({ records: [{ text, ...rest }] })).toEqual(bytes)
})

test('a manifest comes back as it was', () => {
  const records = [{ contributionId: hash('02'), index: 0, recordId: hash('01') }]
  const manifest = { datanetId: '7', parentVersion: 3, records }
  expect(Manifest.decode(Manifest.encode(manifest))).toEqual(manifest)
})

test.each(['{}', '[]', 'null', '{"version":2,"records":[]}'])('other JSON is refused: %s', (json) => {
  expect(() => RecordTable.decode(Bytes.fromUtf8(json))).toThrow(
    expect.objectContaining({ code: 'record_table.bytes' }),
  )
  expect(() => Manifest.decode(Bytes.fromUtf8(json))).toThrow(
    expect.objectContaining({ code: 'manifest.bytes' }),
  )
})

test('the attribution root commits to each of its parts, as viem computes it', () => {
  const parts = { influenceRoot: hash('0a'), spansRoot: hash('0b'), tableHash: hash('0c') }
  expect(RecordTable.attributionRoot(parts)).toBe(keccak256(concatHex([hash('0a'), hash('0b'), hash('0c')])))
})
