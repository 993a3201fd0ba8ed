import {
  Alert,
  Button,
  Card,
  Code,
  FileInput,
  Group,
  ScrollArea,
  Stack,
  Text,
  Textarea,
  TextInput,
  Title,
} from '@mantine/core'
import { useForm } from '@mantine/form'
import type { Http } from '@openledger/protocol'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { client } from '../api.ts'
import { Address } from '../components/Address.tsx'
import { Command } from '../components/Command.tsx'
import { count } from '../components/words.ts'
import { shortMessage } from '../wallet/shortMessage.ts'
import { useSigner } from '../wallet/useSigner.ts'

type Values = { title: string; text: string; files: File[] }

/** Text or files in; the records as they will be signed; one signature; the contribution on chain. */
export function ContributeForm({ datanet }: { datanet: Http.Datanet }) {
  const signer = useSigner()
  const queryClient = useQueryClient()
  const form = useForm<Values>({
    initialValues: { title: '', text: '', files: [] },
    validate: {
      title: (value) => (value.trim() === '' ? 'Give it a name others will recognise' : null),
      text: (value, values) =>
        value.trim() === '' && values.files.length === 0 ? 'Paste text or choose files' : null,
    },
  })
  const content = async ({ text, files }: Values) => ({
    datanetId: datanet.id,
    licence: datanet.licence,
    files: [
      ...(await Promise.all(files.map(async (file) => ({ name: file.name, text: await readText(file) })))),
      ...(text.trim() === '' ? [] : [{ name: 'pasted.txt', text }]),
    ],
  })
  const prepare = useMutation({
    mutationFn: async (values: Values) => client.prepareContribution(await content(values)),
  })
  const contribute = useMutation({
    mutationFn: async (values: Values) => {
      if (signer === undefined) throw new Error('Connect a wallet first.')
      return client.contribute({ ...(await content(values)), title: values.title.trim() }, signer)
    },
    onSuccess: async () => {
      form.reset()
      prepare.reset()
      await queryClient.invalidateQueries({ queryKey: ['contributions'] })
    },
  })
  const failure = prepare.error ?? contribute.error
  return (
    <Card withBorder component="section" aria-labelledby="contribute">
      <Title order={2} size="h4" mb={4} id="contribute">
        Contribute
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        You sign; the network pays the gas. The text is stored under its hash; only the hash, the licence and
        your address go on chain.
      </Text>
      <form onSubmit={form.onSubmit((values) => prepare.mutate(values))}>
        <Stack>
          <TextInput
            label="Title"
            description="What others will see when it earns"
            placeholder="My ERC-20 notes"
            maw={420}
            {...form.getInputProps('title')}
          />
          <Textarea
            label="Text"
            description={`Yours to give under ${datanet.licence}. It is cut into records, and each is checked on its own.`}
            autosize
            minRows={4}
            maxRows={12}
            styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
            {...form.getInputProps('text')}
          />
          <FileInput
            label="or text files"
            placeholder="Choose files"
            multiple
            clearable
            maw={420}
            {...form.getInputProps('files')}
          />
          <Group>
            <Button type="submit" variant="default" loading={prepare.isPending}>
              Show the records
            </Button>
            <Button
              onClick={() => {
                if (!form.validate().hasErrors) contribute.mutate(form.values)
              }}
              loading={contribute.isPending}
              disabled={signer === undefined}
            >
              {signer === undefined ? 'Connect a wallet to sign' : 'Sign and contribute'}
            </Button>
          </Group>
        </Stack>
      </form>
      <details style={{ marginTop: 'var(--mantine-spacing-md)' }}>
        <Text component="summary" size="sm" style={{ cursor: 'pointer' }}>
          Many files? From a terminal
        </Text>
        <Command>{`npm run openledger -- contribute ${datanet.id} *.md --title "My notes" --licence ${datanet.licence}`}</Command>
      </details>
      {failure !== null && (
        <Alert color="red" mt="md" title="Nothing was contributed" role="alert">
          {shortMessage(failure)}
        </Alert>
      )}
      {contribute.data !== undefined && (
        <Alert color="green" mt="md" title="On chain" role="status">
          <Text size="sm" component="div">
            {count(contribute.data.recordCount, 'record')}, transaction{' '}
            <Address value={contribute.data.transactionHash} kind="transaction" />. They are being checked
            now; <Address value={contribute.data.id} kind="contribution" label="follow them here" />.
          </Text>
        </Alert>
      )}
      {prepare.data !== undefined && (
        <Stack mt="md" gap="xs">
          <Text size="sm" fw={600}>
            {count(prepare.data.recordCount, 'record')} under root {prepare.data.recordsRoot.slice(0, 12)}…
          </Text>
          {prepare.data.warnings.map((warning) => (
            <Alert key={warning} color="yellow">
              {warning}
            </Alert>
          ))}
          <ScrollArea.Autosize mah={320}>
            <Stack gap={6}>
              {prepare.data.records.slice(0, 50).map((record, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a record's place is what identifies it here
                <Code block key={index} aria-label={`Record ${index + 1}`}>
                  {record}
                </Code>
              ))}
            </Stack>
          </ScrollArea.Autosize>
        </Stack>
      )}
    </Card>
  )
}

/** Reads a file as UTF-8 and says so when it is something else. */
async function readText(file: File): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer())
  } catch {
    throw new Error(`${file.name} is not text in UTF-8. Convert it to text first; nothing was sent.`)
  }
}
