import { Wasm } from '@openledger/primitives'

/**
 * The two integer loops of a query over an index, with the index in their memory.
 *
 * Products are of 8-bit codes with 16-bit queries in 32-bit sums, which cannot overflow at these sizes, so scores are
 * the same bits on every machine.
 */
export type ScanKernels = {
  /** `[rowCount, width]` codes of the records, to be filled by the owner. */
  readonly codes: Int8Array
  /** `[directions, gradientWidth]` the map from gradients to codes, to be filled by the owner. */
  readonly transform: Int8Array
  /** `[directions, gradientWidth / GROUP]` the value of one step of `transform`, to be filled by the owner. */
  readonly transformScales: Float32Array
  /** Multiplies every row of `codes` with a query of `[width]` integers in [-127, 127]. Gives `[rowCount]`. */
  readonly scan: (query: ArrayLike<number>) => Int32Array
  /**
   * Maps a gradient, given as 16-bit steps with one scale for each group, to `[directions]`.
   * @param steps - `[gradientWidth]` integers in [-32767, 32767].
   */
  readonly project: (steps: Int16Array, groupScales: Float32Array) => Float64Array
}

/** Neighbouring gradient entries that share one scale. */
export const GROUP = 64
/** Rows whose sums are added up together. */
const ROWS = 4
/** Columns in one turn of the scan's loop, at fixed offsets from its addresses. */
const TURN = 32

/**
 * Starts the kernels over memory of their own.
 * @param width - Multiple of 32. @param gradientWidth - Multiple of `GROUP`. @param directions - Even.
 */
export function create(sizes: {
  readonly rowCount: number
  readonly width: number
  readonly directions: number
  readonly gradientWidth: number
}): ScanKernels {
  const { rowCount, width, directions, gradientWidth } = sizes
  const paddedRows = Math.ceil(rowCount / ROWS) * ROWS
  const groups = gradientWidth / GROUP
  let next = 0
  const take = (sizeBytes: number): number => {
    const at = next
    next += Math.ceil(sizeBytes / 16) * 16
    return at
  }
  const codesAt = take(paddedRows * width)
  const transformAt = take(directions * gradientWidth)
  const scalesAt = take(4 * directions * groups)
  const queryAt = take(2 * width)
  const productsAt = take(4 * paddedRows)
  const stepsAt = take(2 * gradientWidth)
  const groupScalesAt = take(4 * groups)
  const projectedAt = take(16 * directions)
  if (next > Wasm.MEMORY_BYTES_MAX) {
    throw new RangeError(
      `Expected an index of at most ${Wasm.MEMORY_BYTES_MAX} bytes in memory, got ${next}.`,
    )
  }
  const { buffer, call } = Wasm.instantiate({ scan: scanKernel, project: projectKernel }, next)
  const query16 = new Int16Array(buffer, queryAt, width)
  const products = new Int32Array(buffer, productsAt, rowCount)
  const steps16 = new Int16Array(buffer, stepsAt, gradientWidth)
  const scales32 = new Float32Array(buffer, groupScalesAt, groups)
  const lanes = new Float32Array(buffer, projectedAt, 4 * directions)
  return {
    codes: new Int8Array(buffer, codesAt, rowCount * width),
    transform: new Int8Array(buffer, transformAt, directions * gradientWidth),
    transformScales: new Float32Array(buffer, scalesAt, directions * groups),
    scan(query) {
      query16.set(query)
      call.scan(codesAt, paddedRows, width, queryAt, productsAt)
      return products.slice()
    },
    project(steps, groupScales) {
      steps16.set(steps)
      scales32.set(groupScales)
      call.project(transformAt, directions, gradientWidth, scalesAt, stepsAt, groupScalesAt, projectedAt)
      return Float64Array.from({ length: directions }, (_, k) =>
        // lanes are added in one stated order: sums of floats depend on it
        [0, 1, 2, 3].reduce((sum, lane) => sum + lanes[4 * k + lane]!, 0),
      )
    },
  }
}

