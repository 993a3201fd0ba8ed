import { Anchor, Badge, Button, Card, Group, Progress, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { PageTitle } from '../Layout.tsx'
import { TrainForm } from './TrainForm.tsx'

/** Perplexity says how many next tokens the model hesitates between. */
export const perplexity = (loss: number): string => Math.exp(loss).toFixed(1)

/** Published models, runs under way, and the form to train a new one. */
export function ModelsPage() {
  const models = useQuery(queries.models)
  const runs = useQuery(queries.trainingRuns)
  return (
    <Stack gap="lg">
      <PageTitle title="Models">
        Small adapters over one base model, each trained on Datanet versions that stay on record. Thousands
        can be served at once.
      </PageTitle>
      <AsyncView
        query={models}
        empty={{
          when: (list) => list.length === 0,
          view: <Empty title="No model is published yet">Train the first one below.</Empty>,
        }}
      >
        {(list) => (
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            {list.map((model) => (
              <Card withBorder key={model.id}>
                <Group justify="space-between" wrap="nowrap" mb={4}>
                  <Text fw={650} size="lg">
                    {model.name}
                  </Text>
                  <Button component={Link} to={`/chat?model=${model.name}`} size="xs" variant="light">
                    Ask it
                  </Button>
                </Group>
                <Text size="sm">
                  Perplexity {perplexity(model.validationLoss)} on records kept out of training; the base has{' '}
                  {perplexity(model.baseValidationLoss)}.
                </Text>
                <Group gap="lg" mt="sm">
                  <Text size="sm" c="dimmed">
                    {model.answerCount} answers
                  </Text>
                  <Text size="sm" c="dimmed">
                    <Amount wei={model.outputPriceWei} /> per token
                  </Text>
                  <Text size="sm" c="dimmed">
                    <Amount wei={model.stakedWei} /> staked
                  </Text>
                  <Anchor component={Link} to={`/training-runs/${model.trainingRunId}`} size="sm">
                    How it was trained
                  </Anchor>
                </Group>
              </Card>
            ))}
          </SimpleGrid>
        )}
      </AsyncView>
      <TrainForm />
      <Card withBorder>
        <Title order={2} size="h4" mb="sm">
          Training runs
        </Title>
        <AsyncView
          query={runs}
          empty={{
            when: (list) => list.length === 0,
            view: <Empty title="No run yet">Runs appear here with their progress.</Empty>,
          }}
        >
          {(list) => (
            <Stack gap="xs">
              {list.map((run) => (
                <Group key={run.id} wrap="nowrap" gap="md">
                  <Anchor component={Link} to={`/training-runs/${run.id}`} size="sm" w={160} truncate>
                    {run.modelName}
                  </Anchor>
                  <Badge
                    variant="light"
                    color={run.status === 'failed' ? 'red' : run.status === 'published' ? 'green' : 'cyan'}
                  >
                    {run.status}
                  </Badge>
                  <Progress
                    value={run.stepCount === 0 ? 0 : (100 * run.step) / run.stepCount}
                    flex={1}
                    aria-label={`Step ${run.step} of ${run.stepCount}`}
                  />
                  <Text size="sm" w={90} ta="right" style={{ fontVariantNumeric: 'tabular-nums' }}>
                    {run.step} / {run.stepCount}
                  </Text>
                </Group>
              ))}
            </Stack>
          )}
        </AsyncView>
      </Card>
    </Stack>
  )
}
