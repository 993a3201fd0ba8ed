import { Button, Card, Group } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useConnection } from 'wagmi'
import { queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { Figure, Figures } from '../components/Figure.tsx'

/** What the connected wallet earned, for whoever contributed with it; nothing for anybody else. */
export function OwnEarnings() {
  const { address } = useConnection()
  return address === undefined ? null : <Earned address={address.toLowerCase()} />
}

function Earned({ address }: { address: string }) {
  const { data } = useQuery(queries.earnings(address))
  if (data === undefined || BigInt(data.creditedWei) === 0n) return null
  return (
    <Card withBorder component="section" aria-label="What you earned">
      <Group justify="space-between">
        <Figures>
          <Figure label="You earned">
            <Amount wei={data.creditedWei} strong />
          </Figure>
          <Figure label="Ready to claim">
            <Amount wei={data.claimableWei} strong />
          </Figure>
        </Figures>
        <Button component={Link} to="/earnings" variant="light">
          See for which answers
        </Button>
      </Group>
    </Card>
  )
}
