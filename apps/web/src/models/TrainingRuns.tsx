import { Anchor, Badge, Card, Group, Progress, Stack, Text, Title } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { queries } from '../api.ts'
import { AsyncView, Empty } from '../components/AsyncView.tsx'

const COLOURS: Partial<Record<Http.TrainingRun['status'], string>> = {
  failed: 'red',
  cancelled: 'gray',
  paused: 'yellow',
  published: 'green',
}

/** Every run with its progress, newest first. */
export function TrainingRuns() {
  const runs = useQuery(queries.trainingRuns)
  return (
    <Card withBorder component="section" aria-labelledby="runs">
      <Title order={2} size="h4" mb="sm" id="runs">
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
            {[...list]
              .sort((a, b) => b.createdAt - a.createdAt)
              .map((run) => (
                <Group key={run.id} wrap="nowrap" gap="md">
                  <Anchor
                    component={Link}
                    to={`/training-runs/${run.id}`}
                    size="sm"
                    w={{ base: 100, sm: 160 }}
                    truncate
                  >
                    {run.modelName}
                  </Anchor>
                  <Badge color={COLOURS[run.status] ?? 'cyan'} style={{ flexShrink: 0 }}>
                    {run.status}
                  </Badge>
                  <Progress
                    value={run.stepCount === 0 ? 0 : (100 * run.step) / run.stepCount}
                    flex={1}
                    aria-label={`${run.modelName}: steps done`}
                    visibleFrom="xs"
                  />
                  <Text size="sm" ml="auto" ta="right" style={{ fontVariantNumeric: 'tabular-nums' }}>
                    {run.step} / {run.stepCount}
                  </Text>
                </Group>
              ))}
          </Stack>
        )}
      </AsyncView>
    </Card>
  )
}
