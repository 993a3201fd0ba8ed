import { Alert, Button, Center, Loader, Stack, Text } from '@mantine/core'
import { IconAlertTriangle } from '@tabler/icons-react'
import type { UseQueryResult } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { PageTitle } from './PageTitle.tsx'

type Props<T> = {
  query: UseQueryResult<T>
  /** The heading of a page that has no other until it is loaded. */
  title?: string
  /** What stands there when there is nothing yet, and what a person can do about it. */
  empty?: { when: (data: T) => boolean; view: ReactNode }
  children: (data: T) => ReactNode
}

/** The four states of anything loaded: loading, failed, empty, there. What was loaded once stays while it is asked for again. */
export function AsyncView<T>({ query, title, empty, children }: Props<T>) {
  if (query.data === undefined)
    return (
      <>
        {title !== undefined && <PageTitle title={title} />}
        {query.isError ? (
          <Failure title="This could not be loaded" query={query} />
        ) : (
          <Center p="xl" aria-busy="true">
            <Loader aria-label="Loading" />
          </Center>
        )}
      </>
    )
  return (
    <>
      {query.isError && <Failure title="This is no longer up to date" query={query} />}
      {empty?.when(query.data) ? empty.view : children(query.data)}
    </>
  )
}

function Failure<T>({ title, query }: { title: string; query: UseQueryResult<T> }) {
  return (
    <Alert color="red" icon={<IconAlertTriangle />} title={title} role="alert" mb="md">
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{query.error?.message}</Text>
        <Button size="xs" variant="default" onClick={() => void query.refetch()} loading={query.isFetching}>
          Try again
        </Button>
      </Stack>
    </Alert>
  )
}

/** A friendly nothing: says what will be here and offers the first step. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <Stack align="center" gap={6} py="xl" px="md" ta="center">
      <Text fw={600}>{title}</Text>
      <Text size="sm" c="dimmed" maw={460} component="div">
        {children}
      </Text>
    </Stack>
  )
}
