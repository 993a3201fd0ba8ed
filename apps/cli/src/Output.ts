import { Open } from '@openledger/primitives'

const colour = (code: number) => (text: string) =>
  process.stdout.isTTY ? `\u001b[${code}m${text}\u001b[0m` : text
export const bold = colour(1)
export const dim = colour(2)
export const green = colour(32)
export const cyan = colour(36)

/** Wei as OPEN with at most six significant decimals; the exact figure is on the page and in `--json`. */
export function open(wei: bigint | string): string {
  const [whole, fraction = ''] = Open.format(BigInt(wei)).split('.')
  const lead = fraction.match(/^0*/)![0].length
  const short = fraction.slice(0, Math.max(lead + 4, 0)).replace(/0+$/, '')
  return `${whole}${short === '' ? '' : `.${short}`} OPEN`
}

/** Parts per million as a percentage. */
export const percent = (ppm: number): string => `${(ppm / 10_000).toFixed(1)} %`

/** Prints rows as columns, the first row as their heads. */
export function table(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length))) ?? []
  for (const [index, row] of rows.entries()) {
    const line = row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd()
    console.log(index === 0 ? dim(line) : line)
  }
}
