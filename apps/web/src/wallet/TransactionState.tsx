import { Alert, Group, Loader, Text } from '@mantine/core'
import { Address } from '../components/Address.tsx'
import { shortMessage } from './shortMessage.ts'
import type { Progress } from './useTransact.ts'

const WORDS = {
  simulating: 'Trying it out on the chain’s present state …',
  signing: 'Confirm it in your wallet …',
  pending: 'Waiting for a block …',
  confirmed: 'Done, on chain:',
} as const

/** Says where a transaction is on its way, with its link once it has one. */
export function TransactionState({ progress }: { progress: Progress }) {
  if (progress.stage === 'idle') return null
  if (progress.stage === 'failed')
    return (
      <Alert color="red" title="It did not go through" role="alert">
        <Text size="sm" component="div">
          {shortMessage(progress.error)}
          {progress.hash !== undefined && (
            <>
              {' '}
              <Address value={progress.hash} kind="transaction" />
            </>
          )}
        </Text>
      </Alert>
    )
  return (
    <Group gap="xs" role="status">
      {progress.stage !== 'confirmed' && <Loader size={14} aria-hidden />}
      <Text size="sm" component="div">
        {WORDS[progress.stage]} {'hash' in progress && <Address value={progress.hash} kind="transaction" />}
      </Text>
    </Group>
  )
}
