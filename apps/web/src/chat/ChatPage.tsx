import {
  Alert,
  Button,
  Card,
  Group,
  Loader,
  NumberInput,
  Select,
  SimpleGrid,
  Stack,
  Text,
  Textarea,
  Title,
} from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { useMemo, useRef, useState } from 'react'
import { useAccount } from 'wagmi'
import { queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { AsyncView, Empty } from '../components/AsyncView.tsx'
import { AttributedText } from '../components/AttributedText.tsx'
import { Shares } from '../components/Shares.tsx'
import { PageTitle } from '../Layout.tsx'
import { AccessPanel, useApiKey } from './AccessPanel.tsx'
import { streamCompletion } from './streamCompletion.ts'

const EXAMPLES = [
  'contract MyToken is ERC20 {\n    function transfer(address to, uint256 value)',
  'contract Treasury is AccessControl {\n    function grantRole(bytes32 role, address account)',
  'contract Shop is Ownable {\n    function transferOwnership(address newOwner)',
]

type Answer = { text: string; receipt: Http.SignedReceipt | undefined }

/** Ask a model, watch the answer come, and see on its words and beside it whose data shaped it. */
export function ChatPage() {
  const search = useSearch({ strict: false }) as { model?: string }
  const models = useQuery(queries.models)
  const { address } = useAccount()
  const { secret } = useApiKey(address)
  const queryClient = useQueryClient()
  const [model, setModel] = useState<string | null>(search.model ?? null)
  const [prompt, setPrompt] = useState(EXAMPLES[0]!)
  const [tokens, setTokens] = useState<number | string>(96)
  const [answer, setAnswer] = useState<Answer>()
  const [failure, setFailure] = useState<string>()
  const [selected, setSelected] = useState<string>()
  const running = useRef<AbortController>(undefined)
  const [busy, setBusy] = useState(false)
  const chosen = model ?? models.data?.[0]?.name ?? null
  const chosenModel = models.data?.find((each) => each.name === chosen)

  const contributions = useQuery(queries.contributions({}))
  const titles = useMemo(
    () => new Map(contributions.data?.map((contribution) => [contribution.id as string, contribution.title])),
    [contributions.data],
  )

  async function ask() {
    if (chosen === null || secret === undefined) return
    setFailure(undefined)
    setSelected(undefined)
    setAnswer({ text: '', receipt: undefined })
    setBusy(true)
    const controller = new AbortController()
    running.current = controller
    try {
      const request = { model: chosen, prompt, max_tokens: Number(tokens), secret, signal: controller.signal }
      for await (const part of streamCompletion(request)) {
        if (part.kind === 'text')
          setAnswer((before) => ({ text: (before?.text ?? '') + part.text, receipt: undefined }))
        else setAnswer({ text: part.answer, receipt: part.receipt })
      }
      await queryClient.invalidateQueries({ queryKey: ['account'] })
    } catch (error) {
      if (!controller.signal.aborted) setFailure((error as Error).message)
    } finally {
      setBusy(false)
    }
  }

  return (
    <>
      <PageTitle title="Ask a model">
        The answer is paid in OPEN, and pays the people whose data shaped it. Marked words stand word for word
        in someone’s contribution.
      </PageTitle>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
        <Stack>
          <AsyncView
            query={models}
            empty={{
              when: (list) => list.length === 0,
              view: (
                <Empty title="No model is published yet">
                  The first one appears here as soon as it is trained.
                </Empty>
              ),
            }}
          >
            {(list) => (
              <Group align="flex-end">
                <Select
                  label="Model"
                  data={list.map((each) => each.name)}
                  value={chosen}
                  onChange={setModel}
                  allowDeselect={false}
                  flex={1}
                />
                <NumberInput
                  label="Tokens at most"
                  value={tokens}
                  onChange={setTokens}
                  min={1}
                  max={256}
                  w={130}
                />
              </Group>
            )}
          </AsyncView>
          <Textarea
            label="Prompt"
            description="The model continues what you write. Control + Enter sends it."
            value={prompt}
            onChange={(event) => setPrompt(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void ask()
            }}
            autosize
            minRows={5}
            maxRows={16}
            styles={{ input: { fontFamily: 'monospace' } }}
          />
          <Group gap="xs">
            {EXAMPLES.map((example, index) => (
              <Button key={example} size="compact-xs" variant="light" onClick={() => setPrompt(example)}>
                Example {index + 1}
              </Button>
            ))}
          </Group>
          <AccessPanel />
          <Group>
            <Button
              onClick={() => void ask()}
              loading={busy}
              disabled={secret === undefined || chosen === null || prompt.trim() === ''}
            >
              Ask
            </Button>
            {busy && (
              <Button variant="default" onClick={() => running.current?.abort()}>
                Stop
              </Button>
            )}
            {chosenModel !== undefined && (
              <Text size="sm" c="dimmed">
                <Amount wei={chosenModel.outputPriceWei} /> per token
              </Text>
            )}
          </Group>
          {failure !== undefined && (
            <Alert color="red" title="There is no answer" role="alert">
              {failure}
            </Alert>
          )}
        </Stack>
        <Stack>
          {answer === undefined ? (
            <Card withBorder>
              <Empty title="The answer comes here">
                With the words it took from others marked, and who is paid for it.
              </Empty>
            </Card>
          ) : (
            <Card withBorder aria-live="polite" aria-busy={busy}>
              {answer.receipt === undefined ? (
                <div className="answer">
                  {answer.text}
                  {busy && <Loader size={12} ml={6} aria-label="Writing" />}
                </div>
              ) : (
                <AttributedText
                  answer={answer.text}
                  attribution={answer.receipt.attribution}
                  titles={titles}
                  selected={selected}
                  onSelect={setSelected}
                />
              )}
            </Card>
          )}
          {answer?.receipt !== undefined && (
            <Card withBorder>
              <Title order={2} size="h4" mb={4}>
                Who this answer pays
              </Title>
              <Text size="sm" c="dimmed" mb="sm" component="div">
                <Amount wei={answer.receipt.contributorsWei} /> of a fee of{' '}
                <Amount wei={answer.receipt.feeWei} /> goes to contributors.{' '}
                <ReceiptLink sequence={answer.receipt.sequence} />
              </Text>
              <Shares
                attribution={answer.receipt.attribution}
                titles={titles}
                selected={selected}
                onSelect={setSelected}
              />
            </Card>
          )}
        </Stack>
      </SimpleGrid>
    </>
  )
}

function ReceiptLink({ sequence }: { sequence: number }) {
  const receipt = useQuery(queries.receipt(sequence))
  return (
    <a href={`/explorer/receipts/${sequence}`} style={{ color: 'var(--mantine-color-anchor)' }}>
      Receipt {sequence} {receipt.data?.settlementTransaction ? 'is settled on chain' : 'is being settled …'}
    </a>
  )
}