const scanKernel: Wasm.Kernel = {
  parameterCount: 5,
  emit(e) {
    const [codes, rowCount, width, query, products] = [0, 1, 2, 3, 4] as const
    const row = e.local('i32')
    const k = e.local('i32')
    const zero = e.local('i32')
    const queryAt = e.local('i32')
    const codeAt = e.local('i32')
    const outAt = e.local('i32')
    const sums = Array.from({ length: ROWS }, () => e.local('v128'))
    e.get(codes)
    e.set(codeAt)
    e.repeat(row, rowCount, ROWS, () => {
      // one row after the other: rows side by side are read from as many places as there are rows, which the memory does not
      // fetch ahead (2.4 times the time at 512 columns)
      for (const sum of sums) {
        e.zero()
        e.set(sum)
        e.get(query)
        e.set(queryAt)
        e.get(zero)
        e.set(k)
        e.repeat(k, width, TURN, () => {
          for (let column = 0; column < TURN; column += 8) {
            e.get(sum)
            e.get(codeAt)
            e.load('signed8To16', column)
            e.get(queryAt)
            e.load('vector', 2 * column)
            e.simd('i32Dot16')
            e.simd('i32Add')
            e.set(sum)
          }
          advance(e, queryAt, 2 * TURN)
          advance(e, codeAt, TURN)
        })
      }
      e.address(outAt, products, row, 4)
      e.get(outAt)
      foldPairs(e, sums[0]!, sums[1]!)
      e.set(sums[0]!)
      foldPairs(e, sums[2]!, sums[3]!)
      e.set(sums[2]!)
      e.get(sums[0]!)
      e.get(sums[2]!)
      e.shuffle(words([0, 2, 4, 6]))
      e.get(sums[0]!)
      e.get(sums[2]!)
      e.shuffle(words([1, 3, 5, 7]))
      e.simd('i32Add')
      e.store()
    })
  },
}

const projectKernel: Wasm.Kernel = {
  parameterCount: 7,
  emit(e) {
    const [transform, directions, width, scales, steps, groupScales, projected] = [
      0, 1, 2, 3, 4, 5, 6,
    ] as const
    const k = e.local('i32')
    const group = e.local('i32')
    const zero = e.local('i32')
    const stepAt = e.local('i32')
    const groupScaleAt = e.local('i32')
    const outAt = e.local('i32')
    // two directions at a time share the loads of the gradient
    const rowAt = [e.local('i32'), e.local('i32')]
    const scaleAt = [e.local('i32'), e.local('i32')]
    const totals = [e.local('v128'), e.local('v128')]
    const sums = [e.local('v128'), e.local('v128')]
    const part = e.local('v128')
    const groupsBytes = e.local('i32')
    const rowOf = (target: number, base: number, row: number, strideBytes: number): void => {
      e.get(base)
      e.get(k)
      e.constant(row)
      e.i32('add')
      e.get(strideBytes)
      e.i32('multiply')
      e.i32('add')
      e.set(target)
    }
    e.get(zero)
    e.set(group)
    e.repeat(group, width, GROUP, () => advance(e, groupsBytes, 4))
    e.repeat(k, directions, 2, () => {
      for (let r = 0; r < 2; r++) {
        rowOf(rowAt[r]!, transform, r, width)
        rowOf(scaleAt[r]!, scales, r, groupsBytes)
        e.zero()
        e.set(totals[r]!)
      }
      e.get(steps)
      e.set(stepAt)
      e.get(groupScales)
      e.set(groupScaleAt)
      e.get(zero)
      e.set(group)
      e.repeat(group, width, GROUP, () => {
        for (let r = 0; r < 2; r++) {
          e.zero()
          e.set(sums[r]!)
        }
        for (let at = 0; at < GROUP; at += 8) {
          e.get(stepAt)
          e.load('vector', 2 * at)
          e.set(part)
          for (let r = 0; r < 2; r++) {
            e.get(sums[r]!)
            e.get(rowAt[r]!)
            e.load('signed8To16', at)
            e.get(part)
            e.simd('i32Dot16')
            e.simd('i32Add')
            e.set(sums[r]!)
          }
        }
        for (let r = 0; r < 2; r++) {
          e.get(totals[r]!)
          e.get(sums[r]!)
          e.simd('f32FromI32')
          e.get(scaleAt[r]!)
          e.load('splat32')
          e.get(groupScaleAt)
          e.load('splat32')
          e.simd('f32Multiply')
          e.simd('f32Multiply')
          e.simd('f32Add')
          e.set(totals[r]!)
          advance(e, rowAt[r]!, GROUP)
          advance(e, scaleAt[r]!, 4)
        }
        advance(e, stepAt, 2 * GROUP)
        advance(e, groupScaleAt, 4)
      })
      e.address(outAt, projected, k, 16)
      for (let r = 0; r < 2; r++) {
        e.get(outAt)
        e.get(totals[r]!)
        e.store(16 * r)
      }
    })
  },
}

function advance(e: Wasm.Emitter, address: number, bytes: number): void {
  e.get(address)
  e.constant(bytes)
  e.i32('add')
  e.set(address)
}

const words = (lanes: readonly number[]): number[] =>
  lanes.flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3])

/** Leaves `[a0+a2, a1+a3, b0+b2, b1+b3]`. */
function foldPairs(e: Wasm.Emitter, a: number, b: number): void {
  for (const lanes of [
    [0, 1, 4, 5],
    [2, 3, 6, 7],
  ]) {
    e.get(a)
    e.get(b)
    e.shuffle(words(lanes))
  }
  e.simd('i32Add')
}
