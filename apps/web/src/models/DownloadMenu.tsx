import { Alert, Button, Menu, Stack, Text } from '@mantine/core'
import { ModelCard as Facts, type Http } from '@openledger/protocol'
import { ProblemError, type Signer } from '@openledger/sdk'
import { useMutation } from '@tanstack/react-query'
import { client } from '../api.ts'
import { shortMessage } from '../wallet/shortMessage.ts'
import { useSigner } from '../wallet/useSigner.ts'
import { saveFile } from './saveFile.ts'

const FORMATS: readonly { format: Http.ExportFormat; label: string; words: string }[] = [
  { format: 'peft', label: 'Adapter (PEFT)', words: 'Small; needs the base beside it' },
  { format: 'merged', label: 'Whole model (safetensors)', words: 'For transformers and vLLM' },
  { format: 'gguf', label: 'Whole model (GGUF)', words: 'For llama.cpp and Ollama' },
  { format: 'onnx', label: 'Whole model (ONNX)', words: 'For ONNX Runtime, browsers included' },
]

/** Takes a model away: in the forms that other programs read, with its card, or the card alone. Costs nothing. */
export function DownloadMenu({ model, isOwner }: { model: Http.Model; isOwner: boolean }) {
  const signer = useSigner()
  const cardOf = async () => Facts.write(model, await client.trainingRun(model.trainingRunId))
  const archiveOf = (format: Http.ExportFormat) =>
    client.modelExport(model.name, format).catch((error) => {
      const isForbidden = error instanceof ProblemError && error.code === 'model.files_forbidden'
      if (!isForbidden || !isOwner || signer === undefined) throw error
      return client.ownModelExport(model.name, format, signer)
    })
  return <Downloads name={model.name} formats={FORMATS} archiveOf={archiveOf} cardOf={cardOf} />
}

/** The same of a run that trained all weights, for its owner, who signs. */
export function DownloadWhole({ run, signer }: { run: Http.TrainingRun; signer: Signer }) {
  return (
    <Downloads
      name={run.modelName}
      formats={FORMATS.filter(({ format }) => format !== 'peft')}
      archiveOf={(format) => client.ownModelExport(run.modelName, format, signer)}
      cardOf={async () => Facts.writeWhole(run)}
    />
  )
}

function Downloads({
  name,
  formats,
  archiveOf,
  cardOf,
}: {
  name: string
  formats: typeof FORMATS
  archiveOf: (format: Http.ExportFormat) => Promise<Uint8Array<ArrayBuffer>>
  cardOf: () => Promise<string>
}) {
  const download = useMutation({
    mutationFn: async (format: Http.ExportFormat | 'card') =>
      format === 'card'
        ? saveFile(`${name}.md`, await cardOf(), 'text/markdown')
        : saveFile(`${name}-${format}.zip`, await archiveOf(format), 'application/zip'),
  })
  return (
    <>
      <Menu position="bottom-start" withinPortal>
        <Menu.Target>
          <Button size="compact-sm" variant="light" loading={download.isPending}>
            Download
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {formats.map(({ format, label, words }) => (
            <Menu.Item key={format} onClick={() => download.mutate(format)}>
              <Stack gap={0}>
                <Text size="sm">{label}</Text>
                <Text size="xs" c="dimmed">
                  {words}
                </Text>
              </Stack>
            </Menu.Item>
          ))}
          <Menu.Item onClick={() => download.mutate('card')}>Model card</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {download.error !== null && (
        <Alert color="red" title="Nothing was downloaded" role="alert" w="100%">
          {shortMessage(download.error)}
        </Alert>
      )}
    </>
  )
}
