import { Group, getThemeColor, Progress, Stack, Text, useMantineTheme } from '@mantine/core'
import type { FeeSplit } from '@openledger/protocol'
import { PARTS } from './splitParts.ts'

/** A fee split as a bar and in numbers. */
export function SplitBar({ split }: { split: FeeSplit.FeeSplit }) {
  const theme = useMantineTheme()
  return (
    <Stack gap={6}>
      <Progress.Root size={14} aria-hidden>
        {PARTS.map(({ key, colour }) => (
          <Progress.Section key={key} value={split[key] / 100} color={colour} />
        ))}
      </Progress.Root>
      <Group gap="md" style={{ rowGap: 2 }}>
        {PARTS.map(({ key, label, colour }) => (
          <Group key={key} gap={6} wrap="nowrap">
            <span className="swatch" aria-hidden style={{ background: getThemeColor(colour, theme) }} />
            <Text size="sm">
              {label} <b>{split[key] / 100} %</b>
            </Text>
          </Group>
        ))}
      </Group>
    </Stack>
  )
}
