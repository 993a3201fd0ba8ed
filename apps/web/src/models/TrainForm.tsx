import {
  Accordion,
  Alert,
  Button,
  Card,
  Checkbox,
  Group,
  MultiSelect,
  NumberInput,
  Slider,
  Stack,
  Text,
  TextInput,
  Title,
} from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDebouncedValue } from '@mantine/hooks'
import { Open } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { client, queries } from '../api.ts'
import { shortMessage } from '../wallet/shortMessage.ts'
import { useSigner } from '../wallet/useSigner.ts'
import { EstimatePanel } from './EstimatePanel.tsx'
import { TrainSettings } from './TrainSettings.tsx'

const defaults = Http.trainingConfigSchema.parse({})

/** Fine-tuning without code: a name, a Datanet, a price; everything else has a default with its reason. */
export function TrainForm() {
  const datanets = useQuery(queries.datanets)
  const network = useQuery(queries.network)
  const signer = useSigner()
  const navigate = useNavigate()
  const ready = datanets.data?.filter((datanet) => datanet.version > 0) ?? []
  const form = useForm({
    initialValues: {
      modelName: '',
      datanetIds: [] as string[],
      times: {} as Record<string, number>,
      pattern: '',
      price: '0.001',
      influencePercent: 50,
      ...defaults,
    },
    validate: {
      modelName: (value) =>
        Http.modelSchema.shape.name.safeParse(value).success
          ? null
          : 'Use 2 to 63 of a-z, 0-9, full stop and hyphen',
      datanetIds: (value) => (value.length === 0 ? 'Choose what it learns from' : null),
      price: (value) => {
        try {
          Open.parse(String(value))
          return null
        } catch (error) {
          return (error as Error).message
        }
      },
    },
  })
  const isFull = form.values.method === 'full'
  // all weights take other steps than an adapter's
  form.watch('method', ({ value, previousValue }) => {
    if (value !== previousValue && (value === 'full' || previousValue === 'full'))
      form.setFieldValue('learningRate', value === 'full' ? Http.FULL_LEARNING_RATE : defaults.learningRate)
  })
  const chosen = form.values.datanetIds.flatMap((id) => ready.find((each) => each.id === id) ?? [])
  const timesOf = (id: string): number => form.values.times[id] ?? 1
  // an estimate waits until a number is typed to its end
  const [settings] = useDebouncedValue(form.values, 400)
  const train = useMutation({
    mutationFn: async (values: typeof form.values) => {
      if (signer === undefined) throw new Error('Connect a wallet first.')
      const { modelName, price, influencePercent, datanetIds: _, times: __, pattern, ...settings } = values
      const checks = pattern === '' ? [] : [{ kind: 'matches' as const, pattern }]
      const config = { ...settings, checks, mixture: chosen.map(({ id }) => timesOf(id)) }
      const priceWei = Open.parse(String(price)).toString()
      return client.createTrainingRun(
        {
          modelName,
          datanets: chosen.map(({ id, version }) => ({ datanetId: id, version })),
          config,
          inputPriceWei: priceWei,
          outputPriceWei: priceWei,
          influenceBps: influencePercent * 100,
        },
        signer,
      )
    },
    onSuccess: (run) => navigate({ to: '/training-runs/$id', params: { id: run.id } }),
  })
  return (
    <Card withBorder component="section" aria-labelledby="train">
      <Title order={2} size="h4" mb="sm" id="train">
        Train a model
      </Title>
      <form onSubmit={form.onSubmit((values) => train.mutate(values))}>
        <Stack>
          <Group grow align="flex-start" preventGrowOverflow={false}>
            <TextInput
              label="Model name"
              placeholder="solidity-2"
              description="Callers write it in the model field"
              {...form.getInputProps('modelName')}
            />
            <MultiSelect
              label="Datanets"
              description="The newest versions are used and stay on record"
              placeholder={
                ready.length === 0
                  ? 'None has a version yet'
                  : chosen.length === 0
                    ? 'Choose one or more'
                    : ''
              }
              maxValues={8}
              data={ready.map((datanet) => ({
                value: datanet.id,
                label: `${datanet.name}, version ${datanet.version} (${datanet.recordCount} records)`,
              }))}
              {...form.getInputProps('datanetIds')}
            />
            <TextInput
              label="Price per token"
              description="In OPEN, for prompt and answer alike"
              {...form.getInputProps('price')}
            />
          </Group>
          {chosen.length > 1 && (
            <Group align="flex-end">
              {chosen.map(({ id, name }) => (
                <NumberInput
                  key={id}
                  label={`${name}: times an epoch`}
                  min={0.01}
                  max={100}
                  step={0.5}
                  decimalScale={2}
                  w={240}
                  value={timesOf(id)}
                  onChange={(value) => form.setFieldValue(`times.${id}`, Number(value) || 1)}
                />
              ))}
            </Group>
          )}
          <div>
            <Text size="sm" fw={500}>
              Pay contributors {form.values.influencePercent} % by influence,{' '}
              {100 - form.values.influencePercent} % by exact words
            </Text>
            <Text size="xs" c="dimmed" mb={6}>
              Influence asks what moved the answer; exact words ask what the answer repeats.
            </Text>
            <Slider
              step={5}
              label={(value) => `${value} %`}
              thumbLabel="Per cent paid by influence"
              {...form.getInputProps('influencePercent')}
            />
          </div>
          <Accordion variant="contained">
            <Accordion.Item value="settings">
              <Accordion.Control>Settings (the defaults suit a small Datanet)</Accordion.Control>
              <Accordion.Panel>
                <TrainSettings getInputProps={(name) => form.getInputProps(name)} />
                {network.data?.judge && (
                  <Checkbox
                    mt="sm"
                    label={`Have ${network.data.judge} compare its answers`}
                    description="With the base's and those of your model before, on test records with an open licence"
                    {...form.getInputProps('isJudged', { type: 'checkbox' })}
                  />
                )}
              </Accordion.Panel>
            </Accordion.Item>
          </Accordion>
          {isFull && (
            <Alert title="A model of its own" role="note">
              It is not published and sells no answers here: this server answers by adapters over its own
              base, and nothing attributes the answers of a model whose weights are all trained, so the price
              and the contributors’ parts above do not apply. Its owner downloads it when it is trained, and
              serves it as the base of a server of their own. For answers that pay contributors, train an
              adapter.
            </Alert>
          )}
          {chosen.length > 0 && (
            <EstimatePanel
              of={{
                datanets: chosen.map(({ id, version }) => `${id}:${version}:${timesOf(id)}`).join(','),
                objective: settings.objective,
                method: settings.method,
                rank: settings.rank,
                rehearsal: settings.rehearsal,
                epochs: settings.epochs,
                batchSize: settings.batchSize,
                sequenceTokens: settings.sequenceTokens,
              }}
            />
          )}
          {train.error !== null && (
            <Alert color="red" title="No run was started" role="alert">
              {shortMessage(train.error)}
            </Alert>
          )}
          <Button
            type="submit"
            loading={train.isPending}
            disabled={signer === undefined}
            style={{ alignSelf: 'flex-start' }}
          >
            {signer === undefined ? 'Connect a wallet to train' : 'Sign and train'}
          </Button>
        </Stack>
      </form>
    </Card>
  )
}
