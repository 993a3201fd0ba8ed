import { SimpleGrid, Stack } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { queries } from '../api.ts'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { PageTitle } from '../components/PageTitle.tsx'
import { ModelCard } from './ModelCard.tsx'
import { TrainForm } from './TrainForm.tsx'
import { TrainingRuns } from './TrainingRuns.tsx'

/** Published models, runs under way, and the form to train a new one. */
export function ModelsPage() {
  const models = useQuery(queries.models)
  return (
    <Stack gap="lg">
      <PageTitle title="Models">
        Small adapters over one base model, each trained on Datanet versions that stay on record. Their
        owners, their backers and the contributors of their data share what answers earn.
      </PageTitle>
      <AsyncView
        query={models}
        empty={{
          when: (list) => list.length === 0,
          view: <Empty title="No model is published yet">Train the first one below.</Empty>,
        }}
      >
        {(list) => (
          <SimpleGrid cols={{ base: 1, md: 2 }} style={{ alignItems: 'start' }}>
            {list.map((model) => (
              <ModelCard key={model.id} model={model} />
            ))}
          </SimpleGrid>
        )}
      </AsyncView>
      <TrainForm />
      <TrainingRuns />
    </Stack>
  )
}
