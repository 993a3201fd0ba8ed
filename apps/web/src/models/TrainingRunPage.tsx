import {
  Alert,
  Anchor,
  Button,
  Card,
  Center,
  Group,
  Loader,
  Progress,
  SimpleGrid,
  Stack,
  Text,
  Title,
} from '@mantine/core'
import { ModelCard as Facts, type Http } from '@openledger/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { client, queries } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { Figure } from '../components/Figure.tsx'
import { PageTitle } from '../components/PageTitle.tsx'
import { Row, Rows } from '../components/Rows.tsx'
import { shortMessage } from '../wallet/shortMessage.ts'
import { useSigner } from '../wallet/useSigner.ts'
import { DownloadWhole } from './DownloadMenu.tsx'
import { EvaluationTable } from './EvaluationTable.tsx'
import { perplexity } from './perplexity.ts'

// the charts are larger than all the rest of the page together
const LossChart = lazy(() => import('./LossChart.tsx'))

const STATUS_TEXT = {
  queued: 'Waiting for a worker.',
  running: 'Training.',
  paused: 'Paused. It goes on from where it stands, before runs that were not begun.',
  indexing: 'Trained. Now computing what every record contributed, for attribution.',
  trained: 'Trained. Its owner can publish it.',
  published: 'Published: anyone can ask it.',
  failed: 'Failed.',
  cancelled: 'Cancelled.',
} as const

const WHOLE_TEXT =
  'Trained: a model of its own. Its owner can download it and serve it as the base of a server; it is not published, and nothing attributes its answers.'

/** One training run: where it stands, its loss curve, and publishing. */
export function TrainingRunPage() {
  const { id } = useParams({ strict: false }) as { id: string }
  const run = useQuery(queries.trainingRun(id))
  return (
    <AsyncView query={run} title="Training run">
      {(data) => <Run run={data} />}
    </AsyncView>
  )
}

function Run({ run }: { run: Http.TrainingRun }) {
  const metrics = useQuery({
    ...queries.trainingMetrics(run.id),
    ...(run.status === 'published' ? { refetchInterval: false as const } : {}),
  })
  const last = metrics.data?.at(-1)
  return (
    <Stack gap="lg">
      <div>
        <PageTitle title={run.modelName}>
          <span role="status">
            {run.status === 'trained' && run.config.method === 'full' ? WHOLE_TEXT : STATUS_TEXT[run.status]}
          </span>
        </PageTitle>
        <Progress
          value={run.stepCount === 0 ? 0 : (100 * run.step) / run.stepCount}
          animated={run.status === 'running'}
          size="lg"
          aria-label="Steps done"
        />
        <Text size="xs" c="dimmed" mt={4}>
          Step {run.step} of {run.stepCount}
        </Text>
      </div>
      {run.failure !== null && (
        <Alert color="red" title="The run failed" role="alert">
          {run.failure}
        </Alert>
      )}
      <Actions run={run} />
      <SimpleGrid cols={{ base: 2, md: 4 }}>
        <Figure label={`${measureName(run.config)} before`}>
          {run.baseValidationLoss === null ? undefined : measured(run.config, run.baseValidationLoss)}
        </Figure>
        <Figure label={`${measureName(run.config)} now`}>
          {run.validationLoss === null ? undefined : measured(run.config, run.validationLoss)}
        </Figure>
        {run.testLoss !== null && run.baseTestLoss !== null && (
          <Figure label={`${measureName(run.config)} on the test`}>
            {measured(run.config, run.testLoss)} (base {measured(run.config, run.baseTestLoss)})
          </Figure>
        )}
        <Figure label="Speed">{last && `${Math.round(last.tokensPerSecond)} tokens/s`}</Figure>
        <Figure label="Trained on">
          {run.datanets.map((each) => (
            <Anchor
              component={Link}
              key={each.datanetId}
              to={`/datanets/${each.datanetId}`}
              inherit
              display="block"
            >
              Datanet {each.datanetId}, version {each.version}
            </Anchor>
          ))}
        </Figure>
      </SimpleGrid>
      <Card withBorder component="section" aria-labelledby="loss">
        <Title order={2} size="h4" id="loss">
          Loss
        </Title>
        <Text size="sm" c="dimmed" mb="sm">
          Nats per token, lower is better. Validation is on records that are not learned; they say when to
          stop.
        </Text>
        <AsyncView
          query={metrics}
          empty={{
            when: (list) => list.length === 0,
            view: <Empty title="No step yet">The curve appears with the first steps.</Empty>,
          }}
        >
          {(list) => (
            <Suspense
              fallback={
                <Center h={260}>
                  <Loader aria-label="Loading" />
                </Center>
              }
            >
              <LossChart metrics={list} stepCount={run.stepCount} />
            </Suspense>
          )}
        </AsyncView>
      </Card>
      {run.evaluation !== null && (
        <Card withBorder component="section" aria-labelledby="answers">
          <Title order={2} size="h4" mb="sm" id="answers">
            Answers
          </Title>
          <EvaluationTable evaluation={run.evaluation} />
        </Card>
      )}
      <Card withBorder component="section" aria-labelledby="settings">
        <Title order={2} size="h4" mb="sm" id="settings">
          How it is trained
        </Title>
        <Rows>
          <Row label="Owner">
            <Address value={run.owner} />
          </Row>
          <Row label="Method">{Facts.methodOf(run.config)}</Row>
          <Row label="It learns">
            {run.config.objective === 'preference'
              ? `which of two answers is better (DPO, beta ${run.config.preferenceBeta})`
              : 'to say what records say'}
          </Row>
          {run.config.mixture.some((times) => times !== 1) && (
            <Row label="Times an epoch">{run.config.mixture.join(', ')}</Row>
          )}
          <Row label="Epochs">{run.config.epochs}</Row>
          <Row label="Batch">
            {run.config.batchSize} records of up to {run.config.sequenceTokens} tokens
          </Row>
          <Row label="Learning rate">{run.config.learningRate}</Row>
          <Row label="Rehearsal">
            {run.config.rehearsal === 0
              ? 'none'
              : `${run.config.rehearsal} tokens of the base’s own for each of the records`}
          </Row>
          <Row label="May forget">
            {run.config.forgettingMax === 100 || run.config.method === 'full'
              ? 'anything'
              : `${(100 * run.config.forgettingMax).toFixed(0)} % of perplexity on the base’s texts`}
          </Row>
          <Row label="Seed">{run.config.seed}</Row>
          {run.config.gate !== 'none' && (
            <Row label="Gate">
              {run.config.method === 'full' ? 'Handed out' : 'Published'} only if it is better than{' '}
              {run.config.gate === 'base' ? 'the base' : "its owner's model before"} on the test records
            </Row>
          )}
        </Rows>
      </Card>
    </Stack>
  )
}

