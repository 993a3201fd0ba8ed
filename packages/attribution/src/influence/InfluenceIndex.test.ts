import { Bytes, Merkle } from '@openledger/primitives'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as IndexFile from '../IndexFile.ts'
import * as InfluenceIndex from './InfluenceIndex.ts'
import * as Whitening from './Whitening.ts'

const blocks = [
  { name: 'layers.0.q.a', size: 12 },
  { name: 'layers.0.q.b', size: 70 },
  { name: 'layers.1.q.a', size: 7 },
]
const parameterCount = 89

/** Reproducible gradients whose directions differ in size by orders of magnitude, as real ones do. */
function gradients(seed: number, count: number, size = parameterCount): Float32Array[] {
  let state = seed
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  }
  return Array.from({ length: count }, () => {
    const shared = random()
    return Float32Array.from({ length: size }, (_, i) => (random() + shared) * 0.01 * 100 ** ((i % 11) / 10))
  })
}

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `record-${i}`)

/** The oracle: forms each block's damped curvature and inverts it, in f64. */
function exactScores(rows: Float32Array[], fisher: Float32Array[], query: Float32Array): number[] {
  const totals = rows.map(() => ({ product: 0, norm: 0 }))
  let offset = 0
  for (const { size } of blocks) {
    const part = (row: Float32Array): number[] => [...row.subarray(offset, offset + size)]
    const curvature = Array.from({ length: size }, () => new Array<number>(size).fill(0))
    for (const row of fisher.map(part)) {
      for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) curvature[i]![j]! += row[i]! * row[j]!
    }
    const trace = curvature.reduce((sum, row, i) => sum + row[i]!, 0)
    for (let i = 0; i < size; i++) curvature[i]![i]! += (0.3 * trace) / size
    const inverse = invert(curvature)
    const solve = (v: number[]): number[] =>
      inverse.map((row) => row.reduce((sum, x, i) => sum + x * v[i]!, 0))
    const dot = (a: number[], b: number[]): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
    const q = solve(part(query))
    for (const [i, row] of rows.entries()) {
      totals[i]!.product += dot(part(row), q)
      totals[i]!.norm += dot(part(row), solve(part(row)))
    }
    offset += size
  }
  return totals.map(({ product, norm }) => (norm === 0 ? 0 : product / Math.sqrt(norm)))
}

function invert(matrix: number[][]): number[][] {
  const size = matrix.length
  const work = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))])
  for (let k = 0; k < size; k++) {
    const pivot = work[k]![k]!
    work[k] = work[k]!.map((x) => x / pivot)
    for (let i = 0; i < size; i++) {
      if (i === k) continue
      const factor = work[i]![k]!
      work[i] = work[i]!.map((x, j) => x - factor * work[k]![j]!)
    }
  }
  return work.map((row) => row.slice(size))
}

/** Largest difference after the best common scale, as a part of the largest score. */
function misfit(scores: ArrayLike<number>, expected: readonly number[]): number {
  let product = 0
  let square = 0
  for (let i = 0; i < expected.length; i++) {
    product += scores[i]! * expected[i]!
    square += scores[i]! * scores[i]!
  }
  const scale = product / square
  const max = Math.max(...expected.map(Math.abs))
  return Math.max(...expected.map((value, i) => Math.abs(value - scores[i]! * scale))) / max
}

describe('whitened inner products', () => {
  test('equal those of the explicit inverse', async () => {
    const rows = gradients(1, 40)
    const fisher = gradients(2, 50)
    const { gram, normsSquared } = await Whitening.relate({ blocks, rows, fisher, landmarkCount: 40 })
    for (const [j, query] of rows.entries()) {
      const expected = exactScores(rows, fisher, query)
      const found = rows.map((_, i) => gram[i * 40 + j]! / Math.sqrt(normsSquared[i]!))
      for (const [i, value] of found.entries()) expect(Math.abs(value / expected[i]! - 1)).toBeLessThan(1e-3)
      expect(misfit(found, expected)).toBeLessThan(1e-5)
    }
  })

  test('are the same whether Fisher rows are fewer or more than parameters', async () => {
    const rows = gradients(1, 20)
    for (const count of [3, 200]) {
      const fisher = gradients(2, count)
      const { gram, normsSquared } = await Whitening.relate({ blocks, rows, fisher, landmarkCount: 20 })
      const found = rows.map((_, i) => gram[i * 20]! / Math.sqrt(normsSquared[i]!))
      expect(misfit(found, exactScores(rows, fisher, rows[0]!))).toBeLessThan(1e-5)
    }
  })

  test('keep their digits where curvature explains nearly all of a gradient', async () => {
    const [loud] = gradients(20, 1)
    const along = (list: Float32Array[], factor: number) =>
      list.map((row) => row.map((x, i) => x + factor * loud![i]!))
    const rows = along(gradients(1, 20), 30)
    const fisher = along(gradients(2, 200), 10)
    const { gram, normsSquared } = await Whitening.relate({ blocks, rows, fisher, landmarkCount: 20 })
    for (const [j, query] of rows.entries()) {
      const found = rows.map((_, i) => gram[i * 20 + j]! / Math.sqrt(normsSquared[i]!))
      expect(misfit(found, exactScores(rows, fisher, query))).toBeLessThan(1e-3)
    }
  })
})

