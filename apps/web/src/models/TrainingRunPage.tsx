import { LineChart } from '@mantine/charts'
import { Alert, Button, Card, Group, Progress, SimpleGrid, Stack, Text } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { client, queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { PageTitle } from '../Layout.tsx'
import { useSigner } from '../wallet/useSigner.ts'
import { perplexity } from './ModelsPage.tsx'

const STATUS_TEXT = {
  queued: 'waiting for a worker',
  running: 'training',
  indexing: 'computing what every record contributed, for attribution',
  trained: 'trained; the owner can publish it',
  published: 'published',
  failed: 'failed',
  cancelled: 'cancelled',
} as const

/** One training run: where it stands, its loss curve, and publishing. */
export function TrainingRunPage() {
  const { id } = useParams({ strict: false }) as { id: string }
  const run = useQuery(queries.trainingRun(id))
  const metrics = useQuery(queries.trainingMetrics(id))
  const queryClient = useQueryClient()
  const signer = useSigner()
  const publish = useMutation({
    mutationFn: async () => {
      if (signer === undefined) throw new Error('Connect the wallet that started the run.')
      return client.publish(id, signer)
    },
    onSuccess: () => queryClient.invalidateQueries(),
  })
  const cancel = useMutation({
    mutationFn: async () => {
      if (signer === undefined) throw new Error('Connect the wallet that started the run.')
      return client.cancelTrainingRun(id, signer)
    },
    onSuccess: () => queryClient.invalidateQueries(),
  })
  const failure = publish.error ?? cancel.error
  return (
    <AsyncView query={run}>
      {(data) => {
        const mine = signer?.address === data.owner
        return (
          <Stack gap="lg">
            <PageTitle title={data.modelName}>
              <span aria-live="polite">{STATUS_TEXT[data.status]}</span>
            </PageTitle>
            <Progress
              value={data.stepCount === 0 ? 0 : (100 * data.step) / data.stepCount}
              animated={data.status === 'running'}
              size="lg"
              aria-label={`Step ${data.step} of ${data.stepCount}`}
            />
            {data.failure !== null && (
              <Alert color="red" title="The run failed" role="alert">
                {data.failure}
              </Alert>
            )}
            {failure !== null && (
              <Alert color="red" role="alert">
                {failure.message}
              </Alert>
            )}
            <Group>
              {data.status === 'trained' && (
                <Button onClick={() => publish.mutate()} loading={publish.isPending} disabled={!mine}>
                  {mine ? 'Sign and publish' : 'Only its owner can publish it'}
                </Button>
              )}
              {(data.status === 'queued' || data.status === 'running') && mine && (
                <Button variant="default" onClick={() => cancel.mutate()} loading={cancel.isPending}>
                  Cancel
                </Button>
              )}
              {data.status === 'published' && (
                <Button component={Link} to={`/chat?model=${data.modelName}`}>
                  Ask it
                </Button>
              )}
            </Group>
            <Card withBorder>
              <Text fw={600} mb="xs">
                Loss (nats per token, lower is better)
              </Text>
              <AsyncView
                query={metrics}
                empty={{
                  when: (list) => list.length === 0,
                  view: <Empty title="No step yet">The curve appears with the first steps.</Empty>,
                }}
              >
                {(list) => (
                  <LineChart
                    h={260}
                    data={list.map((metric) => ({
                      step: metric.step,
                      training: metric.trainingLoss,
                      validation: metric.validationLoss ?? undefined,
                    }))}
                    dataKey="step"
                    series={[
                      { name: 'training', color: 'cyan.6' },
                      { name: 'validation', color: 'orange.6' },
                    ]}
                    withLegend
                    withDots={false}
                    connectNulls
                    curveType="linear"
                    yAxisProps={{ domain: ['auto', 'auto'] }}
                    valueFormatter={(value) => value.toFixed(2)}
                  />
                )}
              </AsyncView>
            </Card>
            <SimpleGrid cols={{ base: 2, md: 4 }}>
              <Fact label="Perplexity before">
                {data.baseValidationLoss === null ? '…' : perplexity(data.baseValidationLoss)}
              </Fact>
              <Fact label="Perplexity now">
                {data.validationLoss === null ? '…' : perplexity(data.validationLoss)}
              </Fact>
              <Fact label="Speed">
                {metrics.data?.at(-1) ? `${Math.round(metrics.data.at(-1)!.tokensPerSecond)} tokens/s` : '…'}
              </Fact>
              <Fact label="Trained on">
                {data.datanets.map((each) => (
                  <Link key={each.datanetId} to="/datanets/$id" params={{ id: each.datanetId }}>
                    Datanet {each.datanetId}, version {each.version}
                  </Link>
                ))}
              </Fact>
            </SimpleGrid>
            <Text size="sm" c="dimmed" component="div">
              rank {data.config.rank} · alpha {data.config.alpha} · {data.config.epochs} epochs · learning
              rate {data.config.learningRate} · seed {data.config.seed} · owner <Address value={data.owner} />
            </Text>
          </Stack>
        )
      }}
    </AsyncView>
  )
}

function Fact({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <Card withBorder padding="sm">
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text fw={650} component="div">
        {children}
      </Text>
    </Card>
  )
}
