import { SimpleGrid, Stack } from '@mantine/core'
import { PageTitle } from '../components/PageTitle.tsx'
import { Batches } from './Batches.tsx'
import { Blocks } from './Blocks.tsx'
import { Find } from './Find.tsx'
import { Receipts } from './Receipts.tsx'

/** The latest blocks, receipts and batches. */
export function ExplorerPage() {
  return (
    <>
      <PageTitle title="Explorer">
        The chain as it grows. A block is new when the sequencer has made it, on L1 once L1 holds the data to
        rebuild it, and final once that part of L1 is.
      </PageTitle>
      <Find />
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg" mt="lg">
        <Blocks />
        <Stack gap="lg">
          <Receipts />
          <Batches />
        </Stack>
      </SimpleGrid>
    </>
  )
}
