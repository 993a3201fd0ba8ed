/** Reads the text of an `Error(string)` out of revert data; `undefined` when it is something else. */
export function revertReason(data: string): string | undefined {
  // selector, offset, length, bytes
  if (!data.startsWith('0x08c379a0') || data.length < 138) return undefined
  const length = Number.parseInt(data.slice(74, 138), 16)
  const hex = data.slice(138, 138 + 2 * length)
  return hex.length === 2 * length ? Buffer.from(hex, 'hex').toString('utf8') : undefined
}
