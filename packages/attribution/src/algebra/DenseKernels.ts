import * as Wasm from './Wasm.ts'

/**
 * Products of rows with rows, the one operation that all dense algebra of the index is cut into.
 *
 * Row counts of `a` are even and of `b` multiples of four; widths are multiples of four (f32) or two (f64): callers
 * pad with zeros. Strides are in elements, addresses in bytes, all aligned to 16 bytes.
 */
export type DenseKernels = {
  readonly buffer: ArrayBuffer
  /** `c[i, j] += Σ a[i, k] · b[j, k]`, f32 in and f64 out; partial sums leave f32 every 128 terms. */
  readonly addProducts32: (p: Products) => void
  /** `c[i, j] -= Σ a[i, k] · b[j, k]`, all f64. */
  readonly subtractProducts64: (p: Products) => void
}

export type Products = {
  readonly a: number
  readonly aStride: number
  readonly aRows: number
  readonly b: number
  readonly bStride: number
  readonly bRows: number
  readonly c: number
  readonly cStride: number
  readonly width: number
}

/** f32 keeps 24 bits: a partial sum of this many products loses less than the rounding of its inputs. */
const PARTIAL_WIDTH = 128
/** A part of `b` this high and wide stays in a core's cache while all of `a` passes. */
const PARTIAL_ROWS = 256
const TILE_A = 2
const TILE_B = 4

/** Starts the kernels over a fresh memory. */
export function create(sizeBytes: number): DenseKernels {
  const { buffer, call } = Wasm.instantiate({ products32: products(4), products64: products(8) }, sizeBytes)
  return {
    buffer,
    addProducts32: (p) => forParts(p, 4, (part) => call.products32(...parameters(part, 4))),
    subtractProducts64: (p) => forParts(p, 8, (part) => call.products64(...parameters(part, 8))),
  }
}

function forParts(p: Products, elementBytes: 4 | 8, visit: (part: Products) => void): void {
  for (let at = 0; at < p.width; at += PARTIAL_WIDTH) {
    const width = Math.min(PARTIAL_WIDTH, p.width - at)
    const a = p.a + elementBytes * at
    for (let row = 0; row < p.bRows; row += PARTIAL_ROWS) {
      const b = p.b + elementBytes * (at + row * p.bStride)
      visit({ ...p, a, b, width, bRows: Math.min(PARTIAL_ROWS, p.bRows - row), c: p.c + 8 * row })
    }
  }
}

const parameters = (p: Products, elementBytes: number): number[] => [
  p.a,
  p.aStride * elementBytes,
  p.aRows,
  p.b,
  p.bStride * elementBytes,
  p.bRows,
  p.c,
  p.cStride * 8,
  p.width * elementBytes,
]

/**
 * The kernel for inputs of `elementBytes`: tiles of 2 by 4 rows, whose eight sums stay in registers over the width.
 *
 * f32 sums are added to `c`, f64 sums are subtracted from it: what either use needs.
 */
function products(elementBytes: 4 | 8): Wasm.Kernel {
  return {
    parameterCount: 9,
    emit(e) {
      const [a, aStride, aRows, b, bStride, bRows, c, cStride, widthBytes] = [0, 1, 2, 3, 4, 5, 6, 7, 8]
      const i = e.local('i32')
      const j = e.local('i32')
      const k = e.local('i32')
      const zero = e.local('i32')
      const aAt = Array.from({ length: TILE_A }, () => e.local('i32'))
      const bAt = Array.from({ length: TILE_B }, () => e.local('i32'))
      const cAt = Array.from({ length: TILE_A }, () => e.local('i32'))
      const sums = Array.from({ length: TILE_A * TILE_B }, () => e.local('v128'))
      const left = Array.from({ length: TILE_A }, () => e.local('v128'))
      const right = e.local('v128')
      const multiply = elementBytes === 4 ? 'f32Multiply' : 'f64Multiply'
      const add = elementBytes === 4 ? 'f32Add' : 'f64Add'
      const plus = (target: number, from: number, step: number): void => {
        e.get(from)
        e.get(step)
        e.i32('add')
        e.set(target)
      }
      e.repeat(i, aRows!, TILE_A, () => {
        rowAddress(e, aAt[0]!, a!, i, aStride!)
        plus(aAt[1]!, aAt[0]!, aStride!)
        rowAddress(e, cAt[0]!, c!, i, cStride!)
        plus(cAt[1]!, cAt[0]!, cStride!)
        e.get(zero)
        e.set(j)
        e.repeat(j, bRows!, TILE_B, () => {
          rowAddress(e, bAt[0]!, b!, j, bStride!)
          for (let t = 1; t < TILE_B; t++) plus(bAt[t]!, bAt[t - 1]!, bStride!)
          for (const sum of sums) {
            e.zero()
            e.set(sum)
          }
          e.get(zero)
          e.set(k)
          e.repeat(k, widthBytes!, 16, () => {
            for (let s = 0; s < TILE_A; s++) {
              plus2(e, aAt[s]!, k)
              e.load('vector')
              e.set(left[s]!)
            }
            for (let t = 0; t < TILE_B; t++) {
              plus2(e, bAt[t]!, k)
              e.load('vector')
              e.set(right)
              for (let s = 0; s < TILE_A; s++) {
                e.get(sums[s * TILE_B + t]!)
                e.get(left[s]!)
                e.get(right)
                e.simd(multiply)
                e.simd(add)
                e.set(sums[s * TILE_B + t]!)
              }
            }
          })
          for (let s = 0; s < TILE_A; s++) {
            for (let pair = 0; pair < TILE_B; pair += 2) {
              const first = sums[s * TILE_B + pair]!
              const second = sums[s * TILE_B + pair + 1]!
              e.get(cAt[s]!)
              e.get(cAt[s]!)
              e.load('vector', 8 * pair)
              if (elementBytes === 4) laneSums32(e, first, second)
              else laneSums64(e, first, second)
              e.simd(elementBytes === 4 ? 'f64Add' : 'f64Subtract')
              e.store(8 * pair)
            }
            e.get(cAt[s]!)
            e.constant(8 * TILE_B)
            e.i32('add')
            e.set(cAt[s]!)
          }
        })
      })
    },
  }
}

const plus2 = (e: Wasm.Emitter, x: number, y: number): void => {
  e.get(x)
  e.get(y)
  e.i32('add')
}

function rowAddress(e: Wasm.Emitter, target: number, base: number, row: number, strideBytes: number): void {
  e.get(base)
  e.get(row)
  e.get(strideBytes)
  e.i32('multiply')
  e.i32('add')
  e.set(target)
}

const bytesOfLanes = (lanes: readonly number[], laneBytes: number): number[] =>
  lanes.flatMap((lane) => Array.from({ length: laneBytes }, (_, i) => lane * laneBytes + i))

/** Leaves `[Σ first, Σ second]` as two f64. */
function laneSums64(e: Wasm.Emitter, first: number, second: number): void {
  e.get(first)
  e.get(second)
  e.shuffle(bytesOfLanes([0, 2], 8))
  e.get(first)
  e.get(second)
  e.shuffle(bytesOfLanes([1, 3], 8))
  e.simd('f64Add')
}

function laneSums32(e: Wasm.Emitter, first: number, second: number): void {
  for (const lanes of [
    [0, 4],
    [1, 5],
    [2, 6],
    [3, 7],
  ]) {
    e.get(first)
    e.get(second)
    e.shuffle(bytesOfLanes([...lanes, ...lanes], 4))
    e.simd('f64FromLowF32')
    if (lanes[0] !== 0) e.simd('f64Add')
  }
}
