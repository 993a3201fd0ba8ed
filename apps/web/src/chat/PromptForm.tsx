import { Button, Group, NumberInput, Select, Stack, Text, Textarea } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import type { ReactNode } from 'react'
import { Amount } from '../components/Amount.tsx'
import { count } from '../components/words.ts'
import { MergeInput, type Weighted } from './MergeInput.tsx'
import { mostWei } from './price.ts'

/** What a person asks for. */
export type Question = {
  readonly model: string
  readonly prompt: string
  readonly tokens: number
  /** Ids of records that stand before the prompt. */
  readonly passages: readonly string[]
  /** Models that answer together, `model` first; none where it answers alone. */
  readonly adapters: readonly Weighted[]
}

/** Beginnings as a person would write them, each of another kind of contract. */
export const EXAMPLES: readonly { readonly name: string; readonly prompt: string }[] = [
  {
    name: 'A token',
    prompt: [
      'contract MyToken is ERC20 {',
      '    function transfer(address to, uint256 value) public override returns (bool) {',
      '        address owner = _msgSender();',
      '',
    ].join('\n'),
  },
  {
    name: 'Roles',
    prompt: [
      'contract Registry is AccessControl {',
      '    bytes32 public constant CLERK_ROLE = keccak256("CLERK_ROLE");',
      '',
      '    function revokeRole(bytes32 role, address account)',
    ].join('\n'),
  },
  {
    name: 'An owner',
    prompt: [
      'contract Shop is Ownable {',
      '    function transferOwnership(address newOwner) public virtual override onlyOwner {',
      '        if (newOwner == address(0)) {',
      '            revert OwnableInvalidOwner(',
    ].join('\n'),
  },
]

type Props = {
  models: readonly Http.Model[]
  question: Question
  onChange: (question: Question) => void
  /** Why it cannot be asked yet; undefined when it can. */
  obstacle: string | undefined
  isBusy: boolean
  onAsk: () => void
  onStop: () => void
  /** Stands between the question and its button. */
  children: ReactNode
}

/** The question, what it can cost at most, and the button that asks it. */
export function PromptForm({ models, question, onChange, obstacle, isBusy, onAsk, onStop, children }: Props) {
  const { model, prompt, tokens } = question
  const chosen = models.find(({ name }) => name === model)
  const sold = question.adapters.length === 0 ? [{ name: model, weight: 1 }] : question.adapters
  const maxWei = sold.reduce((sum, { name, weight }) => {
    const prices = models.find((one) => one.name === name)
    return prices === undefined ? sum : sum + mostWei(prompt, tokens, prices, weight)
  }, 0n)
  const canAsk = obstacle === undefined && !isBusy
  return (
    <Stack>
      <Group align="flex-end" wrap="nowrap">
        <Select
          label="Model"
          data={models.map(({ name }) => name)}
          value={model}
          onChange={(name) => name !== null && onChange({ ...question, model: name, adapters: [] })}
          allowDeselect={false}
          searchable={models.length > 8}
          flex={1}
          miw={0}
        />
        <NumberInput
          label="Tokens at most"
          value={tokens}
          onChange={(value) => onChange({ ...question, tokens: Number(value) })}
          min={1}
          max={256}
          allowDecimal={false}
          w={130}
        />
      </Group>
      <MergeInput
        model={model}
        names={models.map(({ name }) => name)}
        adapters={question.adapters}
        onChange={(adapters) => onChange({ ...question, adapters })}
      />
      <Textarea
        label="Prompt"
        description="The model goes on where you stop. Control + Enter sends it."
        value={prompt}
        onChange={(event) => onChange({ ...question, prompt: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && canAsk) onAsk()
        }}
        autosize
        minRows={4}
        maxRows={16}
        styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
      />
      <Group gap="xs">
        <Text size="xs" c="dimmed">
          Try:
        </Text>
        {EXAMPLES.map((example) => (
          <Button
            key={example.name}
            size="compact-xs"
            variant="light"
            onClick={() => onChange({ ...question, prompt: example.prompt })}
          >
            {example.name}
          </Button>
        ))}
      </Group>
      {question.passages.length > 0 && (
        <Group gap="xs">
          <Text size="xs">
            {count(question.passages.length, 'record')} will stand before the prompt, and be paid for what it
            does to the answer; its words are charged like the prompt’s.
          </Text>
          <Button size="compact-xs" variant="default" onClick={() => onChange({ ...question, passages: [] })}>
            Leave out
          </Button>
        </Group>
      )}
      {children}
      <Group wrap="nowrap" align="center">
        <Button onClick={onAsk} loading={isBusy} disabled={obstacle !== undefined} style={{ flexShrink: 0 }}>
          Ask
        </Button>
        {isBusy && (
          <Button variant="default" onClick={onStop} style={{ flexShrink: 0 }}>
            Stop
          </Button>
        )}
        {chosen !== undefined && (
          <Text size="xs" c="dimmed">
            <Amount wei={chosen.inputPriceWei} /> for each token of the prompt and{' '}
            <Amount wei={chosen.outputPriceWei} /> for each of the answer
            {sold.length > 1 && ', and the others at their prices'}: at most{' '}
            <b>
              <Amount wei={maxWei} />
            </b>
            . {obstacle}
          </Text>
        )}
      </Group>
    </Stack>
  )
}