describe('the scores of an influence index', async () => {
  const rows = gradients(1, 60)
  const fisher = gradients(2, 80)
  const index = await InfluenceIndex.build({ blocks, rows, fisher, recordIds: names(60) })

  test('follow the explicit inverse within the rounding of 8-bit codes', () => {
    expect(index.dimension).toBe(128)
    expect(index.energyPpm).toBe(1_000_000)
    for (const query of [...gradients(3, 10), ...rows.slice(0, 5)]) {
      expect(misfit(InfluenceIndex.score(index, query), exactScores(rows, fisher, query))).toBeLessThan(0.03)
    }
  })

  test('do not change when copies are registered, if directions are learned from originals alone', async () => {
    const [query] = gradients(4, 1)
    const copies = Array.from({ length: 20 }, (_, i) => rows[i % 3]!)
    const more = await InfluenceIndex.build({
      blocks,
      fisher,
      rows: [...rows, ...copies],
      recordIds: names(80),
      originals: rows.map((_, i) => i),
    })
    expect(InfluenceIndex.score(more, query!).subarray(0, 60)).toEqual(InfluenceIndex.score(index, query!))
    await expect(
      InfluenceIndex.build({ blocks, fisher, rows, recordIds: names(60), originals: [] }),
    ).rejects.toThrow(InfluenceIndex.GradientShapeError)
  })

  test('are whole numbers and the same every time', async () => {
    const [query] = gradients(4, 1)
    const scores = InfluenceIndex.score(index, query!)
    expect(scores.every(Number.isInteger)).toBe(true)
    expect(InfluenceIndex.score(index, query!)).toEqual(scores)
    const again = await InfluenceIndex.build({ blocks, rows, fisher, recordIds: names(60) })
    expect(again.root).toBe(index.root)
    expect(InfluenceIndex.score(again, query!)).toEqual(scores)
  })

  test('find the record itself among all, and give an exact copy the same score', async () => {
    const copied = await InfluenceIndex.build({
      blocks,
      rows: [...rows, rows[17]!.slice()],
      fisher,
      recordIds: names(61),
    })
    const scores = InfluenceIndex.score(copied, rows[17]!)
    expect(scores[60]).toBe(scores[17])
    expect(scores.indexOf(Math.max(...scores))).toBe(17)
  })

  test('do not change order with the scale of a gradient, a row or all Fisher rows', async () => {
    const [query] = gradients(5, 1)
    const scores = InfluenceIndex.score(index, query!)
    const larger = query!.map((x) => x * 8)
    expect(InfluenceIndex.score(index, larger)).toEqual(scores)
    const scaled = await InfluenceIndex.build({
      blocks,
      rows: rows.map((row, i) => row.map((x) => x * (i === 3 ? 64 : 1))),
      fisher: fisher.map((row) => row.map((x) => x * 4)),
      recordIds: names(60),
    })
    expect(misfit(InfluenceIndex.score(scaled, query!), [...scores])).toBeLessThan(0.01)
  })

  test('move with the rows when rows are permuted', async () => {
    const [query] = gradients(6, 1)
    const reversed = await InfluenceIndex.build({
      blocks,
      rows: rows.toReversed(),
      fisher: fisher.toReversed(),
      recordIds: names(60).toReversed(),
    })
    const there = [...InfluenceIndex.score(index, query!)]
    expect(misfit(InfluenceIndex.score(reversed, query!), there.toReversed())).toBeLessThan(0.02)
  })

  test('are zero for a record or an answer without gradient and ignore a block without curvature', async () => {
    const silent = rows.map((row, i) => row.map((x, k) => (i === 5 || k < 12 ? 0 : x)))
    const flat = fisher.map((row) => row.map((x, k) => (k < 12 ? 0 : x)))
    const quiet = await InfluenceIndex.build({ blocks, rows: silent, fisher: flat, recordIds: names(60) })
    const [query] = gradients(7, 1)
    expect(InfluenceIndex.score(quiet, query!)[5]).toBe(0)
    expect(InfluenceIndex.score(quiet, query!).some((score) => score !== 0)).toBe(true)
    expect([...InfluenceIndex.score(quiet, new Float32Array(parameterCount))]).toEqual(Array(60).fill(0))
  })

  test('are zero when no record or no sampled label has a gradient', async () => {
    const silent = Array.from({ length: 3 }, () => new Float32Array(parameterCount))
    for (const source of [
      { rows: silent, fisher },
      { rows: rows.slice(0, 3), fisher: silent },
    ]) {
      const quiet = await InfluenceIndex.build({ blocks, recordIds: names(3), ...source })
      expect([...InfluenceIndex.score(quiet, rows[9]!)]).toEqual([0, 0, 0])
      expect(InfluenceIndex.nearestEarlier(quiet).map(({ row }) => row)).toEqual([-1, -1, -1])
    }
  })

  test('still follow the explicit inverse when there are more rows than landmarks', async () => {
    const many = gradients(8, 1100)
    const large = await InfluenceIndex.build({ blocks, rows: many, fisher, recordIds: names(1100) })
    const [query] = gradients(9, 1)
    expect(misfit(InfluenceIndex.score(large, query!), exactScores(many, fisher, query!))).toBeLessThan(0.05)
  })

  test('are refused for gradients of another adapter or with values that are no numbers', async () => {
    expect(() => InfluenceIndex.score(index, new Float32Array(5))).toThrowError(
      expect.objectContaining({ code: 'influence.gradient_shape' }),
    )
    const broken = rows[0]!.slice()
    broken[3] = Number.NaN
    expect(() => InfluenceIndex.score(index, broken)).toThrowError(InfluenceIndex.GradientValueError)
    await expect(InfluenceIndex.build({ blocks, rows, fisher: [], recordIds: names(60) })).rejects.toThrow(
      InfluenceIndex.GradientShapeError,
    )
  })
})

