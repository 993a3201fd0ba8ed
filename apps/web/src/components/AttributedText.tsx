import type { Attribution } from '@openledger/protocol'
import { Fragment, type KeyboardEvent } from 'react'

/** Colours of payees by rank; further payees share the last. Chosen to differ in lightness as well as in hue. */
const PALETTE = ['cyan', 'orange', 'grape', 'lime', 'pink', 'indigo', 'yellow', 'teal'] as const

/** Gives each contribution of an attribution its colour, highest share first. */
export function colours(attribution: Attribution.Attribution): Map<string, string> {
  const ranked = [...attribution.shares].sort((a, b) => b.sharePpm - a.sharePpm)
  return new Map(
    ranked.map((share, rank) => [share.contributionId, PALETTE[Math.min(rank, PALETTE.length - 1)]!]),
  )
}

type Piece = { readonly start: number; readonly end: number; readonly contributionId: string | undefined }

/** Cuts an answer where its spans begin and end; overlapping spans give the text to the first that covers it. */
export function pieces(answer: string, attribution: Attribution.Attribution): Piece[] {
  const spans = attribution.shares
    .flatMap((share) =>
      share.reasons.flatMap((reason) =>
        reason.kind === 'span'
          ? [{ start: reason.start, end: reason.end, contributionId: share.contributionId }]
          : [],
      ),
    )
    .sort((a, b) => a.start - b.start || b.end - a.end)
  const cut: Piece[] = []
  let at = 0
  for (const span of spans) {
    const start = Math.max(span.start, at)
    const end = Math.min(span.end, answer.length)
    if (end <= start) continue
    if (start > at) cut.push({ start: at, end: start, contributionId: undefined })
    cut.push({ start, end, contributionId: span.contributionId })
    at = end
  }
  if (at < answer.length) cut.push({ start: at, end: answer.length, contributionId: undefined })
  return cut
}

type Props = {
  answer: string
  attribution: Attribution.Attribution
  titles: ReadonlyMap<string, string>
  selected: string | undefined
  onSelect: (contributionId: string | undefined) => void
}

/** An answer with the words that stand in someone's data marked in that contributor's colour. */
export function AttributedText({ answer, attribution, titles, selected, onSelect }: Props) {
  const colour = colours(attribution)
  return (
    <div className="answer">
      {pieces(answer, attribution).map(({ start, end, contributionId }) => {
        const text = answer.slice(start, end)
        if (contributionId === undefined) return <Fragment key={start}>{text}</Fragment>
        const name = colour.get(contributionId)!
        const select = () => onSelect(selected === contributionId ? undefined : contributionId)
        return (
          // biome-ignore lint/a11y/useSemanticElements: a button cannot wrap across lines as text does
          <span
            key={start}
            className="attributed"
            role="button"
            tabIndex={0}
            aria-label={`${text} (also in ${titles.get(contributionId) ?? 'a contribution'})`}
            title={titles.get(contributionId)}
            data-dimmed={selected !== undefined && selected !== contributionId}
            style={{
              ['--attributed-fill' as string]: `var(--mantine-color-${name}-light)`,
              ['--attributed-line' as string]: `var(--mantine-color-${name}-filled)`,
            }}
            onClick={select}
            onKeyDown={(event: KeyboardEvent) => {
              if (event.key !== 'Enter' && event.key !== ' ') return
              event.preventDefault()
              select()
            }}
          >
            {text}
          </span>
        )
      })}
    </div>
  )
}
