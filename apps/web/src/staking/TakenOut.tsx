import { Button, Group, Text } from '@mantine/core'
import { Amount } from '../components/Amount.tsx'
import { duration } from '../components/words.ts'

type Props = {
  amountWei: bigint
  /** The chain's time now, and when the stake is its owner's again. */
  chainTime: number
  readyAt: number
  isBusy: boolean
  onWithdraw: () => void
}

/** Stake on its way out, and withdrawing it once it has waited. */
export function TakenOut({ amountWei, chainTime, readyAt, isBusy, onWithdraw }: Props) {
  return (
    <Group gap="xs">
      <Text size="sm">
        <Amount wei={amountWei} /> taken out
        {chainTime < readyAt && `, yours again in ${duration(readyAt - chainTime)}`}
      </Text>
      {chainTime >= readyAt && (
        <Button size="compact-xs" disabled={isBusy} onClick={onWithdraw}>
          Withdraw it
        </Button>
      )}
    </Group>
  )
}