describe('the bytes of an influence index', async () => {
  const index = await InfluenceIndex.build({
    blocks,
    rows: gradients(1, 20),
    fisher: gradients(2, 20),
    recordIds: names(20),
  })

  test('carry everything that scores depend on', () => {
    const bytes = InfluenceIndex.encode(index)
    const decoded = InfluenceIndex.decode(bytes)
    const [query] = gradients(3, 1)
    expect(InfluenceIndex.encode(decoded)).toEqual(bytes)
    expect(decoded.root).toBe(index.root)
    expect(InfluenceIndex.score(decoded, query!)).toEqual(InfluenceIndex.score(index, query!))
  })

  test('are refused when cut or altered', () => {
    const bytes = InfluenceIndex.encode(index)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        expect(() => InfluenceIndex.decode(bytes.subarray(0, at))).toThrowError(IndexFile.IndexBytesError)
        const altered = bytes.slice()
        altered[at]! ^= flip
        let decoded: InfluenceIndex.InfluenceIndex | undefined
        try {
          decoded = InfluenceIndex.decode(altered)
        } catch (error) {
          expect(error).toBeInstanceOf(IndexFile.IndexBytesError)
        }
        if (decoded !== undefined) expect(InfluenceIndex.encode(decoded)).toEqual(bytes)
      }),
      { numRuns: 40 },
    )
  })

  test('give the same scores on every machine', () => {
    const [given, rowCount, width, gradientWidth] = [blocks.slice(0, 1), 4, 64, 64]
    let state = 11
    const fill = <Values extends Int8Array | Uint16Array>(values: Values): Values => {
      for (let i = 0; i < values.length; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        values[i] = state >>> 25
      }
      return values
    }
    const parts = {
      recordIds: names(rowCount),
      dimension: width,
      codes: fill(new Int8Array(rowCount * width)),
      scales: fill(new Uint16Array(rowCount)),
    }
    const leaves = parts.recordIds.map((_, row) => Merkle.hashLeaf(InfluenceIndex.rowLeaf(parts, row)))
    const header = {
      blocks: given,
      recordIds: parts.recordIds,
      dimension: width,
      energyPpm: 1,
      rowsRoot: Bytes.toHex(Merkle.build(leaves).root),
      damping: Whitening.DAMPING,
    }
    const transform = fill(new Int8Array(width * gradientWidth))
    const transformScales = new Float32Array(width).fill(0.25)
    const sections = [parts.codes, parts.scales, transform, transformScales].map(IndexFile.bytesOf)
    const index = InfluenceIndex.decode(IndexFile.encode({ kind: 'INFL', version: 1, header, sections }))
    const [query] = gradients(3, 1, given[0]!.size)
    expect([...InfluenceIndex.score(index, query!)]).toMatchInlineSnapshot(`
      [
        -33189960,
        -2024386,
        -10789695,
        -20695328,
      ]
    `)
  })

  test('open one row alone', () => {
    const { bytes, proof } = InfluenceIndex.proveRow(index, 13)
    const root = Bytes.fromHex(index.rowsRoot)
    expect(Merkle.verify(root, Merkle.hashLeaf(bytes), proof)).toBe(true)
    bytes[bytes.length - 1]! ^= 1
    expect(Merkle.verify(root, Merkle.hashLeaf(bytes), proof)).toBe(false)
  })
})
