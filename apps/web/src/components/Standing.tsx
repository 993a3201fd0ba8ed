import { Badge, Tooltip } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { moment } from './words.ts'

/** Where a payout or a batch stands, in a word; what that means, and until when, on pointing at it. */
export function Standing({ of: { state, finalAt } }: { of: Http.PayoutStanding }) {
  const { color, word, means } = STANDINGS[state]
  const until = state === 'open' && finalAt !== null ? ` ${moment(finalAt)}.` : ''
  return (
    <Tooltip
      label={`${means}${until}`}
      multiline
      maw={320}
      events={{ hover: true, focus: true, touch: true }}
    >
      <Badge size="sm" color={color} tabIndex={0}>
        {word}
      </Badge>
    </Tooltip>
  )
}

/** Whether an answer's batch is on chain. */
export const Settled = ({ transaction }: { transaction: string | null }) => (
  <Badge size="sm" color={transaction === null ? 'gray' : 'green'}>
    {transaction === null ? 'settling' : 'on chain'}
  </Badge>
)

const STANDINGS: Readonly<
  Record<
    Http.PayoutStanding['state'],
    { readonly color: string; readonly word: string; readonly means: string }
  >
> = {
  settling: { color: 'gray', word: 'settling', means: 'On its way to the chain: some seconds.' },
  uncredited: {
    color: 'gray',
    word: 'gathered',
    means: 'The fee is on chain and this part set aside; a later batch credits it, within a day.',
  },
  open: { color: 'blue', word: 'on chain', means: 'Anyone can challenge it still. It can be claimed from' },
  disputed: {
    color: 'orange',
    word: 'disputed',
    means: 'The panel looks at an answer of its batch. Everything else can be claimed meanwhile.',
  },
  struck: {
    color: 'orange',
    word: 'to be credited anew',
    means: 'The court found a mistake in its batch. The money is set aside, and credited by a later batch.',
  },
  final: { color: 'green', word: 'final', means: 'Beyond challenge: it can be claimed.' },
}
