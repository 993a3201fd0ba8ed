/** The page of what a person looks for: a block by its number, a transaction by its hash; undefined for anything else. */
export function addressOf(value: string): string | undefined {
  const text = value.trim()
  if (/^0x[0-9a-f]{64}$/i.test(text)) return `/explorer/transactions/${text.toLowerCase()}`
  const digits = text.replaceAll(',', '')
  return /^\d{1,15}$/.test(digits) ? `/explorer/blocks/${Number(digits)}` : undefined
}
