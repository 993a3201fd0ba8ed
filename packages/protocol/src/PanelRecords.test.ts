import { expect, test } from 'vitest'
import type * as Http from './Http.ts'
import * as PanelRecords from './PanelRecords.ts'

const records = Array.from({ length: 300 }, (_, index) => ({
  id: `0x${index.toString(16).padStart(64, '0')}`,
  verdict: index === 2 || index === 257 ? 'accepted' : 'rejected',
})) as unknown as Http.RecordDetail[]

test('records go to the panel by parts of 256, lowest bit first', () => {
  const [caseId, ids, standing] = PanelRecords.carryOutArguments(9, { records })
  expect([caseId, ids.length, standing]).toEqual([9n, 300, [4n, 2n]])
})

test('words of records are read back to their places', () => {
  expect(PanelRecords.indexesOf((1n << 255n) | 5n, 1)).toEqual([256, 258, 511])
  expect(PanelRecords.indexesOf(0n, 3)).toEqual([])
})
