/** Places of records that a person counts from one; undefined while they are none. */
export function indexesOf(text: string, recordCount: number): number[] | undefined {
  const numbers = text.split(/[\s,]+/).filter((word) => word !== '')
  const isValid = numbers.every(
    (word) => /^\d+$/.test(word) && Number(word) >= 1 && Number(word) <= recordCount,
  )
  return numbers.length > 0 && isValid ? [...new Set(numbers.map((word) => Number(word) - 1))] : undefined
}
