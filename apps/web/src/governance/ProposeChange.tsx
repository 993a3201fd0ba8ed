import { Alert, Button, Card, Select, Stack, Text, TextInput, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { Governance, Parameters } from '@openledger/sdk'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { shortMessage } from '../wallet/shortMessage.ts'
import { useL2Client, useWallet } from '../wallet/useWallet.ts'
import { EffectWords } from './EffectWords.tsx'

type Props = { deployment: Http.Network['deployment']; hasVotes: boolean }

const UNITS = { percent: '%', seconds: 's', OPEN: 'OPEN', address: '0x…' } as const
/** For those who know what they call; no name of a parameter. */
const RAW = 'call'
const RAW_FIELDS = ['Contract (0x…)', 'Call data (0x…)', 'OPEN sent along']
// splits have a form of their own beside this one
const CHOICES = [
  ...Parameters.ALL.filter(({ key }) => key !== 'split').map(({ key, title }) => ({
    value: key,
    label: title,
  })),
  { value: RAW, label: 'Any other call' },
]

/** Proposes another value of anything that a vote can set, or any call; shows what it would do before it is signed. */
export function ProposeChange({ deployment, hasVotes }: Props) {
  const publicClient = useL2Client()
  const wallet = useWallet()
  const queryClient = useQueryClient()
  const [key, setKey] = useState('bounds')
  const [values, setValues] = useState<readonly string[]>([])
  const [why, setWhy] = useState('')
  const fields =
    key === RAW
      ? RAW_FIELDS
      : Parameters.get(key).fields.map(({ label, unit }) => `${label} (${UNITS[unit]})`)
  const words = fields.map((_, i) => values[i]?.trim() ?? '')
  const isComplete = words.every((word, i) => word !== '' || (key === RAW && i === 2))
  const callOf = () =>
    key === RAW
      ? Parameters.rawCall(words[0]!, words[1]!, words[2] || '0')
      : Parameters.callOf(deployment, key, words)
  const preview = useQuery({
    queryKey: ['proposal preview', key, ...words],
    enabled: publicClient !== undefined && isComplete,
    retry: false,
    queryFn: async () => {
      const call = callOf()
      await Parameters.tryOut(publicClient!, deployment, call)
      return Parameters.describe(publicClient!, deployment, call)
    },
  })
  const propose = useMutation({
    mutationFn: async () => {
      if (wallet === undefined || publicClient === undefined) throw new Error('Connect a wallet first.')
      await Governance.propose(publicClient, await wallet.onL2(), deployment, [callOf()], why.trim())
    },
    onSuccess: async () => {
      setValues([])
      setWhy('')
      await queryClient.invalidateQueries()
    },
  })
  return (
    <Card withBorder component="section" aria-labelledby="change">
      <Title order={2} size="h4" mb={4} id="change">
        Propose anything else
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        Whatever the timelock owns: bounds, waiting times, bonds, who operates. What it would change is shown,
        and tried on the chain as it stands, before you sign.
      </Text>
      <Stack gap="sm" maw={560}>
        <Select
          label="What to change"
          data={CHOICES}
          value={key}
          allowDeselect={false}
          onChange={(chosen) => {
            setKey(chosen ?? RAW)
            setValues([])
          }}
        />
        {fields.map((label, i) => (
          <TextInput
            key={`${key}/${label}`}
            label={label}
            value={values[i] ?? ''}
            onChange={({ currentTarget: { value } }) =>
              setValues(fields.map((_, at) => (at === i ? value : (values[at] ?? ''))))
            }
          />
        ))}
        <TextInput
          label="Reason"
          placeholder="Why it is better so"
          value={why}
          onChange={({ currentTarget: { value } }) => setWhy(value)}
        />
        {preview.data !== undefined && <EffectWords effect={preview.data} />}
        {[preview.error, propose.error]
          .filter((error) => error !== null)
          .map((error) => (
            <Alert key={error.message} color="red" title="Nothing was proposed" role="alert">
              {shortMessage(error)}
            </Alert>
          ))}
        <Button
          loading={propose.isPending}
          disabled={!hasVotes || !preview.isSuccess || why.trim() === ''}
          onClick={() => propose.mutate()}
          style={{ alignSelf: 'flex-start' }}
        >
          {hasVotes ? 'Propose the change' : 'You need more votes to propose'}
        </Button>
      </Stack>
    </Card>
  )
}
