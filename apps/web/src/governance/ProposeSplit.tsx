import { Alert, Button, Card, NumberInput, SimpleGrid, Stack, Text, TextInput, Title } from '@mantine/core'
import { useForm } from '@mantine/form'
import type { FeeSplit, Http } from '@openledger/protocol'
import { Governance, Parameters } from '@openledger/sdk'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { shortMessage } from '../wallet/shortMessage.ts'
import { useL2Client, useWallet } from '../wallet/useWallet.ts'
import { type Bounds, PARTS, rangeOf, splitProblem } from './splitParts.ts'

type Props = {
  current: FeeSplit.FeeSplit
  bounds: Bounds
  deployment: Http.Network['deployment']
  hasVotes: boolean
}

/** Proposes another split. */
export function ProposeSplit({ current, bounds, deployment, hasVotes }: Props) {
  const publicClient = useL2Client()
  const wallet = useWallet()
  const queryClient = useQueryClient()
  const form = useForm({
    initialValues: {
      why: '',
      ...(Object.fromEntries(PARTS.map(({ key }) => [key, current[key] / 100])) as FeeSplit.FeeSplit),
    },
    validate: { why: (value) => (value.trim() === '' ? 'Say why, in a sentence' : null) },
  })
  const split = Object.fromEntries(
    PARTS.map(({ key }) => [key, Math.round(Number(form.values[key]) * 1e4) / 100]),
  ) as FeeSplit.FeeSplit
  const problem = splitProblem(split, bounds)
  const propose = useMutation({
    mutationFn: async (why: string) => {
      if (wallet === undefined || publicClient === undefined) throw new Error('Connect a wallet first.')
      const parts = [split.platformBps, split.ownerBps, split.stakersBps, split.contributorsBps]
      const call = Parameters.callOf(
        deployment,
        'split',
        parts.map((bps) => String(bps / 100)),
      )
      await Governance.propose(publicClient, await wallet.onL2(), deployment, [call], why.trim())
    },
    onSuccess: async () => {
      form.setFieldValue('why', '')
      await queryClient.invalidateQueries()
    },
  })
  return (
    <Card withBorder component="section" aria-labelledby="propose">
      <Title order={2} size="h4" mb={4} id="propose">
        Propose another split
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        The bounds in force, themselves set by vote: contributors get {bounds.contributorsBpsMin / 100} % at
        least, the platform {bounds.platformBpsMax / 100} %, the model’s owner {bounds.ownerBpsMax / 100} %
        and stakers {bounds.stakersBpsMax / 100} % at most. A new split holds for answers after it, never for
        those before.
      </Text>
      <form onSubmit={form.onSubmit(({ why }) => propose.mutate(why))}>
        <Stack gap="sm">
          <SimpleGrid cols={{ base: 2, xs: 4, md: 2, lg: 4 }} spacing="sm">
            {PARTS.map(({ key, label }) => (
              <NumberInput
                key={key}
                label={label}
                suffix=" %"
                min={rangeOf(key, bounds).min / 100}
                max={rangeOf(key, bounds).max / 100}
                decimalScale={2}
                {...form.getInputProps(key)}
              />
            ))}
          </SimpleGrid>
          <TextInput
            label="Why"
            placeholder="More for those who made the data"
            maw={560}
            {...form.getInputProps('why')}
          />
          {problem !== undefined && (
            <Text size="sm" c="error" role="status">
              {problem}
            </Text>
          )}
          {propose.error !== null && (
            <Alert color="red" title="Nothing was proposed" role="alert">
              {shortMessage(propose.error)}
            </Alert>
          )}
          <Button
            type="submit"
            loading={propose.isPending}
            disabled={!hasVotes || problem !== undefined}
            style={{ alignSelf: 'flex-start' }}
          >
            {hasVotes ? 'Propose' : 'You need more votes to propose'}
          </Button>
        </Stack>
      </form>
    </Card>
  )
}
