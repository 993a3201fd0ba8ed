import { Anchor, Card, Stack, Text, Title } from '@mantine/core'
import { Command } from '../components/Command.tsx'
import { useApiKey } from './apiKey.ts'

/** How a program asks the same model; the key's secret is no part of what everybody near the screen sees. */
export function FromAProgram({ model }: { model: string }) {
  const { held } = useApiKey()
  return (
    <Card withBorder component="section" aria-labelledby="program">
      <Title order={2} size="h4" mb={4} id="program">
        From a program
      </Title>
      <Text size="sm" c="dimmed" mb="xs">
        Any OpenAI client works: the base URL is {window.location.origin}/v1, and the{' '}
        <Anchor href="/api/openapi.json" inherit>
          rest of the interface
        </Anchor>{' '}
        is described for machines too.
        {held === undefined
          ? ' A key is made on this page, or by the command line:'
          : ' Your key is under what you prepaid.'}
      </Text>
      <Stack gap="xs">
        {held === undefined && <Command>npm run openledger -- create-key my-program --limit 2</Command>}
        <Command>{curlOf(model)}</Command>
      </Stack>
    </Card>
  )
}

const curlOf = (model: string): string =>
  [
    `curl ${window.location.origin}/v1/completions`,
    `-H "authorization: Bearer $OPENLEDGER_API_KEY"`,
    `-H 'content-type: application/json'`,
    `-d '${JSON.stringify({ model, prompt: 'contract MyToken is ERC20 {\n    function transfer(', max_tokens: 64 })}'`,
  ].join(' \\\n  ')
