import type { Attribution } from '@openledger/protocol'

/** All that speaks for one record. */
export type RecordReasons = {
  readonly recordId: string
  readonly sharePpm: number
  /** Its strongest influence; undefined when it had none. */
  readonly milliZ: number | undefined
  /** What it did as a passage of the prompt, in thousandths of a nat; undefined where it was none. */
  readonly milliNats: number | undefined
  /** The words that it shares with the answer, each once; empty when the answer is not known. */
  readonly passages: readonly string[]
  /** How many characters those are in the answer. */
  readonly characters: number
}

/** Gathers a share's reasons by record, the record with the most first. */
export function byRecord(
  reasons: readonly Attribution.Reason[],
  answer: string | undefined,
): readonly RecordReasons[] {
  return [...Map.groupBy(reasons, ({ recordId }) => recordId as string)]
    .map(([recordId, list]) => {
      const influences = list.flatMap((reason) => (reason.kind === 'influence' ? [reason.milliZ] : []))
      const context = list.find((reason) => reason.kind === 'context')
      const spans = list.filter((reason) => reason.kind === 'span')
      const words = spans.map(({ start, end }) => answer?.slice(start, end).replace(/\s+/g, ' ').trim() ?? '')
      return {
        recordId,
        sharePpm: list.reduce((sum, { sharePpm }) => sum + sharePpm, 0),
        milliZ: influences.length === 0 ? undefined : Math.max(...influences),
        milliNats: context?.milliNats,
        passages: [...new Set(words)].filter((passage) => passage !== ''),
        characters: spans.reduce((sum, { start, end }) => sum + end - start, 0),
      }
    })
    .sort((a, b) => b.sharePpm - a.sharePpm)
}

/** The first two lines of a record that say something, without their indentation. */
export function glimpse(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /[\p{L}\p{N}]/u.test(line))
  return `${lines.slice(0, 2).join('\n').slice(0, 200)}${lines.length > 2 ? ' …' : ''}`
}
