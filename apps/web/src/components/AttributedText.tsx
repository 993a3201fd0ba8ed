import { Tooltip } from '@mantine/core'
import type { Attribution } from '@openledger/protocol'
import { Fragment, type KeyboardEvent } from 'react'
import { payeeColours } from './payeeColours.ts'
import { type Piece, pieces } from './pieces.ts'
import { type Payees, payeeName } from './usePayees.ts'

type Props = {
  prompt: string
  answer: string
  attribution: Attribution.Attribution
  payees: Payees
  /** The contribution that a person has chosen. */
  selected: string | undefined
  onSelect: (contributionId: string | undefined) => void
}

/** An answer after its prompt, with the words that stand in someone's data marked in that contributor's colour. */
export function AttributedText({ prompt, answer, attribution, payees, selected, onSelect }: Props) {
  const colours = payeeColours(attribution)
  return (
    <div className="answer">
      <span className="answer-prompt">{prompt}</span>
      {pieces(answer, attribution).map((piece) => {
        const text = answer.slice(piece.start, piece.end)
        if (piece.contributionIds.length === 0) return <Fragment key={piece.start}>{text}</Fragment>
        const shown = piece.contributionIds.find((each) => each === selected) ?? piece.contributionIds[0]!
        return (
          <Mark
            key={piece.start}
            text={text}
            colour={colours.get(shown)!}
            names={piece.contributionIds.map((each) => payeeName(payees, each))}
            state={stateOf(piece, selected)}
            onToggle={() => onSelect(selected === shown ? undefined : shown)}
          />
        )
      })}
    </div>
  )
}

type MarkState = 'plain' | 'active' | 'dimmed'

function stateOf(piece: Piece, selected: string | undefined): MarkState {
  if (selected === undefined) return 'plain'
  return piece.contributionIds.includes(selected) ? 'active' : 'dimmed'
}

type MarkProps = {
  text: string
  colour: string
  names: readonly string[]
  state: MarkState
  onToggle: () => void
}

function Mark({ text, colour, names, state, onToggle }: MarkProps) {
  const whose = `Also in ${names.join(' and in ')}`
  return (
    <Tooltip
      label={whose}
      withArrow
      inline
      multiline
      maw={280}
      events={{ hover: true, focus: true, touch: true }}
    >
      {/* biome-ignore lint/a11y/useSemanticElements: a button cannot wrap across lines as text does */}
      <span
        className="attributed"
        role="button"
        tabIndex={0}
        aria-label={`${text}. ${whose}`}
        aria-pressed={state === 'active'}
        data-dimmed={state === 'dimmed'}
        data-active={state === 'active'}
        style={{
          ['--attributed-fill' as string]: `var(--mantine-color-${colour}-light)`,
          ['--attributed-strong' as string]: `color-mix(in srgb, var(--mantine-color-${colour}-filled) 35%, transparent)`,
          ['--attributed-line' as string]: `var(--mantine-color-${colour}-filled)`,
        }}
        onClick={onToggle}
        onKeyDown={(event: KeyboardEvent) => {
          if (event.key !== 'Enter' && event.key !== ' ') return
          event.preventDefault()
          onToggle()
        }}
      >
        {text.split(/(\n[ \t]*)/).map((part, index) =>
          // what indents a line is nobody's words
          index % 2 === 1 ? (
            part
          ) : (
            // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text never change order
            <span className="attributed-words" key={index}>
              {part}
            </span>
          ),
        )}
      </span>
    </Tooltip>
  )
}
