import { Stack, Text } from '@mantine/core'
import type { Parameters } from '@openledger/sdk'
import { Row, Rows } from '../components/Rows.tsx'

type Props = { effect: Parameters.Effect; isDone?: boolean }

/** What a call of governance changes, from what to what, for those who are to sign or vote. */
export function EffectWords({ effect, isDone = false }: Props) {
  const { title, lines, parameter } = effect
  return (
    <Stack gap={4}>
      <Text size="sm" fw={600}>
        {title}
      </Text>
      <Rows>
        {lines.map(({ label, current, proposed }) => (
          <Row key={label} label={label}>
            <span style={{ overflowWrap: 'anywhere' }}>
              {current === undefined || isDone || current === proposed ? (
                proposed
              ) : (
                <>
                  {current} → <b>{proposed}</b>
                </>
              )}
            </span>
          </Row>
        ))}
      </Rows>
      {parameter !== undefined && !isDone && (
        <Text size="xs" c="dimmed">
          {parameter.since} {parameter.limits}
        </Text>
      )}
    </Stack>
  )
}
