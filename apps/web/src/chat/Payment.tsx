import { Anchor, Card, Text, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { Bill } from '../components/Bill.tsx'
import { PaidFor } from '../components/PaidFor.tsx'
import { Shares } from '../components/Shares.tsx'
import type { Payees } from '../components/usePayees.ts'

type Props = {
  receipt: Http.SignedReceipt
  answer: string
  payees: Payees
  selected: string | undefined
  onSelect: (contributionId: string | undefined) => void
}

/** Who is paid for an answer and why, and its bill. */
export function Payment({ receipt, answer, ...choosing }: Props) {
  const isMerged = receipt.attribution.merge !== undefined
  const [payees, bill] = ['payees', 'bill'].map((id) => (isMerged ? `${id}-${receipt.sequence}` : id))
  return (
    <>
      <Card withBorder component="section" aria-labelledby={payees!}>
        <Title order={2} size="h4" mb={4} id={payees!}>
          Who this answer pays{isMerged && ` for ${receipt.modelName}`}
        </Title>
        <Text size="sm" c="dimmed" mb="sm" component="div">
          <Amount wei={receipt.contributorsWei} /> of a fee of <Amount wei={receipt.feeWei} /> goes to
          contributors. Choose one to see their words and records.
        </Text>
        <Shares attribution={receipt.attribution} answer={answer} {...choosing} />
      </Card>
      <Card withBorder component="section" aria-labelledby={bill!}>
        <Title order={2} size="h4" mb={4} id={bill!}>
          The bill
        </Title>
        <PaidFor receipt={receipt} />
        <Bill receipt={receipt} />
        <Settled sequence={receipt.sequence} />
      </Card>
    </>
  )
}

function Settled({ sequence }: { sequence: number }) {
  const receipt = useQuery(queries.receipt(sequence))
  return (
    <Text size="sm" mt="xs" role="status">
      <Anchor component={Link} to={`/explorer/receipts/${sequence}`} size="sm">
        Receipt {sequence}
      </Anchor>{' '}
      {receipt.data?.settlementTransaction
        ? 'is settled on chain.'
        : 'is signed, and being settled on chain …'}
    </Text>
  )
}
