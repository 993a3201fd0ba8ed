import { ActionIcon, Code, CopyButton, Group, Tooltip } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'

/** A command for a terminal, copied with one click. */
export function Command({ children: command }: { children: string }) {
  return (
    <Group gap={4} wrap="nowrap" align="flex-start" className="command">
      <Code block flex={1} miw={0} tabIndex={0}>
        {command}
      </Code>
      <CopyButton value={command}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? 'Copied' : 'Copy'}>
            <ActionIcon
              variant="subtle"
              size="lg"
              onClick={copy}
              aria-label={copied ? 'Copied' : 'Copy the command'}
            >
              {copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </Group>
  )
}
