import { BaseError } from '@openledger/primitives'

/** One axis: a length, or the name of a length that is known only when the session runs. */
export type Dim = number | string

/** The axes of a tensor, outermost first; `[]` is a scalar. */
export type Shape = readonly Dim[]

/** Whether two shapes are the same axis by axis; a name equals only itself. */
export const equals = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((dim, axis) => dim === b[axis])

/**
 * Counts the elements of a shape without names.
 * @throws {ShapeError} when an axis is a name.
 */
export function size(shape: Shape): number {
  let count = 1
  for (const dim of shape) {
    if (typeof dim !== 'number') throw new ShapeError(`Expected lengths only, got ${format(shape)}.`)
    count *= dim
  }
  return count
}

/**
 * Finds the shape of an elementwise operation by NumPy's broadcasting rule.
 * @throws {ShapeError} when two axes differ and neither is 1.
 */
export function broadcast(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length)
  const result: Dim[] = []
  for (let axis = 0; axis < rank; axis++) {
    const left = a[axis - rank + a.length] ?? 1
    const right = b[axis - rank + b.length] ?? 1
    if (left !== right && left !== 1 && right !== 1) {
      throw new ShapeError(`Expected shapes that broadcast, got ${format(a)} and ${format(b)}.`)
    }
    result.push(left === 1 ? right : left)
  }
  return result
}

/**
 * Turns an axis counted from the end into one counted from the start.
 * @throws {ShapeError} when the tensor has no such axis.
 */
export function axisOf(shape: Shape, axis: number): number {
  const resolved = axis < 0 ? axis + shape.length : axis
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= shape.length) {
    throw new ShapeError(`Expected an axis of ${format(shape)}, got ${axis}.`)
  }
  return resolved
}

/** Shows a shape as `[B, T, 64]`. */
export const format = (shape: Shape): string => `[${shape.join(', ')}]`

export class ShapeError extends BaseError {
  constructor(message: string) {
    super({ code: 'tensor.shape_mismatch', message: `${message} Correct the graph where it is built.` })
  }
}