const measureName = ({ objective }: Http.TrainingConfig): string =>
  objective === 'preference' ? 'Preference loss' : 'Perplexity'
const measured = ({ objective }: Http.TrainingConfig, loss: number): string =>
  objective === 'preference' ? loss.toFixed(3) : perplexity(loss)

/** What its owner can do with a run, and anyone with what it became. */
function Actions({ run }: { run: Http.TrainingRun }) {
  const signer = useSigner()
  const queryClient = useQueryClient()
  const isMine = signer?.address === run.owner
  const act = useMutation({
    mutationFn: async (action: 'publish' | 'cancel' | 'pause' | 'resume') => {
      if (signer === undefined) throw new Error('Connect the wallet that started the run.')
      if (action === 'publish') await client.publish(run.id, signer)
      else await client.changeTrainingRun(action, run.id, signer)
    },
    onSuccess: () => queryClient.invalidateQueries(),
  })
  const isWhole = run.config.method === 'full'
  const isOpen = ['queued', 'running', 'indexing', 'paused'].includes(run.status)
  return (
    <>
      {act.error !== null && (
        <Alert color="red" role="alert">
          {shortMessage(act.error)}
        </Alert>
      )}
      <Group>
        {run.status === 'trained' && isWhole && signer !== undefined && isMine && (
          <DownloadWhole run={run} signer={signer} />
        )}
        {run.status === 'trained' && !isWhole && (
          <Button onClick={() => act.mutate('publish')} loading={act.isPending} disabled={!isMine}>
            {isMine ? 'Sign and publish' : 'Only its owner can publish it'}
          </Button>
        )}
        {isMine && (run.status === 'paused' || run.status === 'failed') && (
          <Button onClick={() => act.mutate('resume')} loading={act.isPending}>
            {run.status === 'paused' ? 'Go on' : 'Try again from where it stands'}
          </Button>
        )}
        {isMine && isOpen && run.status !== 'paused' && (
          <Button variant="default" onClick={() => act.mutate('pause')} loading={act.isPending}>
            Pause
          </Button>
        )}
        {isMine && isOpen && (
          <Button variant="default" onClick={() => act.mutate('cancel')} loading={act.isPending}>
            Cancel
          </Button>
        )}
        {run.status === 'published' && (
          <Button component={Link} to={`/chat?model=${run.modelName}`}>
            Ask it
          </Button>
        )}
      </Group>
    </>
  )
}
