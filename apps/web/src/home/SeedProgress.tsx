import { Alert, List, Loader, Text } from '@mantine/core'
import { IconCheck, IconCircle, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { queries } from '../api.ts'

const icons = {
  waiting: <IconCircle size={16} opacity={0.5} aria-label="waiting" />,
  running: <Loader size={16} aria-label="running" />,
  done: <IconCheck size={16} color="var(--mantine-color-green-light-color)" aria-label="done" />,
  failed: <IconX size={16} color="var(--mantine-color-error)" aria-label="failed" />,
} as const

/** What a first start is still putting in place; nothing once it is there. */
export function SeedProgress() {
  const seed = useQuery(queries.seed)
  if (seed.data === undefined || seed.data.done) return null
  const running = seed.data.steps.find(({ state }) => state === 'running')
  return (
    <Alert title="Getting the first Datanet and model ready" color="gray">
      <Text size="sm" mb="xs">
        The first start fills a Datanet with Solidity modules and trains a model on it, on this machine. That
        takes a few minutes; look around meanwhile.
      </Text>
      <span className="visually-hidden" role="status">
        {running === undefined ? '' : `Now: ${running.title}`}
      </span>
      <List size="sm" spacing={4} center>
        {seed.data.steps.map((step) => (
          <List.Item key={step.name} icon={icons[step.state]}>
            {step.title}
            {step.detail !== '' && (
              <Text span size="sm" c="dimmed">
                {' '}
                · {step.detail}
              </Text>
            )}
          </List.Item>
        ))}
      </List>
    </Alert>
  )
}
